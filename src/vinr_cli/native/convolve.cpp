// 3x3 convolutions of both networks, plain and deformable, compiled once per instruction set.
#include "kernels.hpp"
#include "layers.hpp"
#include "winograd.hpp"

namespace vinr {
namespace {

// Where a patch is.
struct Patch {
    int64_t map;
    int y, x;
};

inline Patch patch_of(const ConvJob& job, int64_t index) {
    const int64_t across = (job.width + 3) / 4, down = (job.height + 3) / 4;
    return {index / (across * down), static_cast<int>(index / across % down) * 4,
            static_cast<int>(index % across) * 4};
}

inline V leaky(V x, float slope) { return x > 0 ? x : x * slope; }

// Unit: kGroup patches, of which kPatches are done together. Scratch: as vinr_conv in dispatch.cpp
// says.
void conv_blocks(const ConvJob& job, int64_t begin, int64_t end, float* scratch) {
    const int used = job.channels[0] + (job.source[1] ? job.channels[1] : 0);
    const int inputs = job.channels[0] + job.channels[1], n = padded(job.outputs);
    const int64_t patches =
        static_cast<int64_t>(job.batch) * ((job.height + 3) / 4) * ((job.width + 3) / 4);
    float* none = scratch;
    float* seen = none + n + inputs;
    float* made = seen + static_cast<int64_t>(kPoints) * kPatches * used;
    std::memset(none, 0, sizeof(float) * (n + inputs));
    for (int64_t start = begin * kGroup; start < end * kGroup; start += kPatches) {
        const int64_t left = (end * kGroup < patches ? end * kGroup : patches) - start;
        const int count = static_cast<int>(left < kPatches ? left : kPatches);
        const int rows = (count + kPixels - 1) / kPixels * kPixels;
        for (int p = 0; p < rows; ++p) {
            const Patch patch = patch_of(job, start + (p < count ? p : count - 1));
            int first = 0;
            for (int q = 0; q < 2 && job.source[q]; ++q) {
                const int channels = job.channels[q];
                const float* map = job.source[q] + patch.map * job.height * job.width * channels;
                const float* from[kPoints];
                for (int i = 0; i < kPoints; ++i) {
                    const int y = patch.y + i / kSide - 1, x = patch.x + i % kSide - 1;
                    const bool inside = y >= 0 && y < job.height && x >= 0 && x < job.width;
                    from[i] = inside ? map + (static_cast<int64_t>(y) * job.width + x) * channels
                                     : none;
                }
                for (int c = 0; c < channels; c += kVector) {
                    V half[kPoints], whole[kPoints];
#pragma GCC unroll 6
                    for (int y = 0; y < kSide; ++y) {
                        V line[kSide];
#pragma GCC unroll 6
                        for (int x = 0; x < kSide; ++x)
                            line[x] = load_some(from[y * kSide + x] + c, channels - c);
                        spread(line, 1, half + y * kSide, 1);
                    }
#pragma GCC unroll 6
                    for (int x = 0; x < kSide; ++x) spread(half + x, kSide, whole + x, kSide);
                    for (int i = 0; i < kPoints; ++i)
                        store_some(
                            seen + (static_cast<int64_t>(i) * kPatches + p) * used + first + c,
                            whole[i], channels - c);
                }
                first += channels;
            }
        }
        multiply_points(rows, used, inputs, job.outputs, job.weight, none, seen, made);
        for (int p = 0; p < count; ++p) {
            const Patch patch = patch_of(job, start + p);
            const int high = job.height - patch.y < 4 ? job.height - patch.y : 4;
            const int wide = job.width - patch.x < 4 ? job.width - patch.x : 4;
            const int64_t corner =
                (patch.map * job.height + patch.y) * job.width + patch.x;
            for (int c = 0; c < job.outputs; c += kVector) {
                const int some = job.outputs - c;
                V half[4 * kSide], whole[16];
#pragma GCC unroll 6
                for (int y = 0; y < kSide; ++y) {
                    V line[kSide];
#pragma GCC unroll 6
                    for (int x = 0; x < kSide; ++x)
                        line[x] = load<V>(
                            made + (static_cast<int64_t>(y * kSide + x) * kPatches + p) * n + c);
                    gather(line, 1, half + 4 * y, 1);
                }
#pragma GCC unroll 4
                for (int x = 0; x < 4; ++x) gather(half + x, 4, whole + x, 4);
                const V bias = load_some(job.bias + c, some);
                for (int y = 0; y < high; ++y)
                    for (int x = 0; x < wide; ++x) {
                        const int64_t at = (corner + static_cast<int64_t>(y) * job.width + x) *
                                               job.outputs + c;
                        V value = leaky(whole[4 * y + x] + bias, job.slope);
                        if (job.plus) value += load_some(job.plus + at, some);
                        store_some(job.out + at, value, some);
                    }
            }
        }
    }
}

// ---- deformable convolution ---------------------------------------------------------------------

constexpr int kReads = 9;
constexpr int kMostReads = 256;  // taps of all groups, padded to whole vectors

// The reads of one pixel: four places of a padded-with-zeros map, and their shares.
struct Reads {
    int32_t place[4][kMostReads];
    float share[4][kMostReads];
};

inline void find_reads(const DeformJob& job, const float* found, int y, int x, Reads& reads) {
    const int taps = job.groups * kReads;
    float row[kMostReads], column[kMostReads], mask[kMostReads];
    for (int i = 0; i < taps; ++i) {
        const int k = i % kReads;
        row[i] = found[2 * i] + static_cast<float>(y + k / 3 - 1);
        column[i] = found[2 * i + 1] + static_cast<float>(x + k % 3 - 1);
        mask[i] = found[2 * taps + i];
    }
    const int whole = whole_vectors(taps);
    for (int i = taps; i < whole; ++i) row[i] = column[i] = mask[i] = 0;
    const V bottom = all(static_cast<float>(job.height));
    const V right = all(static_cast<float>(job.width));
    const I lines = I{} + job.height, columns = I{} + job.width;
    for (int i = 0; i < whole; i += kVector) {
        // One place outside is as good as any further one: nothing is read there.
        V r = load<V>(row + i), c = load<V>(column + i);
        r = r > -1.0f ? r : all(-1.0f);
        r = r < bottom ? r : bottom;
        c = c > -1.0f ? c : all(-1.0f);
        c = c < right ? c : right;
        const I top = __builtin_convertvector(r + 1.0f, I) - 1;
        const I left = __builtin_convertvector(c + 1.0f, I) - 1;
        const V dy = r - __builtin_convertvector(top, V), dx = c - __builtin_convertvector(left, V);
        const V m = sigmoid(load<V>(mask + i));
        const V zero{};
        const V up = ((top >= 0) & (top < lines)) ? (1.0f - dy) * m : zero;
        const V low = (top + 1 < lines) ? dy * m : zero;
        const V near = ((left >= 0) & (left < columns)) ? 1.0f - dx : zero;
        const V far = (left + 1 < columns) ? dx : zero;
        const I none{}, last = lines - 1, end = columns - 1;
        I y0 = top > none ? top : none, y1 = top + 1 < last ? top + 1 : last;
        I x0 = left > none ? left : none, x1 = left + 1 < end ? left + 1 : end;
        y0 = (y0 < last ? y0 : last) * columns;
        y1 = y1 * columns;
        x0 = x0 < end ? x0 : end;
        const I places[4] = {y0 + x0, y0 + x1, y1 + x0, y1 + x1};
        const V shares[4] = {up * near, up * far, low * near, low * far};
        for (int j = 0; j < 4; ++j) {
            const I place = places[j] * job.channels;
            std::memcpy(reads.place[j] + i, &place, sizeof place);
            store(reads.share[j] + i, shares[j]);
        }
    }
}

template <class T>
inline void read_taps(const DeformJob& job, const Reads& reads, const float* map, float* to) {
    constexpr int kStep = sizeof(T) / sizeof(float);
    const int size = job.channels / job.groups;
    for (int i = 0; i < job.groups * kReads; ++i) {
        const float* group = map + i / kReads * size;
        for (int c = 0; c < size; c += kStep) {
            T sum{};
            for (int j = 0; j < 4; ++j)
                sum += load<T>(group + reads.place[j][i] + c) * reads.share[j][i];
            store(to + i * size + c, sum);
        }
    }
}

// Unit: kBlock pixels. Scratch: as vinr_deform in dispatch.cpp says.
void deform_blocks(const DeformJob& job, const float* weight, const float* bias, int64_t begin,
                   int64_t end, float* scratch) {
    const int inputs = job.weight.inputs, outputs = job.weight.outputs, n = padded(outputs);
    const int64_t plane = static_cast<int64_t>(job.height) * job.width;
    const int64_t all_pixels = job.batch * plane;
    float* columns = scratch;
    float* made = columns + kBlock * inputs;
    Reads reads;
    for (int64_t unit = begin; unit < end; ++unit) {
        const int64_t start = unit * kBlock, left = all_pixels - start;
        const int count = static_cast<int>(left < kBlock ? left : kBlock);
        for (int p = 0; p < kBlock; ++p) {
            const int64_t pixel = start + (p < count ? p : count - 1), inside = pixel % plane;
            find_reads(job, job.found + pixel * 3 * kReads * job.groups,
                       static_cast<int>(inside / job.width), static_cast<int>(inside % job.width),
                       reads);
            const float* map = job.source + pixel / plane * plane * job.channels;
            if (job.channels / job.groups % 8 == 0)
                read_taps<Eight>(job, reads, map, columns + p * inputs);
            else
                read_taps<Four>(job, reads, map, columns + p * inputs);
        }
        layer<After::nothing>(job.weight, weight, bias, columns, inputs, made, n);
        for (int p = 0; p < count; ++p)
            for (int c = 0; c < outputs; c += kVector)
                store_some(job.out + (start + p) * outputs + c,
                           leaky(load<V>(made + p * n + c), job.slope), outputs - c);
    }
}

}  // namespace

extern const ConvolveKernels VINR_NAME(convolve_, VINR_BUILD);
const ConvolveKernels VINR_NAME(convolve_, VINR_BUILD) = {pack_conv, conv_blocks, deform_blocks};

}  // namespace vinr
