// Rows of what a level of the motion search sees: see ApproachJob in kernels.hpp.
#pragma once
#include "kernels.hpp"
#include "layers.hpp"
#include "numbers.hpp"
#include "sampling.hpp"

namespace vinr {
namespace {

inline int side_of(const ApproachJob& job) { return job.keys[0] ? 2 * job.radius + 1 : 0; }
// Cells by which a displacement moves one frame, at most.
inline int reach_of(const ApproachJob& job) { return job.keys[0] ? (job.radius + 1) / 2 : 0; }

inline int approach_pitch(const ApproachJob& job) {
    const int each = kSplit ? 2 : 1;
    const int count = 2 * padded_to(job.seen_channels, kPad) +
                      (job.state ? padded_to(job.state_channels, kPad) : 0) +
                      (job.frame[0] ? 6 * each : 0) + side_of(job) * side_of(job) +
                      (job.motion ? 2 * each : 0);
    return padded_to(count, kSplit ? 2 : kPad);
}

// A thread's memory for the rows of one approach.
struct Approach {
    float *taps, *state, *costs, *keys;
    int64_t plane;  // floats of a key's channel in a row

    static int64_t line(int width) { return padded_to(width, kPad); }
    static int64_t keys_line(const ApproachJob& job, int width) {
        return padded_to(width + 2 * reach_of(job), kPad) + kPad;
    }
    static int lines(const ApproachJob& job) { return 2 * reach_of(job) + 1; }

    Approach(const ApproachJob& job, char* work, int width) {
        taps = reinterpret_cast<float*>(work + 64);
        state = taps + taps_floats(width);
        costs = state + (job.state ? line(width) * padded_to(job.state_channels, kPad) : 0);
        keys = costs + (side_of(job) * side_of(job) + 2) * line(width);
        plane = keys_line(job, width);
    }
    // The moved keys of one frame in row y: (channels, plane), pixel 0 at `reach`.
    float* keys_row(const ApproachJob& job, int frame, int y) const {
        return keys + (frame * lines(job) + y % lines(job)) * job.key_channels * plane;
    }
    static int64_t bytes(const ApproachJob& job, int width) {
        char* none = nullptr;
        const Approach last(job, none, width);
        return reinterpret_cast<char*>(last.keys) - none +
               (job.keys[0] ? sizeof(float) * 2 * lines(job) * job.key_channels * last.plane : 0);
    }
};

int64_t approach_bytes(const ApproachJob& job, int, int width) {
    return Approach::bytes(job, width);
}

// The number of the next row of keys stands at the beginning of the memory.
inline void begin_approach(char* work) {
    const int32_t none = -1;
    std::memcpy(work, &none, sizeof none);
}

// Both frames' keys in row y at the ends of the motion, channel by channel, borders repeated.
inline void move_keys(const ApproachJob& job, const Approach& a, int y, int height, int width) {
    const int reach = reach_of(job), pitch = padded_to(job.key_channels, kPad);
    const int64_t size = static_cast<int64_t>(height) * width;
    const Taps taps = taps_at(a.taps, width);
    for (int frame = 0; frame < 2; ++frame) {
        float* to = a.keys_row(job, frame, y);
        const float* keys = job.keys[frame];
        if (job.motion)
            find_taps(job.motion + static_cast<int64_t>(y) * width, size, frame ? 0.5f : -0.5f, y,
                      height, width, taps);
        for (int x = 0; x < width; ++x)
            for (int c = 0; c < pitch; c += kVector) {
                const V value =
                    job.motion ? read(keys, taps, x, pitch, c)
                               : load<V>(keys + (static_cast<int64_t>(y) * width + x) * pitch + c);
                const int some = job.key_channels - c;
                for (int k = 0; k < kVector && k < some; ++k)
                    to[(c + k) * a.plane + reach + x] = value[k];
            }
        for (int c = 0; c < job.key_channels; ++c)
            for (int k = 0; k < reach; ++k) {
                to[c * a.plane + k] = to[c * a.plane + reach];
                to[c * a.plane + reach + width + k] = to[c * a.plane + reach + width - 1];
            }
    }
}

inline int down_half(int d) { return d >= 0 ? d / 2 : -((1 - d) / 2); }

// The cosines of all displacements in row y: (displacement, line).
inline void compare(const ApproachJob& job, const Approach& a, int y, int height, int width) {
    const int64_t line = Approach::line(width);
    const int reach = reach_of(job), last = height - 1;
    float* out = a.costs;
    for (int dy = -job.radius; dy <= job.radius; ++dy) {
        const int up = y - down_half(dy), low = up + dy;
        const float* first = a.keys_row(job, 0, up < 0 ? 0 : up < last ? up : last) + reach;
        const float* second = a.keys_row(job, 1, low < 0 ? 0 : low < last ? low : last) + reach;
        for (int dx = -job.radius; dx <= job.radius; ++dx, out += line) {
            const float* left = first - down_half(dx);
            const float* right = second + dx - down_half(dx);
            for (int x = 0; x < width; x += kVector) {
                V sum{};
                for (int c = 0; c < job.key_channels; ++c)
                    sum += load<V>(left + c * a.plane + x) * load<V>(right + c * a.plane + x);
                store(out + x, sum);
            }
        }
    }
}

// The mean displacement of row y under the softmax of the cosines, added to the motion.
inline void displace(const ApproachJob& job, const Approach& a, int y, int height, int width) {
    const int64_t line = Approach::line(width), plane = static_cast<int64_t>(height) * width;
    const int side = side_of(job);
    for (int x = 0; x < width; x += kVector) {
        V most = load<V>(a.costs + x) * job.sharpness, sum{}, right{}, down{};
        for (int k = 1; k < side * side; ++k)
            most = larger(most, load<V>(a.costs + k * line + x) * job.sharpness);
        for (int k = 0; k < side * side; ++k) {
            const V weight = exponential(load<V>(a.costs + k * line + x) * job.sharpness - most);
            sum += weight;
            right += weight * static_cast<float>(k % side - job.radius);
            down += weight * static_cast<float>(k / side - job.radius);
        }
        const int64_t at = static_cast<int64_t>(y) * width + x;
        const int some = width - x;
        right = right / sum;
        down = down / sum;
        if (job.motion) {
            right += load_some(job.motion + at, some);
            down += load_some(job.motion + plane + at, some);
        }
        store_some(job.moved + at, right, some);
        store_some(job.moved + plane + at, down, some);
    }
}

// Row y of the coarser level's state, enlarged.
inline void enlarge_state(const ApproachJob& job, const Approach& a, int y, int height, int width,
                          int pitch, Number* out) {
    const int channels = padded_to(job.state_channels, kPad), half = width / 2;
    const int near = y / 2, other = y % 2 ? near + 1 : near - 1;
    const int far = other < 0 ? 0 : other < height / 2 ? other : height / 2 - 1;
    const auto* map = static_cast<const Number*>(job.state);
    const Number* up = map + static_cast<int64_t>(near) * half * channels;
    const Number* low = map + static_cast<int64_t>(far) * half * channels;
    for (int i = 0; i < half * channels; i += kVector)
        store(a.state + i, mix(load_number(up + i), load_number(low + i), 0.25f));
    for (int x = 0; x < width; ++x) {
        const int beside = x % 2 ? x / 2 + 1 : x / 2 - 1;
        const float* from = a.state + x / 2 * channels;
        const float* next =
            a.state + (beside < 0 ? 0 : beside < half ? beside : half - 1) * channels;
        for (int c = 0; c < channels; c += kVector)
            store_number(out + static_cast<int64_t>(x) * pitch + c,
                         mix(load<V>(from + c), load<V>(next + c), 0.25f));
    }
}

// A value in as many Numbers as it takes, which are `apart`.
inline void put_split(Number* out, int apart, float value) {
    out[0] = number(value);
    if (kSplit) out[apart] = number(value - single(out[0]));
}

// Colours of a frame, which is continued by its last pixels, at the taps.
inline void move_colours(const ApproachJob& job, const float* frame, const Taps& taps, int width,
                         int pitch, Number* out) {
    const int64_t plane = static_cast<int64_t>(job.frame_height) * job.frame_width;
    const int last = job.frame_height - 1, end = job.frame_width - 1;
    for (int x = 0; x < width; ++x) {
        const int top = taps.top[x] / width, low = taps.low[x] / width;
        const int64_t up = static_cast<int64_t>(top < last ? top : last) * job.frame_width;
        const int64_t down = static_cast<int64_t>(low < last ? low : last) * job.frame_width;
        const int left = taps.left[x] < end ? taps.left[x] : end;
        const int right = taps.right[x] < end ? taps.right[x] : end;
        for (int k = 0; k < 3; ++k) {
            const float* p = frame + k * plane;
            put_split(out + static_cast<int64_t>(x) * pitch + k, 3,
                      mix(mix(p[up + left], p[up + right], taps.x[x]),
                          mix(p[down + left], p[down + right], taps.x[x]), taps.y[x]));
        }
    }
}

// Features and colours of one frame in row y at its end of the motion.
inline void move_frame(const ApproachJob& job, const Approach& a, int frame, int y, int height,
                       int width, int pitch, Number* out, Number* colours) {
    const int channels = padded_to(job.seen_channels, kPad);
    const int64_t size = static_cast<int64_t>(height) * width;
    const auto* map = static_cast<const Number*>(job.seen[frame]);
    if (!job.motion) {
        map += static_cast<int64_t>(y) * width * channels;
        for (int x = 0; x < width; ++x)
            std::memcpy(out + static_cast<int64_t>(x) * pitch, map + static_cast<int64_t>(x) * channels,
                        channels * sizeof(Number));
        return;
    }
    const Taps taps = taps_at(a.taps, width);
    find_taps(job.motion + static_cast<int64_t>(y) * width, size, frame ? 0.5f : -0.5f, y, height,
              width, taps);
    for (int x = 0; x < width; ++x)
        for (int c = 0; c < channels; c += kVector)
            store_number(out + static_cast<int64_t>(x) * pitch + c, read(map, taps, x, channels, c));
    if (job.frame[frame]) move_colours(job, job.frame[frame], taps, width, pitch, colours);
}

// Cosines of all displacements and the motion, into pixels of `pitch` Numbers.
inline void put_costs(const ApproachJob& job, const Approach& a, int width, int pitch, Number* out) {
    const int64_t line = Approach::line(width);
    const int count = side_of(job) * side_of(job);
    for (int x = 0; x < width; ++x)
        for (int k = 0; k < count; ++k)
            out[static_cast<int64_t>(x) * pitch + k] = number(a.costs[k * line + x]);
}

// Row y; `own` says whether this thread writes the displaced motion's.
inline void approach_row(const ApproachJob& job, char* work, int y, int height, int width, bool own,
                         Number* out) {
    const Approach a(job, work, width);
    const int pitch = approach_pitch(job), seen = padded_to(job.seen_channels, kPad);
    const int64_t plane = static_cast<int64_t>(height) * width;
    const float* motion = job.motion ? job.motion + static_cast<int64_t>(y) * width : nullptr;
    Number* state = out + 2 * seen;
    Number* colours = state + (job.state ? padded_to(job.state_channels, kPad) : 0);
    Number* costs = colours + (job.frame[0] ? (kSplit ? 12 : 6) : 0);
    Number* moves = costs + side_of(job) * side_of(job);
    for (int frame = 0; frame < 2; ++frame)
        move_frame(job, a, frame, y, height, width, pitch, out + frame * seen,
                   colours + frame * (kSplit ? 6 : 3));
    if (job.state) enlarge_state(job, a, y, height, width, pitch, state);
    if (job.keys[0]) {
        const int reach = reach_of(job), end = y + reach < height ? y + reach + 1 : height;
        int32_t next;
        std::memcpy(&next, work, sizeof next);
        if (next < 0) next = y - reach > 0 ? y - reach : 0;
        for (; next < end; ++next) move_keys(job, a, next, height, width);
        std::memcpy(work, &next, sizeof next);
        compare(job, a, y, height, width);
        put_costs(job, a, width, pitch, costs);
        if (own) displace(job, a, y, height, width);
    } else if (own) {
        for (int k = 0; k < 2; ++k)
            std::memcpy(job.moved + k * plane + static_cast<int64_t>(y) * width, motion + k * plane,
                        width * sizeof(float));
    }
    if (motion)
        for (int x = 0; x < width; ++x)
            for (int k = 0; k < 2; ++k)
                put_split(moves + static_cast<int64_t>(x) * pitch + k, 2, motion[k * plane + x]);
}

}  // namespace
}  // namespace vinr
