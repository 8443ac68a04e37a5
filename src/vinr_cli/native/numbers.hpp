// What maps are made of, between memory and registers: floats, bfloat16 where a build's tiles
// multiply it, and float16.
#pragma once
#include "vector.hpp"

namespace vinr {
namespace {

typedef uint16_t Half;

#if defined(__AMX_BF16__)
typedef uint16_t Number;  // bfloat16
constexpr bool kSplit = true;  // what bfloat16 is too coarse for comes as a sum of two

inline V load_number(const uint16_t* p) {
    return (V)_mm512_slli_epi32(
        _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16);
}
inline V load_number(const float* p) { return load<V>(p); }
inline void store_number(float* p, V v) { store(p, v); }
inline void store_number(uint16_t* p, V v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), (__m256i)_mm512_cvtneps_pbh((__m512)v));
}
// 32 Numbers at once.
inline void store_numbers(uint16_t* p, V low, V high) {
    _mm512_storeu_si512(p, (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low));
}
inline void store_eight(uint16_t* p, Four low, Four high) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     (__m128i)_mm256_cvtneps_pbh(_mm256_set_m128((__m128)high, (__m128)low)));
}
inline Number number(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return static_cast<Number>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline float single(Number x) {
    const uint32_t bits = static_cast<uint32_t>(x) << 16;
    float y;
    std::memcpy(&y, &bits, sizeof y);
    return y;
}
#else
typedef float Number;
constexpr bool kSplit = false;

inline V load_number(const float* p) { return load<V>(p); }
inline void store_number(float* p, V v) { store(p, v); }
inline Number number(float x) { return x; }
inline float single(Number x) { return x; }
#endif

#if defined(__AVX512F__)
constexpr bool kHalf = true;
inline V load_half(const Half* p) {
    return (V)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline void store_half(Half* p, V v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT));
}
#elif defined(__F16C__)
constexpr bool kHalf = true;
inline V load_half(const Half* p) {
    return (V)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline void store_half(Half* p, V v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT));
}
#else
constexpr bool kHalf = false;  // never asked for
inline V load_half(const Half*) { return V{}; }
inline void store_half(Half*, V) {}
#endif

#if defined(__F16C__) || defined(__AVX512F__)
inline Four load_half_four(const Half* p) {
    return (Four)_mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
inline void store_half_four(Half* p, Four v) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p),
                     _mm_cvtps_ph((__m128)v, _MM_FROUND_TO_NEAREST_INT));
}
#else
inline Four load_half_four(const Half*) { return Four{}; }
inline void store_half_four(Half*, Four) {}
#endif

// The first n of a vector; nothing beyond them is touched.
inline void store_half_some(Half* p, V v, int n) {
    if (n >= kVector) return store_half(p, v);
    Half all[kVector];
    store_half(all, v);
    std::memcpy(p, all, sizeof(Half) * n);
}

inline int padded_to(int n, int step) { return (n + step - 1) / step * step; }

}  // namespace
}  // namespace vinr
