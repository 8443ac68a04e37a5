// Bilinear reads of maps at moved places.
#pragma once
#include "layers.hpp"
#include "numbers.hpp"

namespace vinr {
namespace {

// The taps of a row's pixels: first pixels of two lines, columns in these, shares of the second.
struct Taps {
    int32_t *top, *low, *left, *right;
    float *y, *x;
};

inline int64_t taps_floats(int width) { return 6 * static_cast<int64_t>(width + kPad); }

inline Taps taps_at(float* memory, int width) {
    const int64_t size = width + kPad;
    auto* ints = reinterpret_cast<int32_t*>(memory);
    return {ints, ints + size, ints + 2 * size, ints + 3 * size, memory + 4 * size,
            memory + 5 * size};
}

// Places (x + share * dx, y + share * dy) of a row's pixels in a map; beyond its border, and for NaN,
// on the border. `motion`: the row's dx, and dy `plane` floats further, or null.
inline void find_taps(const float* motion, int64_t plane, float share, int y, int height, int width,
                      const Taps& taps) {
    const float bottom = static_cast<float>(height - 1), right = static_cast<float>(width - 1);
    for (int x = 0; x < width; ++x) {
        float column = static_cast<float>(x) + share * motion[x];
        float row = static_cast<float>(y) + share * motion[plane + x];
        column = column > 0 ? column : 0;
        row = row > 0 ? row : 0;
        column = column < right ? column : right;
        row = row < bottom ? row : bottom;
        const int32_t left = static_cast<int32_t>(column), top = static_cast<int32_t>(row);
        taps.x[x] = column - static_cast<float>(left);
        taps.y[x] = row - static_cast<float>(top);
        taps.top[x] = top * width;
        taps.low[x] = (top + 1 < height ? top + 1 : top) * width;
        taps.left[x] = left;
        taps.right[x] = left + 1 < width ? left + 1 : left;
    }
}

// Pixel x of a row, channels from c on, of a map whose pixels have `pitch` channels.
template <class T>
inline V read(const T* map, const Taps& taps, int x, int64_t pitch, int c) {
    const T* top = map + taps.top[x] * pitch + c;
    const T* low = map + taps.low[x] * pitch + c;
    const int64_t left = taps.left[x] * pitch, right = taps.right[x] * pitch;
    const V up = mix(load_number(top + left), load_number(top + right), taps.x[x]);
    const V down = mix(load_number(low + left), load_number(low + right), taps.x[x]);
    return mix(up, down, taps.y[x]);
}

}  // namespace
}  // namespace vinr
