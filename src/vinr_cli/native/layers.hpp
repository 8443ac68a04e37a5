// Small matrix products: rows of x (pixels) times weights packed in blocks of columns.
#pragma once
#include "kernels.hpp"
#include "vector.hpp"

namespace vinr {
namespace {

static_assert(kBlock % kPixels == 0 && kLane % kVector == 0, "blocks are whole");

enum class After { nothing, relu, sine };

inline int padded(int outputs) {
    return outputs <= kLane ? kLane : (outputs + 31) / 32 * 32;
}
// Columns done together: two or four vectors where there are 32 registers, else what 16 hold. Four
// are better (fewer loads a product) as long as their weights stay in the first cache.
inline int columns_of(int outputs, int inputs) {
    const int n = padded(outputs);
    return n == kLane || kVector < 16 ? kLane : n % 64 || inputs > 128 ? 32 : 64;
}

// Weights as (block of columns, input, column in the block), padded with zeros; shift joins bias.
[[maybe_unused]] void pack(const Layer& layer, float* weight, float* bias, const float* shift) {
    const int n = padded(layer.outputs), k = layer.inputs;
    const int block = columns_of(layer.outputs, k);
    for (int o = 0; o < n; ++o) {
        const bool real = o < layer.outputs;
        bias[o] = real ? layer.bias[o] + (shift ? shift[o] : 0.0f) : 0.0f;
        float* to = weight + static_cast<int64_t>(o / block) * k * block + o % block;
        for (int i = 0; i < k; ++i)
            to[static_cast<int64_t>(i) * block] =
                real ? layer.weight[static_cast<int64_t>(o) * k + i] : 0.0f;
    }
}

// ROWS rows of x times a block of columns, added to y or to the bias. PITCH is that of x where it
// is known, else 0. Never inlined: what the caller keeps in registers would push the sums out.
template <int ROWS, int NV, After AFTER, bool ADD, int PITCH>
__attribute__((noinline)) void product(int inputs, const float* x, int any_pitch, const float* w,
                                       const float* bias, float* y, int out_pitch) {
    const int pitch = PITCH ? PITCH : any_pitch;
    V sum[ROWS][NV];
#pragma GCC unroll 12
    for (int p = 0; p < ROWS; ++p)
        for (int v = 0; v < NV; ++v)
            sum[p][v] = load<V>((ADD ? y + p * out_pitch : bias) + v * kVector);
    for (int k = 0; k < inputs; ++k) {
        V b[NV];
        for (int v = 0; v < NV; ++v) b[v] = load<V>(w + (k * NV + v) * kVector);
#pragma GCC unroll 12
        for (int p = 0; p < ROWS; ++p) {
            const V a = all(x[p * pitch + k]);
            for (int v = 0; v < NV; ++v) sum[p][v] += a * b[v];
        }
    }
#pragma GCC unroll 12
    for (int p = 0; p < ROWS; ++p)
        for (int v = 0; v < NV; ++v) {
            V out = sum[p][v];
            if (AFTER == After::relu) out = larger(out, V{});
            if (AFTER == After::sine) out = sine(out);
            store(y + p * out_pitch + v * kVector, out);
        }
}

// `rows` rows, a multiple of kPixels, times all blocks of columns; of the `packed` inputs of the
// weights the first `inputs` are used.
template <After AFTER, bool ADD = false, int PITCH = 0>
inline void multiply(int rows, int inputs, int outputs, int packed, const float* w,
                     const float* bias, const float* x, int pitch, float* y, int out_pitch) {
    const int n = padded(outputs), block = columns_of(outputs, packed);
    const int64_t step = static_cast<int64_t>(packed) * block;
    for (int o = 0; o < n; o += block, w += step)
        for (int p = 0; p < rows; p += block == 64 ? kPixels / 2 : kPixels) {
            const float* from = x + p * pitch;
            float* to = y + p * out_pitch + o;
            if (block == kLane)
                product<kPixels, kLane / kVector, AFTER, ADD, PITCH>(inputs, from, pitch, w, bias + o, to,
                                                              out_pitch);
            else if (block == 32)
                product<kPixels, 32 / kVector, AFTER, ADD, PITCH>(inputs, from, pitch, w, bias + o, to,
                                                           out_pitch);
            else
                product<kPixels / 2, 64 / kVector, AFTER, ADD, PITCH>(inputs, from, pitch, w, bias + o,
                                                               to, out_pitch);
        }
}

// A layer on kBlock pixels.
template <After AFTER, bool ADD = false, int PITCH = 0>
inline void layer(const Layer& l, const float* w, const float* bias, const float* x, int pitch,
                  float* y, int out_pitch) {
    multiply<AFTER, ADD, PITCH>(kBlock, l.inputs, l.outputs, l.inputs, w, bias, x, pitch, y, out_pitch);
}

template <class T, class S>
inline T mix(T a, T b, S share) {
    return a + (b - a) * share;
}

}  // namespace

#define VINR_JOIN(a, b) a##b
#define VINR_NAME(prefix, build) VINR_JOIN(prefix, build)

}  // namespace vinr
