// The compact network's time INR and decoder, compiled once per instruction set: VINR_BUILD names the
// build. Pixels are rows of channels, so a bilinear read is a few vector loads; what is done for each
// pixel apart from its neighbours is done on vectors of pixels.
#include "kernels.hpp"
#include "layers.hpp"
#include "numbers.hpp"
#include "planar.hpp"
#include "tiles.hpp"

namespace vinr {
namespace {

constexpr int kFlows = 4;    // first channels of a pixel of motion: x and y to both frames
constexpr int kLogits = 2;   // and the next ones

// Pixels that go through the layers together. Nothing is forwarded from a store to a tile's load or
// from a tile's store to a load, so with tiles each layer is done for many before the next one begins.
constexpr int kMany = kSplit ? 128 : kBlock;

// ---- layers on kMany pixels ----------------------------------------------------------------------

// With tiles, a layer's rows are Numbers, `depth` of them a pixel, and its sums are floats; without,
// both are floats and lie where the layer before has put them.
#if defined(__AMX_BF16__)

inline int depth_of(int inputs) { return padded_to(inputs, kTileDepth); }
inline int sums_of(int outputs) { return padded_to(outputs, kTile); }
inline int64_t layer_floats(int inputs, int outputs) {
    return sums_of(outputs) + sums_of(outputs) * depth_of(inputs) / 2;
}

// `place[i]`: the input that Number i of a pixel is, or -1.
float* pack_layer(const Layer& layer, const float* shift, const int* place, int depth, float* out) {
    const int n = sums_of(layer.outputs);
    for (int i = 0; i < n; ++i)
        out[i] = i < layer.outputs ? layer.bias[i] + (shift ? shift[i] : 0.0f) : 0.0f;
    auto* numbers = reinterpret_cast<Number*>(out + n);
    for (int column = 0; column < n; column += 2 * kTile)
        numbers = pack_tiles(depth, n - column < 2 * kTile ? 1 : 2, numbers, [&](int c, int k) {
            const int o = column + c, input = place ? place[k] : k < layer.inputs ? k : -1;
            return o < layer.outputs && input >= 0
                       ? layer.weight[static_cast<int64_t>(o) * layer.inputs + input]
                       : 0.0f;
        });
    return out + n + n * depth / 2;
}

// Tiles of pixels times tiles of columns.
template <int ROWS, int TILES>
inline void tile_products(const Number* x, int depth, const Number* w, const float* bias, float* y,
                          int pitch) {
    typedef Product<ROWS, TILES> P;
    P::begin(bias);
    for (int k = 0; k < depth; k += kTileDepth, w += TILES * kTileNumbers)
        P::step(x + k, depth * sizeof(Number), w);
    P::end(y, pitch);
}

// kMany pixels of `depth` Numbers to kMany rows of `n` sums.
inline void tile_layer(const Number* x, int depth, const float* packed, int n, float* y) {
    const auto* w = reinterpret_cast<const Number*>(packed + n);
    for (int column = 0; column < n; column += 2 * kTile) {
        const bool wide = n - column > kTile;
        for (int p = 0; p < kMany; p += kTile * 2) {
            const Number* from = x + static_cast<int64_t>(p) * depth;
            float* to = y + p * n + column;
            if (wide)
                tile_products<2, 2>(from, depth, w, packed + column, to, n);
            else
                tile_products<2, 1>(from, depth, w, packed + column, to, n);
        }
        w += static_cast<int64_t>(depth) * (wide ? 2 * kTile : kTile);
    }
}

// Sums through a ReLU to the next layer's Numbers.
inline void tile_relu(const float* sums, int n, Number* to) {
    const int depth = depth_of(n);
    for (int p = 0; p < kMany; ++p, sums += n, to += depth) {
        int c = 0;
        for (; c + 2 * kVector <= n; c += 2 * kVector)
            store_numbers(to + c, larger(load<V>(sums + c), V{}),
                          larger(load<V>(sums + c + kVector), V{}));
        if (c < n) store_numbers(to + c, larger(load<V>(sums + c), V{}), V{});
    }
}

#else

inline int64_t layer_floats(int inputs, int outputs) {
    return static_cast<int64_t>(padded(outputs)) * (inputs + 1);
}

float* pack_layer(const Layer& layer, const float* shift, float* out) {
    const int n = padded(layer.outputs);
    pack(layer, out + n, out, shift);
    return out + layer_floats(layer.inputs, layer.outputs);
}

template <After AFTER, int PITCH = 0>
inline const float* plain_layer(const Layer& l, const float* packed, const float* x, int pitch,
                                float* y, int out_pitch) {
    layer<AFTER, false, PITCH>(l, packed + padded(l.outputs), packed, x, pitch, y, out_pitch);
    return packed + layer_floats(l.inputs, l.outputs);
}

#endif

// ---- time INR ------------------------------------------------------------------------------------

int64_t time_floats(const TimeJob& job) {
    return layer_floats(job.middle.inputs, job.middle.outputs) +
           layer_floats(job.last.inputs, job.last.outputs);
}

void pack_time(const TimeJob& job, float* out) {
#if defined(__AMX_BF16__)
    out = pack_layer(job.middle, nullptr, nullptr, depth_of(job.middle.inputs), out);
    pack_layer(job.last, nullptr, nullptr, depth_of(job.last.inputs), out);
#else
    pack_layer(job.last, nullptr, pack_layer(job.middle, nullptr, out));
#endif
}

// Unit: kMany LR pixels. Scratch: kMany * (2 * kWidest + kLane) floats.
void time_blocks(const TimeJob& job, const float* packed, int64_t begin, int64_t end,
                 float* scratch) {
    const int hidden = job.middle.inputs, pitch = padded_to(hidden, kPad);
    float* b = scratch + kMany * kWidest;
    float* c = b + kMany * kWidest;
    float shift[kWidest] = {};
    std::memcpy(shift, job.shift, sizeof(float) * hidden);
    std::memset(scratch, 0, sizeof(float) * kMany * kWidest);
#if defined(__AMX_BF16__)
    const int depth = depth_of(hidden), n = sums_of(job.middle.outputs);
    auto* a = reinterpret_cast<Number*>(scratch);
    const float* last = packed + layer_floats(job.middle.inputs, job.middle.outputs);
    begin_tiles();
#else
    constexpr int depth = kWidest;
    float* a = scratch;
#endif
    for (int64_t unit = begin; unit < end; ++unit) {
        const int64_t start = unit * kMany, left = job.pixels - start;
        const int count = static_cast<int>(left < kMany ? left : kMany);
        const Number* from = static_cast<const Number*>(job.state) + start * pitch;
        for (int p = 0; p < count; ++p)
            for (int i = 0; i < pitch; i += kVector)
                store_number(a + p * depth + i,
                             larger(load_number(from + p * pitch + i) + load<V>(shift + i), V{}));
#if defined(__AMX_BF16__)
        tile_layer(a, depth, packed, n, b);
        tile_relu(b, n, reinterpret_cast<Number*>(c));
        tile_layer(reinterpret_cast<Number*>(c), depth_of(n), last, kLane, b);
        const float* made = b;
#else
        const float* last =
            plain_layer<After::relu, kWidest>(job.middle, packed, a, kWidest, b, kWidest);
        plain_layer<After::nothing, kWidest>(job.last, last, b, kWidest, c, kLane);
        const float* made = c;
#endif
        float* out = job.out + start * kLane;
        std::memcpy(out, made, sizeof(float) * count * kLane);
        for (int p = 0; p < count; ++p) {
            const float x = job.motion[start + p], y = job.motion[job.pixels + start + p];
            float* flow = out + p * kLane;
            flow[0] = -job.t * (x + flow[0]);
            flow[1] = -job.t * (y + flow[1]);
            flow[2] = (1 - job.t) * (x + flow[2]);
            flow[3] = (1 - job.t) * (y + flow[3]);
        }
    }
#if defined(__AMX_BF16__)
    end_tiles();
#endif
}

// ---- decoder -------------------------------------------------------------------------------------

// What a block of pixels is decoded from and to. 
struct Block {
    float motion[kMany * kLane];
    float still[2][kMany * 4];   // unmoved colours
    float seen[3][kMany * 4];    // both moved colours, and what stands still
    float sums[kMany * kWidest];
    float last[kMany * kLane];   // corrections, two logits
};

constexpr int kPanel = 64;  // Numbers of a pixel before the first layer, with tiles

int64_t render_floats(const RenderJob& job) {
#if defined(__AMX_BF16__)
    return layer_floats(kPanel, job.first.outputs) +
           layer_floats(job.middle.inputs, job.middle.outputs) +
           layer_floats(job.last.inputs, job.last.outputs);
#else
    return layer_floats(job.first.inputs, job.first.outputs) +
           layer_floats(job.middle.inputs, job.middle.outputs) +
           layer_floats(job.last.inputs, job.last.outputs);
#endif
}

void pack_render(const RenderJob& job, float* out) {
#if defined(__AMX_BF16__)
    // A pixel's Numbers: 16 of each canvas, 16 of the motion, still colours and their change in four
    // each, zeros.
    int place[kPanel];
    for (int i = 0; i < kPanel; ++i) {
        const int k = i % kLane, c = job.channels;
        place[i] = -1;
        if (i < 2 * kLane && k < c) place[i] = i / kLane * c + k;
        if (i / kLane == 2 && k >= kFlows && k < kFlows + kLogits + job.features)
            place[i] = 2 * c + 6 + k - kFlows;
        if (i / kLane == 3 && k < 3) place[i] = 2 * c + k;
        if (i / kLane == 3 && k >= 4 && k < 7) place[i] = 2 * c + k - 1;
    }
    out = pack_layer(job.first, job.shift, place, kPanel, out);
    out = pack_layer(job.middle, nullptr, nullptr, depth_of(job.middle.inputs), out);
    pack_layer(job.last, nullptr, nullptr, depth_of(job.last.inputs), out);
#else
    out = pack_layer(job.first, job.shift, out);
    pack_layer(job.last, nullptr, pack_layer(job.middle, nullptr, out));
#endif
}

// How a canvas lies in memory.
struct Canvas {
    int height, width, channels, factor_y, factor_x, cells;  // pixels; cells in a row
    float cell_y, cell_x;                                    // 1 / factor
    int64_t line;                                            // elements of a cell's row

    explicit Canvas(const RenderJob& job)
        : height(job.lr_height * job.factor_y),
          width(job.lr_width * job.factor_x),
          channels(job.channels),
          factor_y(job.factor_y),
          factor_x(job.factor_x),
          cells(job.lr_width),
          cell_y(1.0f / static_cast<float>(job.factor_y)),
          cell_x(1.0f / static_cast<float>(job.factor_x)),
          line(static_cast<int64_t>(job.factor_x) * job.channels) {}

    // Cells' rows up to that of a canvas row, and elements from there to a canvas column.
    I rows(I y) const {
        const I cell = __builtin_convertvector((__builtin_convertvector(y, V) + 0.5f) * cell_y, I);
        return cell * (cells * factor_y - factor_y) + y;
    }
    I columns(I x) const {
        const I cell = __builtin_convertvector((__builtin_convertvector(x, V) + 0.5f) * cell_x, I);
        return (cell * (factor_y * factor_x - factor_x) + x) * channels;
    }
};

// Bilinear taps of kMany pixels in a canvas, by `Canvas::rows` and `Canvas::columns`.
struct Reads {
    int32_t top[kMany], low[kMany], left[kMany], right[kMany];
    float y[kMany], x[kMany];
};

inline void store(int32_t* p, I v) { std::memcpy(p, &v, sizeof v); }
inline I smaller(I a, I b) { return a < b ? a : b; }

// Positions in canvas pixels to taps; clamped to the canvas, NaN to its corner.
inline void find_reads(V column, V row, const Canvas& canvas, Reads& to, int p) {
    const V bottom = all(static_cast<float>(canvas.height - 1));
    const V right = all(static_cast<float>(canvas.width - 1));
    column = column > 0 ? column : V{};
    row = row > 0 ? row : V{};
    column = column < right ? column : right;
    row = row < bottom ? row : bottom;
    const I x = __builtin_convertvector(column, I), y = __builtin_convertvector(row, I);
    store(to.x + p, column - __builtin_convertvector(x, V));
    store(to.y + p, row - __builtin_convertvector(y, V));
    store(to.left + p, canvas.columns(x));
    store(to.right + p, canvas.columns(smaller(x + 1, I{} + (canvas.width - 1))));
    store(to.top + p, canvas.rows(y));
    store(to.low + p, canvas.rows(smaller(y + 1, I{} + (canvas.height - 1))));
}

// A canvas's channels from p on, n of them; after these zeros, or what the next pixel has.
inline V channels_at(const float* p, int n) { return load_some(p, n); }
inline V channels_at(const Half* p, int) { return load_half(p); }
inline Four four_at(const float* p) { return load<Four>(p); }
inline Four four_at(const Half* p) { return load_half_four(p); }

// The moved channels of canvas k, to the first layer and to `colours`.
template <class T>
inline void fetch(const T* canvas, const Canvas& shape, const Reads& reads, int k, Number* panel,
                  int pitch, float* colours) {
    const int channels = shape.channels;
    for (int p = 0; p < kMany; ++p) {
        const T* up = canvas + reads.top[p] * shape.line;
        const T* low = canvas + reads.low[p] * shape.line;
        const int32_t left = reads.left[p], right = reads.right[p];
        const float x = reads.x[p], y = reads.y[p];
        for (int v = 0; v < kLane && v < channels; v += kVector) {
            const int n = channels - v;
            const V above = mix(channels_at(up + left + v, n), channels_at(up + right + v, n), x);
            const V below = mix(channels_at(low + left + v, n), channels_at(low + right + v, n), x);
            const V value = mix(above, below, y);
            store_number(panel + p * pitch + (kSplit ? kLane : channels) * k + v, value);
            if (v == 0) store(colours + 4 * p, first_four(value));
        }
    }
}

// Unmoved colours of a canvas row at a block's columns; a canvas has four channels at least.
template <class T>
inline void fetch_still(const T* canvas, const Canvas& shape, const Columns& columns, int start,
                        int32_t top, int32_t low, float y, float* to) {
    const T* up = canvas + top * shape.line;
    const T* down = canvas + low * shape.line;
    const int32_t* left = columns.still_left + start;
    if (columns.still_whole && y == 0) {
        for (int p = 0; p < kMany; ++p) store(to + 4 * p, four_at(up + left[p]));
        return;
    }
    const int32_t* right = columns.still_right + start;
    const float* share = columns.still_share + start;
    for (int p = 0; p < kMany; ++p) {
        const Four above = mix(four_at(up + left[p]), four_at(up + right[p]), share[p]);
        const Four below = mix(four_at(down + left[p]), four_at(down + right[p]), share[p]);
        store(to + 4 * p, mix(above, below, y));
    }
}

// Both frames' unmoved colours to their blend and their change.
inline void put_still(const Block& block, float t, Number* panel, int pitch, int at, float* stays) {
    for (int p = 0; p < kMany; ++p) {
        const Four first = load<Four>(block.still[0] + 4 * p);
        const Four second = load<Four>(block.still[1] + 4 * p);
        const Four stay = mix(first, second, t), change = first - second;
        store(stays + 4 * p, stay);
#if defined(__AMX_BF16__)
        store_eight(panel + p * pitch + at, stay, change);
#else
        store(panel + p * pitch + at, stay);
        store(panel + p * pitch + at + 3, change);
#endif
    }
}

// Logits and features of the motion.
inline void put_motion(const Block& block, Number* panel, int pitch, int at) {
#if defined(__AMX_BF16__)
    for (int p = 0; p < kMany; ++p)
        store_number(panel + p * pitch + at,
                     (V)_mm512_maskz_mov_ps(0xfff0, (__m512)load<V>(block.motion + p * kLane)));
#else
    for (int p = 0; p < kMany; ++p)
        std::memcpy(panel + p * pitch + at, block.motion + p * kLane + kFlows,
                    sizeof(float) * (kLane - kFlows));
#endif
}

// Softmax of the three weights and the blend, to planes from `out` on.
inline void blend(const RenderJob& job, const Block& block, int count, float* out, int64_t plane) {
    for (int p = 0; p < count; p += kVector) {
        const int some = count - p;
        V told[4], made[4], more[4];
        planar(block.motion + p * kLane + kFlows, kLane, told);
        planar(block.last + p * kLane, kLane, made);
        planar(block.last + p * kLane + 4, kLane, more);
        V a = told[0] + made[3] + job.log_first, b = all(job.log_second);
        V s = told[1] + more[0] + job.still_logit;
        const V most = larger(a, larger(b, s));
        a = exponential(a - most);
        b = exponential(b - most);
        s = exponential(s - most);
        const V whole = 1.0f / (a + b + s);
        V first[4], second[4], stay[4];
        planar(block.seen[0] + 4 * p, 4, first);
        planar(block.seen[1] + 4 * p, 4, second);
        planar(block.seen[2] + 4 * p, 4, stay);
        for (int k = 0; k < 3; ++k)
            store_some(out + k * plane + p,
                       (a * first[k] + b * second[k] + s * stay[k]) * whole + made[k], some);
    }
}

// One row's motion at the LR columns: the vertical half of the bilinear enlargement.
inline void motion_line(const RenderJob& job, float row, float* line) {
    const float bottom = static_cast<float>(job.lr_height - 1);
    row = row > 0 ? row : 0;
    row = row < bottom ? row : bottom;
    const int top = static_cast<int>(row), next = top + 1 < job.lr_height ? top + 1 : top;
    const float share = row - static_cast<float>(top);
    const int64_t length = static_cast<int64_t>(job.lr_width) * kLane;
    const float* a = job.motion + top * length;
    const float* b = job.motion + next * length;
    for (int64_t i = 0; i < length; i += kVector)
        store(line + i, mix(load<V>(a + i), load<V>(b + i), share));
}

// And the horizontal half, for a block's columns.
inline void motion_block(const Columns& columns, int start, const float* line, float* out) {
    for (int p = 0; p < kMany; ++p) {
        const float* left = line + columns.left[start + p] * kLane;
        const float* right = line + columns.right[start + p] * kLane;
        const float share = columns.share[start + p];
        for (int v = 0; v < kLane; v += kVector)
            store(out + p * kLane + v, mix(load<V>(left + v), load<V>(right + v), share));
    }
}

// Where a block's pixels come from in both canvases.
inline void find_ends(const RenderJob& job, const Canvas& canvas, const Block& block, int start,
                      float row, const Columns& columns, Reads (&reads)[2]) {
    const float fy = static_cast<float>(job.factor_y), fx = static_cast<float>(job.factor_x);
    for (int p = 0; p < kMany; p += kVector) {
        V flow[4];
        planar(block.motion + p * kLane, kLane, flow);
        const V column = load<V>(columns.place + start + p);
        for (int k = 0; k < 2; ++k)
            find_reads((column + flow[2 * k] + 0.5f) * fx - 0.5f,
                       (row + flow[2 * k + 1] + 0.5f) * fy - 0.5f, canvas, reads[k], p);
    }
}

// The decoder's layers: the panel to `block.last`.
inline void decode(const RenderJob& job, const float* packed, const Number* panel, int pitch,
                   Number* hidden, Block& block) {
#if defined(__AMX_BF16__)
    int n = sums_of(job.first.outputs);
    tile_layer(panel, pitch, packed, n, block.sums);
    tile_relu(block.sums, n, hidden);
    packed += layer_floats(pitch, job.first.outputs);
    const int depth = depth_of(n);
    n = sums_of(job.middle.outputs);
    tile_layer(hidden, depth, packed, n, block.sums);
    tile_relu(block.sums, n, hidden);
    packed += layer_floats(job.middle.inputs, job.middle.outputs);
    tile_layer(hidden, depth_of(n), packed, kLane, block.last);
#else
    packed = plain_layer<After::relu>(job.first, packed, panel, pitch, hidden, kWidest);
    packed = plain_layer<After::relu, kWidest>(job.middle, packed, hidden, kWidest, block.sums,
                                               kWidest);
    plain_layer<After::nothing, kWidest>(job.last, packed, block.sums, kWidest, block.last, kLane);
#endif
}

// Unit: an output row. Scratch: as vinr_render in dispatch.cpp says.
template <class T>
void render(const RenderJob& job, const float* packed, const Columns& columns, int64_t begin,
            int64_t end, float* scratch) {
    const int c = job.channels, pitch = kSplit ? kPanel : job.first.inputs + kLane;
    const int stay_at = kSplit ? 3 * kLane : 2 * c, motion_at = kSplit ? 2 * kLane : 2 * c + 6;
    const Canvas canvas(job);
    const T* cells[2] = {static_cast<const T*>(job.canvas[0]), static_cast<const T*>(job.canvas[1])};
    auto& block = *reinterpret_cast<Block*>(scratch);
    float* line = scratch + sizeof(Block) / sizeof(float);
    auto* panel = reinterpret_cast<Number*>(line + static_cast<int64_t>(job.lr_width) * kLane);
    Number* hidden = panel + kMany * pitch;
    const int64_t plane = static_cast<int64_t>(job.height) * job.width;
    Reads reads[2];
#if defined(__AMX_BF16__)
    std::memset(panel, 0, sizeof(Number) * kMany * (pitch + kWidest));
    begin_tiles();
#endif
    for (int64_t y = begin; y < end; ++y) {
        const float row = job.rows[y];
        motion_line(job, row, line);
        find_reads(V{}, (row + V{} + 0.5f) * static_cast<float>(job.factor_y) - 0.5f, canvas,
                   reads[0], 0);
        const int32_t top = reads[0].top[0], low = reads[0].low[0];
        const float share = reads[0].y[0];
        for (int start = 0; start < job.width; start += kMany) {
            const int left = job.width - start, count = left < kMany ? left : kMany;
            motion_block(columns, start, line, block.motion);
            find_ends(job, canvas, block, start, row, columns, reads);
            for (int k = 0; k < 2; ++k) {
                fetch(cells[k], canvas, reads[k], k, panel, pitch, block.seen[k]);
                fetch_still(cells[k], canvas, columns, start, top, low, share, block.still[k]);
            }
            put_still(block, job.t, panel, pitch, stay_at, block.seen[2]);
            put_motion(block, panel, pitch, motion_at);
            decode(job, packed, panel, pitch, hidden, block);
            blend(job, block, count, job.out + y * job.width + start, plane);
        }
    }
#if defined(__AMX_BF16__)
    end_tiles();
#endif
}

void render_rows(const RenderJob& job, const float* packed, const Columns& columns, int64_t begin,
                 int64_t end, float* scratch) {
    if (kHalf && job.half)
        render<Half>(job, packed, columns, begin, end, scratch);
    else
        render<float>(job, packed, columns, begin, end, scratch);
}

}  // namespace

extern const CompactKernels VINR_NAME(compact_, VINR_BUILD);
const CompactKernels VINR_NAME(compact_, VINR_BUILD) = {
    kMany, time_floats, pack_time, time_blocks, render_floats, pack_render, render_rows};

}  // namespace vinr
