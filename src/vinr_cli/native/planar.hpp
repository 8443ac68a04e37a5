// From rows of channels to vectors of pixels.
#pragma once
#include "vector.hpp"

namespace vinr {
namespace {

inline Four first_four(V v) {
    Four four;
    std::memcpy(&four, &v, sizeof four);
    return four;
}

#if defined(__AVX2__)

// Four rows in each lane of four floats, to four columns.
#define VINR_TURN(type, prefix)                                                            \
    const type p = prefix##_unpacklo_ps(a, b), q = prefix##_unpacklo_ps(c, d);             \
    const type r = prefix##_unpackhi_ps(a, b), s = prefix##_unpackhi_ps(c, d);             \
    out[0] = (V)prefix##_shuffle_ps(p, q, 0x44);                                           \
    out[1] = (V)prefix##_shuffle_ps(p, q, 0xee);                                           \
    out[2] = (V)prefix##_shuffle_ps(r, s, 0x44);                                           \
    out[3] = (V)prefix##_shuffle_ps(r, s, 0xee);

// The first four channels of kVector pixels, `pitch` floats apart.
inline void planar(const float* rows, int pitch, V (&out)[4]) {
#if defined(__AVX512F__)
    const auto wide = [=](int i) {
        __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(rows + i * pitch));
        v = _mm512_insertf32x4(v, _mm_loadu_ps(rows + (i + 4) * pitch), 1);
        v = _mm512_insertf32x4(v, _mm_loadu_ps(rows + (i + 8) * pitch), 2);
        return _mm512_insertf32x4(v, _mm_loadu_ps(rows + (i + 12) * pitch), 3);
    };
    const __m512 a = wide(0), b = wide(1), c = wide(2), d = wide(3);
    VINR_TURN(__m512, _mm512)
#else
    const auto wide = [=](int i) {
        const __m256 v = _mm256_castps128_ps256(_mm_loadu_ps(rows + i * pitch));
        return _mm256_insertf128_ps(v, _mm_loadu_ps(rows + (i + 4) * pitch), 1);
    };
    const __m256 a = wide(0), b = wide(1), c = wide(2), d = wide(3);
    VINR_TURN(__m256, _mm256)
#endif
}

#else

inline void planar(const float* rows, int pitch, V (&out)[4]) {
    for (int p = 0; p < kVector; ++p)
        for (int k = 0; k < 4; ++k) out[k][p] = rows[p * pitch + k];
}

#endif

}  // namespace
}  // namespace vinr
