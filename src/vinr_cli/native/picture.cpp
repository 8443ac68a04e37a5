// What is done to whole pictures after the network, compiled once per instruction set: flat colours put
// back (engine/faithful.py), and code values made of colours (color/convert.py).
#include "kernels.hpp"
#include "layers.hpp"
#include "vector.hpp"

namespace vinr {
namespace {

inline V smaller(V a, V b) { return a < b ? a : b; }
inline V magnitude(V a) { return larger(a, -a); }

// ---- flatness ------------------------------------------------------------------------------------

// Unit: an LR row. Scratch: two lines of width + 2 reach, padded.
void flat_rows(const FlatJob& job, int64_t begin, int64_t end, float* scratch) {
    const int reach = job.reach, width = job.width;
    const int64_t plane = static_cast<int64_t>(job.height) * width;
    const int64_t line = whole_vectors(width + 2 * reach) + kVector;
    float *high = scratch, *low = scratch + line;
    const float* frames[2] = {job.first, job.second};
    for (int64_t y = begin; y < end; ++y) {
        float* out = job.flat + y * width;
        const int64_t top = y - reach > 0 ? y - reach : 0;
        const int64_t bottom = y + reach < job.height ? y + reach : job.height - 1;
        for (int k = 0; k < 3; ++k) {
            for (int x = 0; x < width; x += kVector) {
                V most = all(-__builtin_inff()), least = all(__builtin_inff());
                for (int64_t j = top; j <= bottom; ++j)
                    for (const float* frame : frames) {
                        const V v = load_some(frame + k * plane + j * width + x, width - x);
                        most = v > most ? v : most;
                        least = v < least ? v : least;
                    }
                store(high + reach + x, most);
                store(low + reach + x, least);
            }
            for (int x = 0; x < reach; ++x) {
                high[x] = high[reach + width + x] = -__builtin_inff();
                low[x] = low[reach + width + x] = __builtin_inff();
            }
            for (int x = 0; x < width; x += kVector) {
                V most = load<V>(high + x), least = load<V>(low + x);
                for (int i = 1; i <= 2 * reach; ++i) {
                    most = larger(load<V>(high + x + i), most);
                    least = smaller(load<V>(low + x + i), least);
                }
                const V spread = most - least;
                const V before = k ? load_some(out + x, width - x) : spread;
                V value = larger(spread, before);
                if (k == 2) {
                    value = (3.0f - value * (1.0f / job.alike)) * 0.5f;
                    value = larger(smaller(value, all(1.0f)), V{});
                }
                store_some(out + x, value, width - x);
            }
        }
    }
}

// ---- flat colours put back -----------------------------------------------------------------------

// Bilinear taps of an output place in `held` LR samples of `out`, as PyTorch's `interpolate`.
struct Tap {
    int32_t near, far;
    float share;
};

inline Tap tap_of(int64_t place, int held, int out) {
    const float scale = static_cast<float>(held) / static_cast<float>(out);
    float at = scale * (static_cast<float>(place) + 0.5f) - 0.5f;
    at = at > 0 ? at : 0;
    const int near = static_cast<int>(at) < held - 1 ? static_cast<int>(at) : held - 1;
    return {near, near + 1 < held ? near + 1 : near, at - static_cast<float>(near)};
}

inline bool any(const float* line, int width) {
    V sum{};
    for (int x = 0; x < width; x += kVector) sum += load_some(line + x, width - x);
    return total(sum) > 0;
}

// Unit: an output row. Scratch: four lines of LR samples; six of the output's.
void settle_rows(const SettleJob& job, int64_t begin, int64_t end, float* scratch) {
    const int64_t held = static_cast<int64_t>(job.lr_height) * job.lr_width;
    const int64_t plane = static_cast<int64_t>(job.height) * job.width;
    const int64_t line = whole_vectors(job.lr_width), wide = whole_vectors(job.width);
    float *lr[4], *hr[4];
    for (int k = 0; k < 4; ++k) {
        lr[k] = scratch + k * line;
        hr[k] = scratch + 4 * line + k * wide;
    }
    for (int64_t y = begin; y < end; ++y) {
        const Tap tap = tap_of(y, job.lr_height, job.height);
        const int64_t up = static_cast<int64_t>(tap.near) * job.lr_width;
        const int64_t low = static_cast<int64_t>(tap.far) * job.lr_width;
        if (!any(job.flat + up, job.lr_width) && !any(job.flat + low, job.lr_width)) continue;
        for (int x = 0; x < job.lr_width; ++x)
            lr[3][x] = mix(job.flat[up + x], job.flat[low + x], tap.share);
        for (int k = 0; k < 3; ++k) {
            const float* mean = job.mean + k * held;
            for (int x = 0; x < job.lr_width; ++x)
                lr[k][x] = mix(mean[up + x], mean[low + x], tap.share);
        }
        for (int x = 0; x < job.width; ++x) {
            const Tap across = tap_of(x, job.lr_width, job.width);
            for (int k = 0; k < 4; ++k)
                hr[k][x] = mix(lr[k][across.near], lr[k][across.far], across.share);
        }
        float* out = job.out + y * job.width;
        const bool edge = y < job.border_rows || y >= job.height - job.border_rows;
        for (int x = 0; x < job.width; x += kVector) {
            const int some = job.width - x;
            V limit = all(edge ? job.border_shift : job.shift);
            if (!edge && (x < job.border_columns || x + kVector > job.width - job.border_columns))
                for (int i = 0; i < kVector; ++i) {
                    const bool side =
                        x + i < job.border_columns || x + i >= job.width - job.border_columns;
                    limit[i] = side ? job.border_shift : job.shift;
                }
            V change[3], most{};
            for (int k = 0; k < 3; ++k) {
                change[k] = load_some(hr[k] + x, some) - load_some(out + k * plane + x, some);
                const V size = magnitude(change[k]);
                most = size > most ? size : most;
                most = size == size ? most : size;
            }
            V weight = 2.0f - most / limit;
            weight = smaller(larger(weight, V{}), all(1.0f)) * load_some(hr[3] + x, some);
            for (int k = 0; k < 3; ++k) {
                const V value = load_some(out + k * plane + x, some);
                // Nothing of a value that is no number is used, and the network's own stays.
                store_some(out + k * plane + x, weight > 0 ? value + change[k] * weight : value,
                           some);
            }
        }
    }
}

// ---- code values ---------------------------------------------------------------------------------

// A value with a half added, cut off to a code that may be written; NaN becomes the lowest.
inline I code_of(V value, const CodesJob& job) {
    value = value > job.lowest ? value : all(job.lowest);
    value = value < job.highest ? value : all(job.highest);
    return __builtin_convertvector(value, I);
}

inline void put_codes(void* plane, bool deep, int64_t at, I codes, int some) {
    const int count = some < kVector ? some : kVector;
    if (deep) {
        std::memcpy(static_cast<int32_t*>(plane) + at, &codes, sizeof(int32_t) * count);
        return;
    }
    typedef uint8_t Bytes __attribute__((vector_size(kVector)));
    const Bytes bytes = __builtin_convertvector(codes, Bytes);
    std::memcpy(static_cast<uint8_t*>(plane) + at, &bytes, static_cast<size_t>(count));
}

// Samples of a line beyond its ends: those at the ends, or the line through the last two.
inline void continue_line(float* line, int size, int before, int after, bool on_luma) {
    const float head = on_luma || size == 1 ? 0 : line[1] - line[0];
    const float tail = on_luma || size == 1 ? 0 : line[size - 1] - line[size - 2];
    for (int i = 1; i <= before; ++i) line[-i] = line[0] - static_cast<float>(i) * head;
    for (int i = 1; i <= after; ++i)
        line[size - 1 + i] = line[size - 1] + static_cast<float>(i) * tail;
}

constexpr int kMargin = 16;  // floats before a line

// The picture's rows as differences of colour, for the chroma planes: a ring of lines.
struct Differences {
    const CodesJob& job;
    float* memory;
    int64_t line;
    static constexpr int kLines = 8;

    float* at(int which, int64_t y) const {
        return memory + (which * kLines + (y & (kLines - 1))) * line + kMargin;
    }
};

// Luma's codes of row y, and blue and red less luma; returns whether all numbers are finite.
inline bool luma_row(const CodesJob& job, const Differences& to, int64_t y, bool own) {
    const int64_t plane = static_cast<int64_t>(job.height) * job.width, row = y * job.width;
    float *blue_to = to.at(0, y), *red_to = to.at(1, y);
    I wrong{};
    for (int x = 0; x < job.width; x += kVector) {
        const int some = job.width - x;
        const V red = load_some(job.rgb + row + x, some);
        const V green = load_some(job.rgb + plane + row + x, some);
        const V blue = load_some(job.rgb + 2 * plane + row + x, some);
        const V luma = red * job.kr + green * job.kg + blue * job.kb;
        wrong |= (red - red != V{}) | (green - green != V{}) | (blue - blue != V{});
        store(blue_to + x, blue - luma);
        store(red_to + x, red - luma);
        if (own)
            put_codes(job.planes[0], job.deep, row + x,
                      code_of(luma * job.luma_span + job.luma_offset, job), some);
    }
    for (int i = 0; i < kVector; ++i)
        if (wrong[i]) return false;
    return true;
}

// Rows of differences down to one of chroma, as `_halve` in color/convert.py.
inline void halve_down(const CodesJob& job, const Differences& from, int which, int64_t j,
                       float* out) {
    const int64_t last = job.height - 1;
    const auto row = [&](int64_t y, int x) {
        const auto read = [&](int64_t at) { return load<V>(from.at(which, at) + x); };
        if (y >= 0 && y <= last) return read(y);
        if (job.on_luma_y || last == 0) return read(y < 0 ? 0 : last);
        return y < 0 ? read(0) - static_cast<float>(-y) * (read(1) - read(0))
                     : read(last) + static_cast<float>(y - last) * (read(last) - read(last - 1));
    };
    for (int x = 0; x < job.width; x += kVector) {
        V sum;
        if (job.on_luma_y)
            sum = (row(2 * j - 1, x) + row(2 * j + 1, x)) * 0.25f + row(2 * j, x) * 0.75f -
                  (row(2 * j - 2, x) + row(2 * j + 2, x)) * 0.125f;
        else
            sum = (row(2 * j, x) + row(2 * j + 1, x)) * 0.625f -
                  (row(2 * j - 1, x) + row(2 * j + 2, x)) * 0.125f;
        store(out + x, sum);
    }
}

// A line of differences to codes of half as many samples.
inline void halve_across(const CodesJob& job, float* line, float span, void* plane, int64_t at) {
    const int half = (job.width + 1) / 2;
    continue_line(line, job.width, 2, 3, job.on_luma_x);
    float made[kVector];
    for (int x = 0; x < half; x += kVector) {
        const int some = half - x < kVector ? half - x : kVector;
        for (int i = 0; i < some; ++i) {
            const float* p = line + 2 * (x + i);
            made[i] = job.on_luma_x
                          ? (p[-1] + p[1]) * 0.25f + p[0] * 0.75f - (p[-2] + p[2]) * 0.125f
                          : (p[0] + p[1]) * 0.625f - (p[-1] + p[2]) * 0.125f;
        }
        for (int i = some; i < kVector; ++i) made[i] = 0;
        put_codes(plane, job.deep, at + x, code_of(load<V>(made) * span + job.chroma_offset, job),
                  some);
    }
}

// Three planes of one kind: R, G, B.
bool plain_row(const CodesJob& job, int64_t y) {
    const int64_t plane = static_cast<int64_t>(job.height) * job.width, row = y * job.width;
    I wrong{};
    for (int k = 0; k < 3; ++k)
        for (int x = 0; x < job.width; x += kVector) {
            const int some = job.width - x;
            const V value = load_some(job.rgb + k * plane + row + x, some);
            wrong |= value - value != V{};
            put_codes(job.planes[k], job.deep, row + x,
                      code_of(value * job.luma_span + job.luma_offset, job), some);
        }
    for (int i = 0; i < kVector; ++i)
        if (wrong[i]) return false;
    return true;
}

// Unit: a row of chroma, or of colours. Scratch: 2 * kLines + 1 lines of the width and 48 more.
bool code_rows(const CodesJob& job, int64_t begin, int64_t end, float* scratch) {
    bool finite = true;
    if (job.layout == kPlain) {
        for (int64_t y = begin; y < end; ++y) finite &= plain_row(job, y);
        return finite;
    }
    const int64_t line = whole_vectors(job.width) + 2 * kMargin + kVector;
    const Differences rows{job, scratch, line};
    float* one = scratch + 2 * Differences::kLines * line + kMargin;
    const bool down = job.layout == kHalfBoth, across = job.layout != kFull;
    const int step = down ? 2 : 1, reach = down ? 2 : 0;
    const int chroma = across ? (job.width + 1) / 2 : job.width;
    int64_t next = begin * step - reach > 0 ? begin * step - reach : 0;
    for (int64_t j = begin; j < end; ++j) {
        for (; next <= j * step + reach && next < job.height; ++next)
            finite &= luma_row(job, rows, next, next >= begin * step && next < end * step);
        if (job.layout == kGray) continue;
        for (int which = 0; which < 2; ++which) {
            float* from = rows.at(which, j);
            if (down) halve_down(job, rows, which, j, from = one);
            const float span = which ? job.red_span : job.blue_span;
            if (across) {
                halve_across(job, from, span, job.planes[1 + which], j * chroma);
                continue;
            }
            for (int x = 0; x < job.width; x += kVector)
                put_codes(job.planes[1 + which], job.deep, j * chroma + x,
                          code_of(load<V>(from + x) * span + job.chroma_offset, job),
                          job.width - x);
        }
    }
    return finite;
}

}  // namespace

extern const PictureKernels VINR_NAME(picture_, VINR_BUILD);
const PictureKernels VINR_NAME(picture_, VINR_BUILD) = {flat_rows, settle_rows, code_rows};

}  // namespace vinr
