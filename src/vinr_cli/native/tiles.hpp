// Matrix products by tiles (Intel's AMX): bfloat16 times bfloat16, summed in float32.
#pragma once
#if defined(__AMX_BF16__)
#include "numbers.hpp"

namespace vinr {
namespace {

constexpr int kTile = 16;        // rows of a tile, and floats in a row
constexpr int kTileDepth = 32;   // Numbers that a product of tiles sums over
constexpr int kTileNumbers = kTile * kTileDepth;

// Whole tiles, all eight; what a thread must do before its first product, and undo at the end.
struct TileShape {
    uint8_t palette, start, none[14];
    uint16_t bytes[16];
    uint8_t rows[16];
};

inline void begin_tiles() {
    TileShape shape{};
    shape.palette = 1;
    for (int i = 0; i < 8; ++i) {
        shape.bytes[i] = 64;
        shape.rows[i] = kTile;
    }
    _tile_loadconfig(&shape);
}
inline void end_tiles() { _tile_release(); }

// Weights for `depth` inputs, a multiple of kTileDepth, as (depth / kTileDepth, tiles, pairs of inputs,
// columns, 2). `at(column, input)` gives a weight; returns the end.
template <class At>
inline Number* pack_tiles(int depth, int tiles, Number* out, const At& at) {
    for (int k = 0; k < depth; k += kTileDepth)
        for (int t = 0; t < tiles; ++t)
            for (int i = 0; i < kTileDepth; i += 2)
                for (int n = 0; n < kTile; ++n)
                    for (int half = 0; half < 2; ++half)
                        *out++ = number(at(t * kTile + n, k + i + half));
    return out;
}

// One or two tiles of pixels times one or two tiles of columns. Tiles 0 to 3 are sums, 4 and 5
// pixels, 6 and 7 weights.
template <int ROWS, int TILES>
struct Product {
    static inline void begin(const float* bias) {
        _tile_loadd(0, bias, 0);
        if (ROWS > 1) _tile_loadd(1, bias, 0);
        if (TILES > 1) _tile_loadd(2, bias + kTile, 0);
        if (ROWS > 1 && TILES > 1) _tile_loadd(3, bias + kTile, 0);
    }
    // `pitch`: bytes from one pixel to the next.
    static inline void step(const Number* pixels, int64_t pitch, const Number* weight) {
        const char* second = reinterpret_cast<const char*>(pixels) + kTile * pitch;
        _tile_loadd(4, pixels, pitch);
        _tile_loadd(6, weight, 64);
        _tile_dpbf16ps(0, 4, 6);
        if (TILES > 1) {
            _tile_loadd(7, weight + kTileNumbers, 64);
            _tile_dpbf16ps(2, 4, 7);
        }
        if (ROWS > 1) {
            _tile_loadd(5, second, pitch);
            _tile_dpbf16ps(1, 5, 6);
            if (TILES > 1) _tile_dpbf16ps(3, 5, 7);
        }
    }
    // `pitch`: floats from one pixel to the next.
    static inline void end(float* out, int pitch) {
        _tile_stored(0, out, pitch * sizeof(float));
        if (TILES > 1) _tile_stored(2, out + kTile, pitch * sizeof(float));
        if (ROWS > 1) {
            _tile_stored(1, out + kTile * pitch, pitch * sizeof(float));
            if (TILES > 1) _tile_stored(3, out + kTile * pitch + kTile, pitch * sizeof(float));
        }
    }
};

}  // namespace
}  // namespace vinr
#endif
