// The published network's space INR, time INR and decoder, compiled once per instruction set. Both
// kernels take a block of pixels through all layers while it is in the second cache; the widest
// thing per pixel is a layer of 256.
#include "kernels.hpp"
#include "layers.hpp"

namespace vinr {
namespace {

// Scratch of a unit: three buffers of kBlock * kBroadest floats, and one of kBlock * (kBroadest +
// kLane) for what goes into a first layer.
constexpr int kBuffer = kBlock * kBroadest;

// A last layer of at most four outputs, on kBlock pixels: sums along the inputs, so that nothing is
// computed for columns that are not there. Weights are (4, whole vectors of inputs), see pack_few.
inline void few_outputs(const Layer& l, const float* weight, const float* bias, const float* x,
                        float* y) {
    constexpr int kTogether = 4;
    const int inputs = whole_vectors(l.inputs);
    for (int p = 0; p < kBlock; p += kTogether) {
        V sum[kTogether][4] = {};
        for (int k = 0; k < inputs; k += kVector) {
            V w[4];
#pragma GCC unroll 4
            for (int o = 0; o < 4; ++o) w[o] = load<V>(weight + o * inputs + k);
#pragma GCC unroll 4
            for (int q = 0; q < kTogether; ++q) {
                const V a = load<V>(x + (p + q) * kBroadest + k);
#pragma GCC unroll 4
                for (int o = 0; o < 4; ++o) sum[q][o] += a * w[o];
            }
        }
        for (int q = 0; q < kTogether; ++q)
            for (int o = 0; o < 4; ++o)
                y[(p + q) * kBroadest + o] = total(sum[q][o]) + bias[o];
    }
}

// From a first layer's sines, in rows of kBroadest, to the last layer's output. Returns where that
// is: one of the two other buffers.
template <bool FEW>
inline const float* after_first(const SineNet& net, float* const* weight, float* const* bias,
                                const float* x, float* a, float* b) {
    float* y = a;
    for (int i = 0; i < net.count; ++i) {
        if (i + 1 < net.count)
            layer<After::sine, false, kBroadest>(net.layers[i], weight[i], bias[i], x, kBroadest, y,
                                                 kBroadest);
        else if (FEW)
            few_outputs(net.layers[i], weight[i], bias[i], x, y);
        else
            layer<After::nothing, false, kBroadest>(net.layers[i], weight[i], bias[i], x,
                                                    kBroadest, y, kBroadest);
        x = y;
        y = y == a ? b : a;
    }
    return x;
}

// to[v] = or += the weighted sum of a pixel, its right neighbour, and both below, `channels` of
// them; whole vectors are written. `line`: floats to the pixel below.
template <bool ADD>
inline void read_four(const float* pixel, int64_t line, const float* share, int channels,
                      float* to) {
    const float* from[4] = {pixel, pixel + channels, pixel + line, pixel + line + channels};
    const int whole = channels / kVector * kVector;
    for (int v = 0; v < whole; v += kVector) {
        V sum = ADD ? load<V>(to + v) : V{};
        for (int i = 0; i < 4; ++i) sum += load<V>(from[i] + v) * share[i];
        store(to + v, sum);
    }
    if (whole < channels) {
        V sum = ADD ? load<V>(to + whole) : V{};
        for (int i = 0; i < 4; ++i)
            sum += load_some(from[i] + whole, channels - whole) * share[i];
        store(to + whole, sum);
    }
}

// Bilinear shares of four pixels; one every `step` floats.
inline void four_shares(float y, float x, float* share, int step) {
    const float both = y * x;
    share[0] = 1 - y - x + both;
    share[step] = x - both;
    share[2 * step] = y - both;
    share[3 * step] = both;
}

// Read a lattice at output pixel (row, column).
template <bool ADD>
inline void read_lattice(const Lattice& table, int64_t row, int64_t column, float* to) {
    const int64_t line = static_cast<int64_t>(table.line) * table.channels;
    const float* pixel = table.table + table.rows[row] * line +
                         static_cast<int64_t>(table.cols[column]) * table.channels;
    float share[4];
    four_shares(table.row_share[row], table.col_share[column], share, 1);
    read_four<ADD>(pixel, line, share, table.channels, to);
}

// Bilinear taps of kBlock positions in a table.
struct Taps {
    int32_t corner[kBlock];  // the upper left of four pixels
    float share[4][kBlock];
};

// Taps at fractions (row, column) of the frame.
inline void find_taps(const Table& table, const float* rows, const float* columns, Taps& taps) {
    const float least_y = table.least[0], least_x = table.least[1];
    const float most_y = table.most[0], most_x = table.most[1];
    for (int p = 0; p < kBlock; ++p) {
        float y = rows[p] * table.scale[0] + table.shift[0];
        float x = columns[p] * table.scale[1] + table.shift[1];
        y = y > least_y ? y : least_y;
        y = y < most_y ? y : most_y;
        x = x > least_x ? x : least_x;
        x = x < most_x ? x : most_x;
        const int32_t top = static_cast<int32_t>(y), left = static_cast<int32_t>(x);
        taps.corner[p] = top * table.line + left;
        four_shares(y - static_cast<float>(top), x - static_cast<float>(left), taps.share[0] + p,
                    kBlock);
    }
}

template <bool ADD>
inline void read_table(const Table& table, int64_t start, const Taps& taps, float* to, int pitch) {
    const int64_t line = static_cast<int64_t>(table.line) * table.channels;
    for (int p = 0; p < kBlock; ++p) {
        const float* pixel =
            table.data + start + static_cast<int64_t>(taps.corner[p]) * table.channels;
        const float share[4] = {taps.share[0][p], taps.share[1][p], taps.share[2][p],
                                taps.share[3][p]};
        read_four<ADD>(pixel, line, share, table.channels, to + p * pitch);
    }
}

// Unit: an output row.
void field_rows(const FieldJob& job, const PackedSines& packed, int64_t begin, int64_t end,
                float* scratch) {
    float* sum = scratch;
    float* a = sum + kBuffer;
    float* b = a + kBuffer;
    float* seen = b + kBuffer;
    const int n = job.space_net.width, m = job.motion_net.width;
    const int channels = job.space_net.layers[job.space_net.count - 1].outputs;
    const int pitch = kBroadest + kLane;
    for (int64_t row = begin; row < end; ++row) {
        const float* line = job.space +
                            static_cast<int64_t>(job.lines[row]) * job.held_columns * n;
        const float* down = job.down + row * n;
        for (int start = 0; start < job.width; start += kBlock) {
            const int count = job.width - start < kBlock ? job.width - start : kBlock;
            for (int p = 0; p < kBlock; ++p) {
                const int64_t column = start + (p < count ? p : count - 1);
                const float* from = line + static_cast<int64_t>(job.columns[column]) * n;
                const float* right = job.right + column * n;
                for (int v = 0; v < n; v += kVector)
                    store(sum + p * kBroadest + v,
                          sine(load_some(from + v, n - v) + load_some(down + v, n - v) +
                               load_some(right + v, n - v)));
            }
            const float* hr =
                after_first<false>(job.space_net, packed.weight[0], packed.bias[0], sum, a, b);
            float* out = job.out + (row * job.out_line + start) * channels;
            for (int p = 0; p < count; ++p)
                std::memcpy(out + p * channels, hr + p * kBroadest, sizeof(float) * channels);
            if (!job.flow) continue;
            for (int p = 0; p < kBlock; ++p) {
                const int64_t column = start + (p < count ? p : count - 1);
                float* to = seen + p * pitch;
                std::memcpy(to, hr + p * kBroadest, sizeof(float) * channels);
                if (job.frames.channels)
                    read_lattice<false>(job.frames, row, column, to + channels);
                float* first = sum + p * kBroadest;
                for (int v = 0; v < m; v += kVector)
                    store(first + v, load<V>(packed.first_bias + v));
                read_lattice<true>(job.features, row, column, first);
            }
            layer<After::sine, true, kBroadest + kLane>(job.first, packed.first, packed.first_bias,
                                                        seen, pitch, sum, kBroadest);
            const float* flow =
                after_first<true>(job.motion_net, packed.weight[1], packed.bias[1], sum, a, b);
            float* to = job.flow + (row * job.width + start) * 4;
            for (int p = 0; p < count; ++p)
                std::memcpy(to + 4 * p, flow + p * kBroadest, sizeof(float) * 4);
        }
    }
}

// Unit: kBlock output pixels.
void paint_blocks(const PaintJob& job, const PackedSines& packed, int64_t begin, int64_t end,
                  float* scratch) {
    float* sum = scratch;
    float* a = sum + kBuffer;
    float* b = a + kBuffer;
    float* seen = b + kBuffer;
    const int n = job.net.width, pitch = kBroadest + kLane;
    const int hr = job.hr.channels, frames = job.frames.channels;
    float rows[2][kBlock], columns[2][kBlock];
    for (int64_t unit = begin; unit < end; ++unit) {
        const int64_t start = unit * kBlock, left = job.pixels - start;
        const int count = static_cast<int>(left < kBlock ? left : kBlock);
        for (int p = 0; p < kBlock; ++p) {
            const float* from = job.where + (start + (p < count ? p : count - 1)) * 2;
            for (int k = 0; k < 2; ++k) {
                rows[k][p] = from[k];
                columns[k][p] = from[job.pixels * 2 + k];
            }
            for (int v = 0; v < n; v += kVector)
                store(sum + p * kBroadest + v, load<V>(packed.first_bias + v));
        }
        Taps taps;
        for (int k = 0; k < 2; ++k) {
            find_taps(job.hr, rows[k], columns[k], taps);
            read_table<false>(job.hr, 0, taps, seen + k * hr, pitch);
            find_taps(job.features, rows[k], columns[k], taps);
            read_table<true>(job.features, k * job.second, taps, sum, kBroadest);
        }
        // After the others, whose last vectors reach into these places.
        for (int k = 0; k < 2 && frames; ++k) {
            find_taps(job.frames, rows[k], columns[k], taps);
            read_table<false>(job.frames, 0, taps, seen + 2 * hr + k * frames, pitch);
        }
        layer<After::sine, true, kBroadest + kLane>(job.first, packed.first, packed.first_bias, seen,
                                                    pitch, sum, kBroadest);
        const float* out = after_first<true>(job.net, packed.weight[0], packed.bias[0], sum, a, b);
        for (int k = 0; k < 3; ++k)
            for (int p = 0; p < count; ++p)
                job.out[k * job.pixels + start + p] = out[p * kBroadest + k];
    }
}

// A last layer's weights for few_outputs.
void pack_few(const Layer& layer, float* weight, float* bias) {
    const int inputs = whole_vectors(layer.inputs);
    for (int o = 0; o < 4; ++o) {
        const bool real = o < layer.outputs;
        bias[o] = real ? layer.bias[o] : 0.0f;
        for (int k = 0; k < inputs; ++k)
            weight[o * inputs + k] =
                real && k < layer.inputs
                    ? layer.weight[static_cast<int64_t>(o) * layer.inputs + k]
                    : 0.0f;
    }
}

int64_t packed_floats(int inputs, int outputs) {
    return static_cast<int64_t>(inputs) * padded(outputs);
}

}  // namespace

#define VINR_TEXT(x) VINR_STRING(x)
#define VINR_STRING(x) #x
extern const PublishedKernels VINR_NAME(published_, VINR_BUILD);
const PublishedKernels VINR_NAME(published_, VINR_BUILD) = {
    VINR_TEXT(VINR_BUILD), pack, pack_few, packed_floats, field_rows, paint_blocks};

}  // namespace vinr
