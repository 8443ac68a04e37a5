// Chains of convolutions, row by row, compiled once per instruction set: see kernels.hpp. With tiles a
// convolution is a product for each row of its kernel, of pixels that are read where they lie; without,
// a 3x3 convolution at stride 1 is Winograd's, four rows and more at a time.
#include "approach.hpp"
#include "kernels.hpp"
#include "layers.hpp"
#include "numbers.hpp"
#include "tiles.hpp"
#include "winograd.hpp"

namespace vinr {
namespace {

constexpr int kSlack = 36;  // pixels after a row that may be read; zeros
constexpr float kLeastNorm = 1e-12f;
constexpr int kSums = 32;   // pixels, and columns, that tiles make together

// A frame's colours, what they were rounded by, and once more the colours, for the weights' second
// part: with the nine numbers of three pixels a row of the first kernel is still one tile deep.
constexpr int kFrameNumbers = 10;

// A chain while a thread does its band of it.
struct Run {
    const ChainJob& job;
    const Band& band;
    char* memory;

    // Row y of a step's ring from its pixel -1 on; zeros outside of the map.
    Number* row(int i, int y) const {
        if (y < 0 || y >= job.steps[i].height) return reinterpret_cast<Number*>(memory + band.none);
        const Ring& ring = band.rings[i];
        return reinterpret_cast<Number*>(memory + ring.offset + y % ring.capacity * ring.row_bytes);
    }
    template <class T>
    T* work(int i) const {
        return reinterpret_cast<T*>(memory + band.work[i]);
    }
};

inline int64_t lines_of(int64_t bytes) { return (bytes + 63) / 64 * 64; }

// Numbers of a pixel in a step's rows.
int pitch_of(const ChainJob& job, int i) {
    const Step& step = job.steps[i];
    if (step.kind == kFrame) return kSplit ? kFrameNumbers : 4;
    if (step.kind == kApproach) return approach_pitch(*step.approach);
    return padded_to(step.channels, kPad) * (kSplit && step.split ? 2 : 1);
}

int64_t row_bytes(const ChainJob& job, int i) {
    const Step& step = job.steps[i];
    if (step.kind == kKeep || (step.kind == kConv && step.form != kRows)) return 0;
    return lines_of(static_cast<int64_t>(sizeof(Number)) * (step.width + 1 + kSlack) *
                    pitch_of(job, i));
}

bool by_winograd(const Step& step, int inputs) {
    return !kSplit && step.side == 3 && step.stride == 1 && inputs >= kPad;
}

// Rows that are made together.
int unit_of(const ChainJob& job, int i) {
    const Step& step = job.steps[i];
    if (step.kind != kConv || !by_winograd(step, pitch_of(job, step.from))) return 1;
    const int across = (step.width + 3) / 4;
    return 4 * (across < kPatches ? (kPatches + across - 1) / across : 1);
}

// Columns of a convolution's sums.
int sums_of(int outputs) { return kSplit ? padded_to(outputs, kPad) : padded(outputs); }

// What a convolution needs beside its rows: sums, then a line of its results.
int64_t sums_floats(const ChainJob& job, int i) {
    const Step& step = job.steps[i];
    const int inputs = pitch_of(job, step.from);
    const int64_t n = sums_of(step.channels);
    if (kSplit) return 2 * kSums * kSums;
    if (by_winograd(step, inputs))
        return static_cast<int64_t>(kPoints * kPatches + 1) * (inputs + n);
    return (step.width + kPixels) / kPixels * kPixels * n;
}

int64_t work_bytes(const ChainJob& job, int i) {
    const Step& step = job.steps[i];
    if (step.kind == kApproach)
        return lines_of(approach_bytes(*step.approach, step.height, step.width));
    if (step.kind != kConv) return 0;
    int64_t floats = sums_floats(job, i);
    if (step.form == kMoves) floats += static_cast<int64_t>(kPad) * step.width * unit_of(job, i);
    if (step.colours) floats += 4 * static_cast<int64_t>(step.width + kTaps);
    return lines_of(floats * sizeof(float));
}

// ---- weights -------------------------------------------------------------------------------------

// Floats of a convolution's packed weights: the padded bias, then the weights.
int64_t step_floats(int inputs, int outputs, int side, int stride, int parts) {
    Step step{};
    step.side = side;
    step.stride = stride;
    const int64_t n = sums_of(outputs);
    if (kSplit) return n + n * parts * side * padded_to(side * inputs, 32) / 2;
    return n + n * inputs * (by_winograd(step, inputs) ? kPoints : side * side);
}

// `weight`: (outputs, inputs, side, side), inputs in the order of the rows' Numbers.
void pack_step(const float* weight, const float* bias, int inputs, int outputs, int side,
               int stride, [[maybe_unused]] int parts, float* out) {
    Step step{};
    step.side = side;
    step.stride = stride;
    const int n = sums_of(outputs), depth = side * inputs;
    for (int i = 0; i < n; ++i) out[i] = i < outputs ? bias[i] : 0.0f;
    float* to = out + n;
    if (by_winograd(step, inputs)) return pack_conv(weight, inputs, outputs, to);
    const auto at = [=](int row, int column, int k) {
        if (column >= outputs || k >= depth) return 0.0f;
        const int64_t input = static_cast<int64_t>(column) * inputs + k % inputs;
        return weight[(input * side + row) * side + k / inputs];
    };
#if defined(__AMX_BF16__)
    auto* numbers = reinterpret_cast<Number*>(to);
    for (int column = 0; column < n; column += 2 * kTile) {
        const int tiles = n - column < 2 * kTile ? 1 : 2;
        for (int part = 0; part < parts; ++part)
            for (int row = 0; row < side; ++row)
                numbers = pack_tiles(
                    padded_to(depth, kTileDepth), tiles, numbers, [&](int c, int k) {
                        const float value = at(row, column + c, k);
                        return part ? value - single(number(value)) : value;
                    });
    }
#else
    const int block = columns_of(outputs, depth);
    for (int row = 0; row < side; ++row, to += static_cast<int64_t>(n) * depth)
        for (int column = 0; column < n; ++column)
            for (int k = 0; k < depth; ++k)
                to[(static_cast<int64_t>(column / block) * depth + k) * block + column % block] =
                    at(row, column, k);
#endif
}

// ---- results of a convolution --------------------------------------------------------------------

inline V leaky(V x, float slope) { return larger(x, x * slope); }

// Where a row of results goes, and what is added to it.
struct Target {
    Form form;
    char* out;            // of pixel 0, column 0
    int64_t pitch;        // elements from one pixel to the next
    int columns;          // that may be written
    const Number* plus;   // of pixel 0, or null
    int64_t plus_pitch;
    float slope;
    bool split;           // what is rounded off goes `columns` further
};

// Where row y of a step of moves is until it is added.
inline float* moves_line(const Run& run, int i, int y) {
    return run.work<float>(i) + sums_floats(run.job, i) +
           static_cast<int64_t>(y % unit_of(run.job, i)) * kPad * run.job.steps[i].width;
}

inline Target target_of(const Run& run, int i, int y) {
    const Step& step = run.job.steps[i];
    const int pitch = padded_to(step.channels, kPad);
    const int64_t pixel = static_cast<int64_t>(y) * step.width;
    Target to{static_cast<Form>(step.form), static_cast<char*>(step.out), pitch, pitch,
              nullptr, 0, step.slope, kSplit && step.split && step.form == kRows};
    switch (to.form) {
        case kRows:
            to.pitch = pitch_of(run.job, i);
            to.out = reinterpret_cast<char*>(run.row(i, y) + to.pitch);
            break;
        case kNumbers: to.out += pixel * pitch * sizeof(Number); break;
        case kKeys: to.out += pixel * pitch * sizeof(float); break;
        case kMoves:
            to.out = reinterpret_cast<char*>(moves_line(run, i, y));
            to.pitch = to.columns = kPad;
            break;
        default:
            to.pitch = to.columns = step.channels;
            to.out += pixel * to.pitch * (to.form == kHalves ? sizeof(Half) : sizeof(float));
    }
    if (step.plus >= 0) {
        to.plus_pitch = pitch_of(run.job, step.plus);
        to.plus = run.row(step.plus, y) + to.plus_pitch;
    }
    return to;
}

template <int FORM>
inline void put(const Target& to, int64_t pixel, int column, V value) {
    const int64_t at = pixel * to.pitch + column;
    if (FORM == kRows || FORM == kNumbers) {
        auto* out = reinterpret_cast<Number*>(to.out) + at;
        store_number(out, value);
        if (FORM == kRows && to.split)
            store_number(out + to.columns, value - load_number(out));
    }
    else if (FORM == kHalves)
        store_half_some(reinterpret_cast<Half*>(to.out) + at, value, to.columns - column);
    else
        store_some(reinterpret_cast<float*>(to.out) + at, value, to.columns - column);
}

template <int FORM, bool PLUS>
inline V result(const Target& to, int64_t pixel, int column, V sum) {
    const V value = leaky(sum, to.slope);
    return PLUS ? value + load_number(to.plus + pixel * to.plus_pitch + column) : value;
}

// Sums (pixels, pitch) of pixels from x on and columns from n on.
template <int FORM, bool PLUS>
void finish_as(const Target& to, const float* sums, int pitch, int x, int pixels, int n,
               int columns) {
    if (columns > to.columns - n) columns = padded_to(to.columns - n, kVector);
    for (int p = 0; p < pixels; ++p, sums += pitch) {
#if defined(__AMX_BF16__)
        if (columns == 2 * kVector && (FORM == kNumbers || (FORM == kRows && !to.split))) {
            const V low = result<FORM, PLUS>(to, x + p, n, load<V>(sums));
            const V high = result<FORM, PLUS>(to, x + p, n + kVector, load<V>(sums + kVector));
            store_numbers(reinterpret_cast<Number*>(to.out) + (x + p) * to.pitch + n, low, high);
            continue;
        }
#endif
        for (int v = 0; v < columns; v += kVector)
            put<FORM>(to, x + p, n + v, result<FORM, PLUS>(to, x + p, n + v, load<V>(sums + v)));
    }
}

inline void finish(const Target& to, const float* sums, int pitch, int x, int pixels, int n,
                   int columns) {
    switch (to.form) {
        case kRows:
            return to.plus ? finish_as<kRows, true>(to, sums, pitch, x, pixels, n, columns)
                           : finish_as<kRows, false>(to, sums, pitch, x, pixels, n, columns);
        case kNumbers:
            return finish_as<kNumbers, false>(to, sums, pitch, x, pixels, n, columns);
        case kHalves:
            return finish_as<kHalves, false>(to, sums, pitch, x, pixels, n, columns);
        default:
            return finish_as<kSingles, false>(to, sums, pitch, x, pixels, n, columns);
    }
}

// ---- convolutions --------------------------------------------------------------------------------

#if defined(__AMX_BF16__)

template <int ROWS, int TILES>
inline void tile_block(const Number* const* rows, const Step& step, int64_t pitch, int depth,
                       const Number*& weight, const float* bias, float* sums) {
    typedef Product<ROWS, TILES> P;
    const Number* w = weight;
    P::begin(bias);
    for (int part = 0; part < step.parts; ++part)
        for (int r = 0; r < step.side; ++r)
            for (int k = 0; k < depth; k += kTileDepth, w += TILES * kTileNumbers)
                P::step(rows[r] + k, pitch * sizeof(Number), w);
    P::end(sums, kSums);
}

// A convolution's sums, of kSums pixels and columns, on their way to where they go.
struct Sums {
    Target to;
    const float* sums;
    int x, pixels, column, columns;

    void finish() const {
        if (sums) vinr::finish(to, sums, kSums, x, pixels, column, columns);
    }
};

// Rows [begin, begin + count), one after the other. While tiles make sums, those before are finished.
void convolve(const Run& run, int i, int begin, int count) {
    const Step& step = run.job.steps[i];
    const int inputs = pitch_of(run.job, step.from), n = sums_of(step.channels);
    const int depth = padded_to(step.side * inputs, kTileDepth), shift = step.side == 1;
    const int64_t pitch = static_cast<int64_t>(inputs) * step.stride;
    float* sums = run.work<float>(i);
    float* other = sums + kSums * kSums;
    Sums before{};
    for (int y = begin; y < begin + count; ++y) {
        const Target to = target_of(run, i, y);
        const Number* from[3];
        for (int r = 0; r < step.side; ++r)
            from[r] = run.row(step.from, y * step.stride + r - step.side / 2) + shift * inputs;
        const auto* weight = reinterpret_cast<const Number*>(step.packed + n);
        for (int column = 0; column < n; column += kSums) {
            const bool wide = n - column > kTile;
            for (int x = 0; x < step.width; x += kSums) {
                const int left = step.width - x, pixels = left < kSums ? left : kSums;
                const Number* rows[3];
                for (int r = 0; r < step.side; ++r) rows[r] = from[r] + x * pitch;
                const float* bias = step.packed + column;
                if (wide && left > kTile)
                    tile_block<2, 2>(rows, step, pitch, depth, weight, bias, sums);
                else if (wide)
                    tile_block<1, 2>(rows, step, pitch, depth, weight, bias, sums);
                else if (left > kTile)
                    tile_block<2, 1>(rows, step, pitch, depth, weight, bias, sums);
                else
                    tile_block<1, 1>(rows, step, pitch, depth, weight, bias, sums);
                before.finish();
                before = {to, sums, x, pixels, column, wide ? kSums : kTile};
                float* const used = sums;
                sums = other;
                other = used;
            }
            weight += static_cast<int64_t>(step.parts) * step.side * depth * (wide ? kSums : kTile);
        }
    }
    before.finish();
}

#else

// Row by row as products of the pixels where they lie.
void convolve_plainly(const Run& run, int i, int begin, int count) {
    const Step& step = run.job.steps[i];
    const int inputs = pitch_of(run.job, step.from), n = sums_of(step.channels);
    const int depth = step.side * inputs, pitch = inputs * step.stride;
    const int rows = (step.width + kPixels - 1) / kPixels * kPixels;
    float* sums = run.work<float>(i);
    for (int y = begin; y < begin + count; ++y) {
        const float* weight = step.packed + n;
        for (int r = 0; r < step.side; ++r, weight += static_cast<int64_t>(n) * depth) {
            const float* from = run.row(step.from, y * step.stride + r - step.side / 2) +
                                (step.side == 1 ? inputs : 0);
            if (r == 0)
                multiply<After::nothing>(rows, depth, step.channels, depth, weight, step.packed,
                                         from, pitch, sums, n);
            else
                multiply<After::nothing, true>(rows, depth, step.channels, depth, weight,
                                               step.packed, from, pitch, sums, n);
        }
        finish(target_of(run, i, y), sums, n, 0, step.width, 0, n);
    }
}

template <int FORM, bool PLUS>
void gather_patches(const Run& run, int i, int begin, int count, int first, int patches,
                    const float* made) {
    const Step& step = run.job.steps[i];
    const int n = sums_of(step.channels), across = (step.width + 3) / 4;
    for (int p = 0; p < patches; ++p) {
        const int top = (first + p) / across * 4, x = (first + p) % across * 4;
        const int high = count - top < 4 ? count - top : 4;
        const int wide = step.width - x < 4 ? step.width - x : 4;
        Target to[4];
        for (int y = 0; y < high; ++y) to[y] = target_of(run, i, begin + top + y);
        for (int c = 0; c < step.channels; c += kVector) {
            V half[4 * kSide], whole[16];
#pragma GCC unroll 6
            for (int y = 0; y < kSide; ++y) {
                V line[kSide];
#pragma GCC unroll 6
                for (int k = 0; k < kSide; ++k)
                    line[k] = load<V>(
                        made + (static_cast<int64_t>(y * kSide + k) * kPatches + p) * n + c);
                gather(line, 1, half + 4 * y, 1);
            }
#pragma GCC unroll 4
            for (int k = 0; k < 4; ++k) gather(half + k, 4, whole + k, 4);
            const V bias = load<V>(step.packed + c);
            for (int y = 0; y < high; ++y)
                for (int k = 0; k < wide; ++k)
                    put<FORM>(to[y], x + k, c,
                              result<FORM, PLUS>(to[y], x + k, c, whole[4 * y + k] + bias));
        }
    }
}

void gather_as(const Run& run, int i, int begin, int count, int first, int patches,
               const float* made) {
    const Step& step = run.job.steps[i];
    switch (static_cast<Form>(step.form)) {
        case kRows:
            return step.plus >= 0
                       ? gather_patches<kRows, true>(run, i, begin, count, first, patches, made)
                       : gather_patches<kRows, false>(run, i, begin, count, first, patches, made);
        case kNumbers:
            return gather_patches<kNumbers, false>(run, i, begin, count, first, patches, made);
        case kHalves:
            return gather_patches<kHalves, false>(run, i, begin, count, first, patches, made);
        default:
            return gather_patches<kSingles, false>(run, i, begin, count, first, patches, made);
    }
}

// Rows [begin, begin + count) in patches, kPatches together.
void convolve_patches(const Run& run, int i, int begin, int count) {
    const Step& step = run.job.steps[i];
    const int inputs = pitch_of(run.job, step.from), n = sums_of(step.channels);
    const int across = (step.width + 3) / 4, all = across * ((count + 3) / 4);
    float* none = run.work<float>(i);
    float* seen = none + inputs + n;
    float* made = seen + static_cast<int64_t>(kPoints) * kPatches * inputs;
    std::memset(none, 0, sizeof(float) * (inputs + n));
    for (int first = 0; first < all; first += kPatches) {
        const int patches = all - first < kPatches ? all - first : kPatches;
        const int rows = (patches + kPixels - 1) / kPixels * kPixels;
        for (int p = 0; p < rows; ++p) {
            const int patch = first + (p < patches ? p : patches - 1);
            const int top = begin + patch / across * 4 - 1, x = patch % across * 4;
            const float* from[kSide];
            for (int y = 0; y < kSide; ++y)
                from[y] = run.row(step.from, top + y) + static_cast<int64_t>(x) * inputs;
            for (int c = 0; c < inputs; c += kVector) {
                V half[kPoints], whole[kPoints];
#pragma GCC unroll 6
                for (int y = 0; y < kSide; ++y) {
                    V line[kSide];
#pragma GCC unroll 6
                    for (int k = 0; k < kSide; ++k) line[k] = load<V>(from[y] + k * inputs + c);
                    spread(line, 1, half + y * kSide, 1);
                }
#pragma GCC unroll 6
                for (int k = 0; k < kSide; ++k) spread(half + k, kSide, whole + k, kSide);
                for (int k = 0; k < kPoints; ++k)
                    store(seen + (static_cast<int64_t>(k) * kPatches + p) * inputs + c, whole[k]);
            }
        }
        multiply_points(rows, inputs, inputs, step.channels, step.packed + n, none, seen, made);
        gather_as(run, i, begin, count, first, patches, made);
    }
}

void convolve(const Run& run, int i, int begin, int count) {
    const Step& step = run.job.steps[i];
    if (by_winograd(step, pitch_of(run.job, step.from)))
        convolve_patches(run, i, begin, count);
    else
        convolve_plainly(run, i, begin, count);
}

#endif

// ---- what follows a row --------------------------------------------------------------------------

// Each pixel of a row scaled to unit length.
void scale_keys(float* keys, int width, int pitch) {
    for (int x = 0; x < width; ++x, keys += pitch) {
        V sum{};
        for (int c = 0; c < pitch; c += kVector) sum += load<V>(keys + c) * load<V>(keys + c);
        const float norm = __builtin_sqrtf(total(sum));
        const float scale = 1.0f / (norm > kLeastNorm ? norm : kLeastNorm);
        for (int c = 0; c < pitch; c += kVector) store(keys + c, load<V>(keys + c) * scale);
    }
}

void add_moves(const float* line, float* out, int width, int64_t plane) {
    for (int x = 0; x < width; ++x, line += kPad) {
        out[x] += line[0];
        out[plane + x] += line[1];
    }
}

template <bool HALF>
inline void add_colours(void* to, Four colours) {
    if (HALF)
        store_half_four(static_cast<Half*>(to), load_half_four(static_cast<Half*>(to)) + colours);
    else
        store(static_cast<float*>(to), load<Four>(static_cast<float*>(to)) + colours);
}

// The enlargement of LR row y, added to its cells. Scratch: 4 * (width + kTaps) floats.
template <bool HALF>
void enlarge(const EnlargeJob& job, char* cells, int y, int height, int width, float* scratch) {
    const int64_t plane = static_cast<int64_t>(job.frame_height) * job.frame_width;
    const int64_t size = job.channels * (HALF ? sizeof(Half) : sizeof(float));
    const int64_t line = size * job.factor_x, cell = line * job.factor_y;
    const int last = job.frame_height - 1, end = job.frame_width;
    for (int sub = 0; sub < job.factor_y; ++sub, cells += line) {
        const int64_t row = static_cast<int64_t>(y) * job.factor_y + sub;
        std::memset(scratch, 0, sizeof(float) * 4 * (width + kTaps));
        for (int tap = 0; tap < kTaps; ++tap) {
            const int at = job.row_start[row] + tap;
            const float weight = job.row_weight[row * kTaps + tap];
            if (weight == 0 || at >= height) continue;
            const float* source = job.frame + static_cast<int64_t>(at < last ? at : last) * end;
            for (int k = 0; k < 3; ++k, source += plane) {
                for (int x = 0; x < end; ++x) scratch[4 * x + k] += weight * source[x];
                for (int x = end; x < width; ++x) scratch[4 * x + k] += weight * source[end - 1];
            }
        }
        for (int x = 0; x < width; ++x)
            for (int k = 0; k < job.factor_x; ++k) {
                const int64_t column = static_cast<int64_t>(x) * job.factor_x + k;
                const float* from = scratch + 4 * job.col_start[column];
                const float* weight = job.col_weight + column * kTaps;
                Four sum{};
                for (int tap = 0; tap < kTaps; ++tap) sum += load<Four>(from + 4 * tap) * weight[tap];
                add_colours<HALF>(cells + x * cell + k * size, sum);
            }
    }
}

void finish_row(const Run& run, int i, int y) {
    const Step& step = run.job.steps[i];
    const Target to = target_of(run, i, y);
    float* more = run.work<float>(i) + sums_floats(run.job, i);
    if (step.form == kKeys)
        scale_keys(reinterpret_cast<float*>(to.out), step.width, static_cast<int>(to.pitch));
    if (step.form == kMoves)
        add_moves(moves_line(run, i, y), static_cast<float*>(step.out) + static_cast<int64_t>(y) * step.width,
                  step.width, static_cast<int64_t>(step.height) * step.width);
    if (step.colours && step.form == kHalves)
        enlarge<true>(*step.colours, to.out, y, step.height, step.width, more);
    if (step.colours && step.form == kSingles)
        enlarge<false>(*step.colours, to.out, y, step.height, step.width, more);
}

// ---- the other steps -----------------------------------------------------------------------------

void frame_row(const Run& run, int i, int y) {
    const Step& step = run.job.steps[i];
    const int last = step.frame_height - 1, end = step.frame_width, pitch = pitch_of(run.job, i);
    const int64_t plane = static_cast<int64_t>(step.frame_height) * end;
    const float* from = static_cast<const float*>(step.source) +
                        static_cast<int64_t>(y < last ? y : last) * end;
    Number* to = run.row(i, y) + pitch;
    for (int k = 0; k < 3; ++k)
        for (int x = 0; x < step.width; ++x) {
            const float value = from[k * plane + (x < end ? x : end - 1)];
            to[x * pitch + k] = number(value);
            if (kSplit) {
                to[x * pitch + 3 + k] = number(value - single(to[x * pitch + k]));
                to[x * pitch + 6 + k] = to[x * pitch + k];
            }
        }
}

void map_row(const Run& run, int i, int y) {
    const Step& step = run.job.steps[i];
    const int64_t pitch = pitch_of(run.job, i), count = step.width * pitch;
    std::memcpy(run.row(i, y) + pitch, static_cast<const Number*>(step.source) + y * count,
                count * sizeof(Number));
}

void keep_row(const Run& run, int i, int y) {
    const Step& step = run.job.steps[i];
    const int64_t pitch = pitch_of(run.job, step.from), size = padded_to(step.channels, kPad);
    const Number* from = run.row(step.from, y) + pitch;
    Number* to = static_cast<Number*>(step.out) + y * step.width * size;
    if (pitch == size)
        std::memcpy(to, from, step.width * size * sizeof(Number));
    else
        for (int x = 0; x < step.width; ++x)
            std::memcpy(to + x * size, from + x * pitch, size * sizeof(Number));
}

void make_rows(const Run& run, const Move& move) {
    const int i = move.step;
    const Step& step = run.job.steps[i];
    const Ring& ring = run.band.rings[i];
    if (step.kind == kConv) convolve(run, i, move.begin, move.count);
    for (int y = move.begin; y < move.begin + move.count; ++y) {
        if (step.kind == kFrame) frame_row(run, i, y);
        if (step.kind == kMap) map_row(run, i, y);
        if (step.kind == kApproach)
            approach_row(*step.approach, run.work<char>(i), y, step.height, step.width,
                         ring.own_begin <= y && y < ring.own_end,
                         run.row(i, y) + pitch_of(run.job, i));
        if (step.kind == kKeep) keep_row(run, i, y);
        if (step.kind == kConv && step.form != kRows) finish_row(run, i, y);
    }
}

void run_band(const ChainJob& job, const Band& band, float* scratch) {
    const Run run{job, band, reinterpret_cast<char*>(scratch)};
    std::memset(run.memory, 0, band.cleared);
    for (int i = 0; i < job.count; ++i)
        if (job.steps[i].kind == kApproach) begin_approach(run.work<char>(i));
#if defined(__AMX_BF16__)
    begin_tiles();
#endif
    for (int64_t i = 0; i < band.count; ++i) make_rows(run, band.moves[i]);
#if defined(__AMX_BF16__)
    end_tiles();
#endif
}

}  // namespace

extern const ChainKernels VINR_NAME(chain_, VINR_BUILD);
const ChainKernels VINR_NAME(chain_, VINR_BUILD) = {
    kSplit, unit_of, row_bytes, work_bytes, step_floats, pack_step, run_band};

}  // namespace vinr
