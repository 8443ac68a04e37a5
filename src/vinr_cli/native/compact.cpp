// The compact network's kernels, compiled once per instruction set: VINR_BUILD names the build.
// Pixels are rows of channels, so a bilinear read is a few vector loads, and a layer is a small
// matrix product whose operands stay in registers and the first cache.
#include "kernels.hpp"
#include "layers.hpp"

namespace vinr {
namespace {

// ---- time INR -----------------------------------------------------------------------------------

// Unit: kBlock LR pixels. Scratch: 2 * kBlock * kWidest + kBlock * kLane floats.
void time_blocks(const TimeJob& job, const Packed& packed, int64_t begin, int64_t end,
                 float* scratch) {
    const int hidden = job.middle.inputs;
    float* a = scratch;
    float* b = a + kBlock * kWidest;
    float* c = b + kBlock * kWidest;
    std::memset(a, 0, sizeof(float) * kBlock * kWidest);
    for (int64_t unit = begin; unit < end; ++unit) {
        const int64_t start = unit * kBlock;
        const int count = static_cast<int>(
            job.pixels - start < kBlock ? job.pixels - start : kBlock);
        for (int p = 0; p < count; ++p) {
            const float* from = job.state + (start + p) * hidden;
            for (int i = 0; i < hidden; ++i) {
                const float x = from[i] + job.shift[i];
                a[p * kWidest + i] = x > 0 ? x : 0;
            }
        }
        layer<After::relu, false, kWidest>(job.middle, packed.weight[0], packed.bias[0], a,
                                           kWidest, b, kWidest);
        layer<After::nothing, false, kWidest>(job.last, packed.weight[1], packed.bias[1], b,
                                              kWidest, c, kLane);
        float* out = job.out + start * kLane;
        std::memcpy(out, c, sizeof(float) * count * kLane);
        for (int p = 0; p < count; ++p) {
            const float x = job.motion[start + p], y = job.motion[job.pixels + start + p];
            float* flow = out + p * kLane;
            flow[0] = -job.t * (x + flow[0]);
            flow[1] = -job.t * (y + flow[1]);
            flow[2] = (1 - job.t) * (x + flow[2]);
            flow[3] = (1 - job.t) * (y + flow[3]);
        }
    }
}

// ---- decoder ------------------------------------------------------------------------------------

// Bilinear taps of kBlock pixels in a canvas.
struct Taps {
    int64_t top[kBlock], bottom[kBlock];
    int32_t left[kBlock], right[kBlock];
    float y[kBlock], x[kBlock];
};

// Positions (column, row) in canvas pixels to taps; clamped to the canvas, NaN to its corner.
inline void find_taps(const float* column, const float* row, int height, int width,
                      const Packed& packed, Taps& taps) {
    int32_t iy[kBlock], ix[kBlock], jy[kBlock], jx[kBlock];
    const float bottom = static_cast<float>(height - 1), right = static_cast<float>(width - 1);
    for (int p = 0; p < kBlock; ++p) {
        float y = row[p] > 0 ? row[p] : 0, x = column[p] > 0 ? column[p] : 0;
        y = y < bottom ? y : bottom;
        x = x < right ? x : right;
        const int32_t top = static_cast<int32_t>(y), left = static_cast<int32_t>(x);
        taps.y[p] = y - static_cast<float>(top);
        taps.x[p] = x - static_cast<float>(left);
        iy[p] = top;
        ix[p] = left;
        jy[p] = top + 1 < height ? top + 1 : height - 1;
        jx[p] = left + 1 < width ? left + 1 : width - 1;
    }
    for (int p = 0; p < kBlock; ++p) {
        taps.top[p] = packed.line[iy[p]];
        taps.bottom[p] = packed.line[jy[p]];
        taps.left[p] = packed.column[ix[p]];
        taps.right[p] = packed.column[jx[p]];
    }
}

// Canvas channels at the taps, into rows of `pitch` floats; up to kLane floats a row are written.
inline void fetch(const float* canvas, const Taps& taps, int channels, float* to, int pitch) {
    for (int p = 0; p < kBlock; ++p) {
        const float* a = canvas + taps.top[p] + taps.left[p];
        const float* b = canvas + taps.top[p] + taps.right[p];
        const float* c = canvas + taps.bottom[p] + taps.left[p];
        const float* d = canvas + taps.bottom[p] + taps.right[p];
        const float x = taps.x[p], y = taps.y[p];
        for (int v = 0; v < kLane; v += kVector) {
            const int n = channels - v;
            if (n <= 0) break;
            const V up = mix(load_some(a + v, n), load_some(b + v, n), x);
            const V low = mix(load_some(c + v, n), load_some(d + v, n), x);
            store(to + p * pitch + v, mix(up, low, y));
        }
    }
}

// Unmoved colours of a canvas at (row, columns); a canvas has four channels at least.
inline void fetch_still(const float* canvas, const Taps& taps, float* to) {
    for (int p = 0; p < kBlock; ++p) {
        const float* up = canvas + taps.top[p];
        const float* low = canvas + taps.bottom[p];
        Four value = load<Four>(up + taps.left[p]);
        const float x = taps.x[p], y = taps.y[p];
        if (x != 0) value = mix(value, load<Four>(up + taps.right[p]), x);
        if (y != 0) {
            Four other = load<Four>(low + taps.left[p]);
            if (x != 0) other = mix(other, load<Four>(low + taps.right[p]), x);
            value = mix(value, other, y);
        }
        store(to + p * 4, value);
    }
}

// Softmax of the three weights and the blend; planes of kBlock floats.
inline void blend(const RenderJob& job, const float* motion, const float* out, const float* seen,
                  int pitch, int stay_at, float (*colours)[kBlock]) {
    const int c = job.channels;
    float one[kBlock], two[kBlock], three[kBlock];
    for (int p = 0; p < kBlock; ++p) {
        one[p] = motion[p * kLane + 4] + out[p * kLane + 3] + job.log_first;
        two[p] = job.log_second;
        three[p] = motion[p * kLane + 5] + out[p * kLane + 4] + job.still_logit;
    }
    for (int p = 0; p < kBlock; p += kVector) {
        V a = load<V>(one + p), b = load<V>(two + p), s = load<V>(three + p);
        const V most = larger(a, larger(b, s));
        a = exponential(a - most);
        b = exponential(b - most);
        s = exponential(s - most);
        const V whole = 1.0f / (a + b + s);
        store(one + p, a * whole);
        store(two + p, b * whole);
        store(three + p, s * whole);
    }
    for (int k = 0; k < 3; ++k)
        for (int p = 0; p < kBlock; ++p) {
            const float* x = seen + p * pitch;
            colours[k][p] = one[p] * x[k] + two[p] * x[c + k] + three[p] * x[stay_at + k] +
                            out[p * kLane + k];
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

// Unit: an output row. Scratch: as vinr_render in dispatch.cpp says.
void render_rows(const RenderJob& job, const Packed& packed, int64_t begin, int64_t end,
                 float* scratch) {
    const int c = job.channels, pitch = job.first.inputs + kLane, stay_at = 2 * c;
    const int height = job.lr_height * job.factor_y, width = job.lr_width * job.factor_x;
    const float fy = static_cast<float>(job.factor_y), fx = static_cast<float>(job.factor_x);
    float* line = scratch;
    float* motion = line + static_cast<int64_t>(job.lr_width) * kLane;
    float* still[2] = {motion + kBlock * kLane, motion + kBlock * (kLane + 4)};
    float* a = motion + kBlock * (kLane + 8);
    float* b = a + kBlock * kWidest;
    float* out = b + kBlock * kWidest;
    float* seen = out + kBlock * kLane;
    float colours[3][kBlock];
    Taps taps;
    for (int64_t row = begin; row < end; ++row) {
        motion_line(job, job.rows[row], line);
        for (int start = 0; start < job.width; start += kBlock) {
            const int count = job.width - start < kBlock ? job.width - start : kBlock;
            float cols[kBlock], x[kBlock], y[kBlock];
            for (int p = 0; p < kBlock; ++p)
                cols[p] = job.cols[start + (p < count ? p : count - 1)];
            const float last = static_cast<float>(job.lr_width - 1);
            for (int p = 0; p < kBlock; ++p) {
                float place = cols[p] > 0 ? cols[p] : 0;
                place = place < last ? place : last;
                const int left = static_cast<int>(place);
                const int right = left + 1 < job.lr_width ? left + 1 : left;
                const float share = place - static_cast<float>(left);
                for (int v = 0; v < kLane; v += kVector)
                    store(motion + p * kLane + v,
                          mix(load<V>(line + left * kLane + v), load<V>(line + right * kLane + v),
                              share));
            }
            for (int k = 0; k < 2; ++k) {
                for (int p = 0; p < kBlock; ++p) {
                    x[p] = (cols[p] + motion[p * kLane + 2 * k] + 0.5f) * fx - 0.5f;
                    y[p] = (job.rows[row] + motion[p * kLane + 2 * k + 1] + 0.5f) * fy - 0.5f;
                }
                find_taps(x, y, height, width, packed, taps);
                fetch(job.canvas[k], taps, c, seen + k * c, pitch);
            }
            for (int p = 0; p < kBlock; ++p) {
                x[p] = (cols[p] + 0.5f) * fx - 0.5f;
                y[p] = (job.rows[row] + 0.5f) * fy - 0.5f;
            }
            find_taps(x, y, height, width, packed, taps);
            fetch_still(job.canvas[0], taps, still[0]);
            fetch_still(job.canvas[1], taps, still[1]);
            for (int p = 0; p < kBlock; ++p) {
                float* to = seen + p * pitch + stay_at;
                for (int k = 0; k < 3; ++k) {
                    const float first = still[0][p * 4 + k], second = still[1][p * 4 + k];
                    to[k] = mix(first, second, job.t);
                    to[3 + k] = first - second;
                }
                std::memcpy(to + 6, motion + p * kLane + 4, sizeof(float) * (kLane - 4));
            }
            layer<After::relu>(job.first, packed.weight[0], packed.bias[0], seen, pitch, a, kWidest);
            layer<After::relu, false, kWidest>(job.middle, packed.weight[1], packed.bias[1], a,
                                               kWidest, b, kWidest);
            layer<After::nothing, false, kWidest>(job.last, packed.weight[2], packed.bias[2], b,
                                                  kWidest, out, kLane);
            blend(job, motion, out, seen, pitch, stay_at, colours);
            for (int k = 0; k < 3; ++k)
                std::memcpy(job.out + (static_cast<int64_t>(k) * job.height + row) * job.width +
                                start,
                            colours[k], sizeof(float) * count);
        }
    }
}

// ---- bicubic ------------------------------------------------------------------------------------

// Unit: a canvas row. Scratch: (lr_width + kTaps) * 4 floats.
void enlarge_rows(const EnlargeJob& job, const Packed& packed, int64_t begin, int64_t end,
                  float* scratch) {
    const int64_t plane = static_cast<int64_t>(job.lr_height) * job.lr_width;
    const int width = job.lr_width * job.factor_x;
    for (int64_t row = begin; row < end; ++row) {
        std::memset(scratch, 0, sizeof(float) * 4 * (job.lr_width + kTaps));
        for (int tap = 0; tap < kTaps; ++tap) {
            const int64_t from = job.row_start[row] + tap;
            const float weight = job.row_weight[row * kTaps + tap];
            if (weight == 0 || from >= job.lr_height) continue;
            for (int k = 0; k < 3; ++k) {
                const float* source = job.frame + k * plane + from * job.lr_width;
                for (int x = 0; x < job.lr_width; ++x) scratch[4 * x + k] += weight * source[x];
            }
        }
        float* line = job.canvas + packed.line[row];
        for (int x = 0; x < width; ++x) {
            float* to = line + packed.column[x];
            const float* from = scratch + 4 * job.col_start[x];
            const float* weight = job.col_weight + static_cast<int64_t>(x) * kTaps;
            Four sum = load<Four>(to);
            for (int tap = 0; tap < kTaps; ++tap) sum += load<Four>(from + 4 * tap) * weight[tap];
            store(to, sum);
        }
    }
}

}  // namespace

extern const CompactKernels VINR_NAME(compact_, VINR_BUILD);
const CompactKernels VINR_NAME(compact_, VINR_BUILD) = {time_blocks, render_rows, enlarge_rows};

}  // namespace vinr
