// Vectors as wide as the build's registers, with the vector types of GCC and Clang. Everything here
// has internal linkage: what one instruction set's build made, no other build may be given.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace vinr {
namespace {

// kPixels: rows of a matrix product that fit the registers, two vectors each.
#if defined(__AVX512F__)
constexpr int kVector = 16, kPixels = 12;
#elif defined(__AVX2__)
constexpr int kVector = 8, kPixels = 6;
#else
constexpr int kVector = 4, kPixels = 4;
#endif

typedef float V __attribute__((vector_size(kVector * 4)));
typedef int32_t I __attribute__((vector_size(kVector * 4)));
typedef float Four __attribute__((vector_size(16)));
#if defined(__AVX2__)
typedef float Eight __attribute__((vector_size(32)));
#else
typedef Four Eight;  // half of it is what the registers hold
#endif

template <class T>
inline T load(const float* p) {
    T v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
template <class T>
inline void store(float* p, T v) {
    std::memcpy(p, &v, sizeof v);
}
// (0 + x would be an addition, for the sake of -0.)
inline V all(float x) { return x - V{}; }
inline V larger(V a, V b) { return a > b ? a : b; }

// The first n floats at p, zeros after them; nothing beyond them is touched.
inline V load_some(const float* p, int n) {
    if (n >= kVector) return load<V>(p);
#if defined(__AVX512F__)
    return (V)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return (V)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane));
#else
    V v{};
    for (int i = 0; i < n; ++i) v[i] = p[i];
    return v;
#endif
}

// The first n floats of v to p; nothing beyond them is touched.
inline void store_some(float* p, V v, int n) {
    if (n >= kVector) return store(p, v);
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane), (__m256)v);
#else
    for (int i = 0; i < n; ++i) p[i] = v[i];
#endif
}

// The next multiple of a vector's floats.
inline int whole_vectors(int n) { return (n + kVector - 1) / kVector * kVector; }

// The sum of a vector's floats.
inline float total(V v) {
    Four sum{};
    for (int i = 0; i < kVector; i += 4) {
        Four part;
        std::memcpy(&part, reinterpret_cast<const char*>(&v) + 4 * i, sizeof part);
        sum += part;
    }
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

// exp for x <= 0: 2^n times a polynomial of the rest (Cephes' coefficients), below 2 ulp.
inline V exponential(V x) {
    x = larger(x, all(-87.0f));
    const V magic = all(12582912.0f);
    V n = x * 1.44269504f + magic;
    n = n - magic;
    V r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    V p = all(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const I bits = (__builtin_convertvector(n, I) + 127) << 23;
    return p * (V)bits;
}

// sin to 1.4e-7 for |x| up to 25,000. The nearest multiple of pi is taken off in parts (Cody and
// Waite's reduction): two where products are exact, else Cephes' three, each of few bits; the
// polynomial has the least relative error on [-pi/2, pi/2], 5e-9 before it is rounded.
inline V sine(V x) {
    const V magic = all(12582912.0f);  // 1.5 * 2^23: the sum ends in the bits of an integer
    V n = x * 0.318309886f + magic;
    const I sign = (I)n << 31;
    n = n - magic;
#if defined(__FMA__)
    V r = x - n * 3.14159274f;  // fused: the product is not rounded
    r = r + n * 8.74227766e-8f;
#else
    V r = x - n * 3.140625f;
    r = r - n * 9.67502593994140625e-4f;
    r = r - n * 1.5099579909783764e-7f;
#endif
    const V q = r * r;
    V p = all(2.6018724e-6f);
    p = p * q - 1.98074049e-4f;
    p = p * q + 8.33302457e-3f;
    p = p * q - 1.66666567e-1f;
    p = p * q * r + r;
    return (V)((I)p ^ sign);
}

// 1 / (1 + exp(-x)), by the exponential of what is negative; NaN stays.
inline V sigmoid(V x) {
    const V small = exponential(x > 0 ? -x : x);
    const V one = all(1.0f);
    return x == x ? (x > 0 ? one : small) / (one + small) : x;
}

}  // namespace
}  // namespace vinr
