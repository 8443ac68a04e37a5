// Small maps of the compact network's motion search, compiled once per instruction set: see
// MotionSearch in model/compact/search.py. Units are rows, or pixels where maps have none.
#include "kernels.hpp"
#include "layers.hpp"
#include "numbers.hpp"
#include "sampling.hpp"

namespace vinr {
namespace {

constexpr float kLeastNorm = 1e-12f, kTiny = 1.17549435e-38f;

template <class T>
inline void mean_of_four(const T* from, int64_t line, int64_t pitch, T* to) {
    for (int c = 0; c < pitch; c += kVector)
        store_number(to + c, 0.25f * (load_number(from + c) + load_number(from + pitch + c) +
                                      load_number(from + line + c) +
                                      load_number(from + line + pitch + c)));
}

void halve(const HalveJob& job, int64_t begin, int64_t end) {
    const int64_t keys = padded_to(job.key_channels, kPad), seen = padded_to(job.seen_channels, kPad);
    const auto* from = static_cast<const Number*>(job.seen);
    auto* to = static_cast<Number*>(job.half_seen);
    for (int64_t y = begin; y < end; ++y)
        for (int64_t x = 0; x < job.width; ++x) {
            const int64_t near = 4 * y * job.width + 2 * x, at = y * job.width + x;
            mean_of_four(from + near * seen, 2 * job.width * seen, seen, to + at * seen);
            float* key = job.half_keys + at * keys;
            const float* whole = job.keys + near * keys;
            V sum{};
            for (int c = 0; c < keys; c += kVector) {
                const V mean = 0.25f * (load<V>(whole + c) + load<V>(whole + keys + c) +
                                        load<V>(whole + 2 * job.width * keys + c) +
                                        load<V>(whole + (2 * job.width + 1) * keys + c));
                store(key + c, mean);
                sum += mean * mean;
            }
            const float norm = __builtin_sqrtf(total(sum));
            const float scale = 1.0f / (norm > kLeastNorm ? norm : kLeastNorm);
            for (int c = 0; c < keys; c += kVector) store(key + c, load<V>(key + c) * scale);
        }
}

void enlarge_motion(const EnlargeMotionJob& job, int64_t begin, int64_t end) {
    const int high = job.height / 2, wide = job.width / 2;
    for (int64_t y = begin; y < end; ++y) {
        const int near = static_cast<int>(y / 2), other = y % 2 ? near + 1 : near - 1;
        const int far = other < 0 ? 0 : other < high ? other : high - 1;
        for (int k = 0; k < 2; ++k) {
            const float* map = job.motion + static_cast<int64_t>(k) * high * wide;
            const float* up = map + static_cast<int64_t>(near) * wide;
            const float* low = map + static_cast<int64_t>(far) * wide;
            float* out = job.out + (k * static_cast<int64_t>(job.height) + y) * job.width;
            for (int x = 0; x < job.width; ++x) {
                const int side = x % 2 ? x / 2 + 1 : x / 2 - 1;
                const int beside = side < 0 ? 0 : side < wide ? side : wide - 1;
                const float here = 0.75f * up[x / 2] + 0.25f * low[x / 2];
                const float there = 0.75f * up[beside] + 0.25f * low[beside];
                out[x] = 2 * (0.75f * here + 0.25f * there);
            }
        }
    }
}

// The cosines of a row's pixels.
void cosines(const MatchJob& job, int y, float* taps, float* out) {
    const int pitch = padded_to(job.key_channels, kPad);
    const int64_t size = static_cast<int64_t>(job.height) * job.width;
    const int64_t row = static_cast<int64_t>(y) * job.width;
    if (!job.motion) {
        for (int x = 0; x < job.width; ++x) {
            V sum{};
            for (int c = 0; c < pitch; c += kVector)
                sum += load<V>(job.keys[0] + (row + x) * pitch + c) *
                       load<V>(job.keys[1] + (row + x) * pitch + c);
            out[x] = total(sum);
        }
        return;
    }
    const Taps first = taps_at(taps, job.width);
    const Taps second = taps_at(taps + taps_floats(job.width), job.width);
    find_taps(job.motion + row, size, -0.5f, y, job.height, job.width, first);
    find_taps(job.motion + row, size, 0.5f, y, job.height, job.width, second);
    for (int x = 0; x < job.width; ++x) {
        V sum{};
        for (int c = 0; c < pitch; c += kVector)
            sum += read(job.keys[0], first, x, pitch, c) * read(job.keys[1], second, x, pitch, c);
        out[x] = total(sum);
    }
}

// Scratch: three rows of cosines, two of taps.
void match(const MatchJob& job, int64_t begin, int64_t end, float* scratch) {
    float* taps = scratch + 3 * static_cast<int64_t>(job.width);
    const auto row = [&](int y) { return scratch + y % 3 * static_cast<int64_t>(job.width); };
    int next = static_cast<int>(begin > 0 ? begin - 1 : 0);
    for (int y = static_cast<int>(begin); y < end; ++y) {
        for (; next <= y + 1 && next < job.height; ++next) cosines(job, next, taps, row(next));
        const int top = y > 0 ? y - 1 : 0, bottom = y + 1 < job.height ? y + 1 : y;
        float* out = job.fit + static_cast<int64_t>(y) * job.width;
        for (int x = 0; x < job.width; ++x) {
            const int left = x > 0 ? x - 1 : 0, right = x + 1 < job.width ? x + 1 : x;
            float sum = 0;
            for (int j = top; j <= bottom; ++j)
                for (int i = left; i <= right; ++i) sum += row(j)[i];
            out[x] = sum / static_cast<float>((bottom - top + 1) * (right - left + 1));
        }
    }
}

// Scratch: three rows: weights, and both directions times these, summed over the window's rows.
void mean(const MeanJob& job, int64_t begin, int64_t end, float* scratch) {
    const int reach = job.side / 2, width = job.width;
    const int64_t plane = static_cast<int64_t>(job.height) * width;
    const int64_t line = padded_to(width, kPad) + kPad;
    float *weights = scratch, *across = weights + line, *down = across + line;
    const float share = 1.0f / static_cast<float>(job.side * job.side);
    for (int64_t y = begin; y < end; ++y) {
        std::memset(scratch, 0, sizeof(float) * 3 * line);
        for (int64_t j = y - reach > 0 ? y - reach : 0; j <= y + reach && j < job.height; ++j)
            for (int x = 0; x < width; x += kVector) {
                const int64_t at = j * width + x;
                const int some = width - x;
                const V fit = load_some(job.fit + at, some);
                // A fit is at most 1 but for rounding; NaN stays.
                const V weight = exponential((fit < 1.0f ? fit - 1.0f : fit - fit) * job.sharpness);
                store(weights + x, load<V>(weights + x) + weight);
                store(across + x, load<V>(across + x) + weight * load_some(job.motion + at, some));
                store(down + x,
                      load<V>(down + x) + weight * load_some(job.motion + plane + at, some));
            }
        for (int x = 0; x < width; ++x) {
            const int left = x - reach > 0 ? x - reach : 0;
            const int right = x + reach < width ? x + reach : width - 1;
            float sum = 0, dx = 0, dy = 0;
            for (int i = left; i <= right; ++i) {
                sum += weights[i];
                dx += across[i];
                dy += down[i];
            }
            sum = sum * share > kTiny ? sum * share : kTiny;
            job.out[y * width + x] = dx * share / sum;
            job.out[plane + y * width + x] = dy * share / sum;
        }
    }
}

void mix_maps(const MixJob& job, int64_t begin, int64_t end) {
    const int channels = padded_to(job.state_channels, kPad);
    for (int64_t p = begin; p < end; p += kVector) {
        const int some = end - p < kVector ? static_cast<int>(end - p) : kVector;
        const V gain = load_some(job.fit[1] + p, some) - load_some(job.fit[0] + p, some);
        const V weight = sigmoid(gain * job.sharpness + job.bias);
        for (int k = 0; k < 2; ++k) {
            const int64_t at = k * job.pixels + p;
            const V from = job.motion[0] ? load_some(job.motion[0] + at, some) : V{};
            store_some(job.out + at, mix(from, load_some(job.motion[1] + at, some), weight), some);
        }
        if (!job.state[0]) continue;
        for (int i = 0; i < some; ++i)
            for (int c = 0; c < channels; c += kVector) {
                const int64_t at = (p + i) * channels + c;
                const V from = load_number(static_cast<const Number*>(job.state[0]) + at);
                const V to = load_number(static_cast<const Number*>(job.state[1]) + at);
                store_number(static_cast<Number*>(job.out_state) + at, mix(from, to, weight[i]));
            }
    }
}

}  // namespace

extern const SearchKernels VINR_NAME(search_, VINR_BUILD);
const SearchKernels VINR_NAME(search_, VINR_BUILD) = {halve, enlarge_motion, match, mean, mix_maps};

}  // namespace vinr
