// Winograd's F(4x4, 3x3) (Lavin and Gray 2016, section 4.3): a patch of 4x4 outputs from 6x6 inputs
// by 36 products a channel instead of 144.
#pragma once
#include "layers.hpp"

namespace vinr {
namespace {

constexpr int kSide = 6;

// One direction of the inputs' transform.
inline void spread(const V* d, int step, V* out, int to) {
    const V a = d[0], b = d[step], c = d[2 * step], e = d[3 * step], f = d[4 * step],
            g = d[5 * step];
    const V even = f - 4.0f * c, odd = e - 4.0f * b, near = f - c, far = 2.0f * (e - b);
    out[0] = 4.0f * a - 5.0f * c + f;
    out[to] = even + odd;
    out[2 * to] = even - odd;
    out[3 * to] = near + far;
    out[4 * to] = near - far;
    out[5 * to] = 4.0f * b - 5.0f * e + g;
}

// One direction of the outputs' transform.
inline void gather(const V* m, int step, V* out, int to) {
    const V sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
    const V far = m[3 * step] + m[4 * step], apart = m[3 * step] - m[4 * step];
    out[0] = m[0] + sum + far;
    out[to] = difference + 2.0f * apart;
    out[2 * to] = sum + 4.0f * far;
    out[3 * to] = difference + 8.0f * apart + m[5 * step];
}

// One direction of the weights' transform.
inline void widen(const double* g, int step, double* out, int to) {
    const double a = g[0], b = g[step], c = g[2 * step];
    out[0] = a / 4;
    out[to] = -(a + b + c) / 6;
    out[2 * to] = -(a - b + c) / 6;
    out[3 * to] = (a + 2 * b + 4 * c) / 24;
    out[4 * to] = (a - 2 * b + 4 * c) / 24;
    out[5 * to] = c;
}

// (outputs, inputs, 3, 3) to (point, block of columns, input, column in the block).
[[maybe_unused]] void pack_conv(const float* weight, int inputs, int outputs, float* out) {
    const int n = padded(outputs), block = columns_of(outputs, inputs);
    for (int o = 0; o < n; ++o)
        for (int i = 0; i < inputs; ++i) {
            double g[9] = {}, half[18], whole[kPoints];
            if (o < outputs)
                for (int k = 0; k < 9; ++k)
                    g[k] = weight[(static_cast<int64_t>(o) * inputs + i) * 9 + k];
            for (int x = 0; x < 3; ++x) widen(g + x, 3, half + x, 3);
            for (int y = 0; y < kSide; ++y) widen(half + 3 * y, 1, whole + kSide * y, 1);
            for (int k = 0; k < kPoints; ++k)
                out[static_cast<int64_t>(k) * inputs * n +
                    (static_cast<int64_t>(o / block) * inputs + i) * block + o % block] =
                    static_cast<float>(whole[k]);
        }
}

// Products of all points: `seen` (kPoints, kPatches, used), `made` (kPoints, kPatches, n).
inline void multiply_points(int rows, int used, int inputs, int outputs, const float* weight,
                            const float* none, const float* seen, float* made) {
    const auto some_product = used == 32    ? multiply<After::nothing, false, 32>
                              : used == 64  ? multiply<After::nothing, false, 64>
                              : used == 128 ? multiply<After::nothing, false, 128>
                                            : multiply<After::nothing>;
    const int n = padded(outputs);
    for (int i = 0; i < kPoints; ++i)
        some_product(rows, used, outputs, inputs, weight + static_cast<int64_t>(i) * inputs * n,
                     none, seen + static_cast<int64_t>(i) * kPatches * used, used,
                     made + static_cast<int64_t>(i) * kPatches * n, n);
}

}  // namespace
}  // namespace vinr
