// What the dispatcher and the builds of the kernels share. Plain data, no templates: nothing
// compiled for one instruction set may be picked by the linker for another.
#pragma once
#include <cstdint>

namespace vinr {

constexpr int kLane = 16;     // floats that a pixel of motion, or of the last layer, takes
constexpr int kWidest = 64;   // hidden channels at most
constexpr int kBlock = 48;    // output pixels that go through the decoder together
constexpr int kTaps = 6;      // of the cubic, per direction: five can count, one more is padding
constexpr int kBroadest = 256;  // channels of a sine layer at most
constexpr int kDeepest = 4;     // layers of a sine network after its first
constexpr int kGroup = 12;      // patches of 4x4 pixels that are given out together
constexpr int kPatches = 24;    // of these that go through a convolution together, at most
constexpr int kPoints = 36;     // of a patch's transform: (4 + 3 - 1) squared

// A 1x1 layer: weight (outputs, inputs) row-major, bias (outputs).
struct Layer {
    const float* weight;
    const float* bias;
    int32_t inputs;
    int32_t outputs;
};

// Time INR, see TimeINR in model/compact/motion.py. Maps are channels last.
struct TimeJob {
    const void* state;    // a map of Numbers: first layer without its time part
    const float* motion;  // (2, pixels)
    const float* shift;   // (hidden): what the time adds to the first layer
    Layer middle;         // hidden -> hidden
    Layer last;           // hidden -> 6 + features
    float t;
    int64_t pixels;
    float* out;           // (pixels, kLane): flows (x, y) to first and second, 2 logits, features
};

// Decoder on a grid, see CompactVideoINR._render_rows in model/compact/network.py.
struct RenderJob {
    const void* canvas[2];   // (lr_height, lr_width, factor_y, factor_x, channels) of float or, where
    int32_t half;            // this is not 0, of float16
    const float* motion;     // (lr_height, lr_width, kLane), from TimeJob
    const float* rows;       // (height): LR positions
    const float* cols;       // (width)
    const float* shift;      // (hidden): what the time adds to the first layer
    Layer first;             // 2 channels + 6 + 2 + features -> hidden
    Layer middle;            // hidden -> hidden
    Layer last;              // hidden -> 5
    int32_t lr_height, lr_width, factor_y, factor_x, channels, features, height, width;
    float t, log_first, log_second, still_logit;
    float* out;              // (3, height, width)
};

// ---- chains: maps made row by row ----------------------------------------------------------------

// A chain is a list of steps. A step's rows are kept in a ring of a few rows as long as others read
// them, so that what lies between the first and the last map never reaches the memory. What rows and
// maps are made of, a Number, is a build's own: bfloat16 where tiles multiply it, else float. A pixel
// of a map takes a multiple of kPad Numbers; what is padding is zero.

constexpr int kMostSteps = 64;
constexpr int kPad = 16;

enum Kind : int32_t {
    kFrame,     // a frame's colours
    kMap,       // a map that is there already
    kApproach,  // two frames brought to their middle, see ApproachJob
    kConv,      // a convolution, a leaky ReLU, a sum
    kKeep,      // rows of another step, written to a map
};

// Where a convolution's results go.
enum Form : int32_t {
    kRows,     // to a ring
    kNumbers,  // to a map (height, width, padded channels) of Numbers
    kHalves,   // to (height, width, channels) of float16
    kSingles,  // the same of float
    kKeys,     // to a map of float, each pixel scaled to unit length
    kMoves,    // two channels, added to (2, height, width) of float
};

// Bicubic enlargement added to the first three channels of a canvas.
struct EnlargeJob {
    const float* frame;         // (3, frame_height, frame_width), continued by its last pixels
    const int32_t* row_start;   // (lr_height * factor_y): first tap
    const float* row_weight;    // (lr_height * factor_y, kTaps)
    const int32_t* col_start;
    const float* col_weight;
    int32_t frame_height, frame_width, factor_y, factor_x, channels;
};

// What a level of the motion search sees, see MotionSearch in model/compact/search.py. Per pixel:
// both frames' features and colours at the ends of the motion, the coarser level's state, the cosines
// of all displacements, the motion. The order is that of `channels_of` in native/library.py.
struct ApproachJob {
    const float* keys[2];    // maps of unit vectors, or null
    const void* seen[2];     // maps of features
    const void* state;       // a map of half the size, enlarged, or null
    const float* frame[2];   // (3, frame_height, frame_width), continued by its last pixels, or null
    const float* motion;     // (2, height, width), x and y, or null: standing still
    float* moved;            // (2, height, width): the motion and the keys' displacement
    int32_t key_channels, seen_channels, state_channels, frame_height, frame_width;
    int32_t radius;          // of the displacements
    float sharpness;         // of their softmax
};

struct Step {
    int32_t kind, form;
    int32_t from, plus;               // steps whose rows are read, or added at the end; -1: none
    int32_t height, width, channels;  // of what is made
    int32_t side, stride;             // of a convolution
    int32_t parts;                    // of its weights, see vinr_pack_step
    int32_t split;                    // whether its rows hold what was rounded off, too
    float slope;                      // of its leaky ReLU, in [0, 1]
    const float* packed;              // from vinr_pack_step
    const void* source;               // kFrame: (3, frame_height, frame_width); kMap: a map
    int32_t frame_height, frame_width;
    const ApproachJob* approach;
    const EnlargeJob* colours;        // added to kHalves or kSingles, or null
    void* out;                        // what is written, but for kRows
};

struct ChainJob {
    const Step* steps;  // each after those that it reads
    int32_t count;
};

// Rows [begin, begin + count) of a step.
struct Move {
    int32_t step, begin, count;
};

// A step's rows in a thread's memory: row y lies at place y % capacity.
struct Ring {
    int64_t offset, row_bytes;
    int32_t capacity;
    int32_t own_begin, own_end;  // rows of the map that this thread writes
};

// What one thread does of a chain, made by the dispatcher.
struct Band {
    const Move* moves;
    int64_t count;
    Ring rings[kMostSteps];
    int64_t none, none_bytes;     // a row of zeros, as long as the longest
    int64_t work[kMostSteps];     // where a step's own memory lies
    int64_t cleared;              // bytes that must be zero at the beginning
};

// ---- small maps of the motion search -------------------------------------------------------------

// Features and keys at half the size: the mean of 2x2 pixels, keys scaled to unit length again.
struct HalveJob {
    const float* keys;
    const void* seen;
    float* half_keys;
    void* half_seen;
    int32_t key_channels, seen_channels, height, width;  // of the halves
};

// Twice the size and twice the motion, bilinear.
struct EnlargeMotionJob {
    const float* motion;  // (2, height / 2, width / 2)
    float* out;           // (2, height, width)
    int32_t height, width;
};

// The mean cosine of 3x3 pixels' keys, both frames brought to the middle.
struct MatchJob {
    const float* keys[2];
    const float* motion;  // (2, height, width) or null
    float* fit;           // (height, width)
    int32_t key_channels, height, width;
};

// The neighbourhood's motion, weighted by how well it fits.
struct MeanJob {
    const float* motion;
    const float* fit;
    float* out;
    float sharpness;
    int32_t side, height, width;
};

// From one motion to another, and from one state to another, by how much better it fits.
struct MixJob {
    const float* motion[2];  // (2, pixels); the first may be null: zero
    const float* fit[2];
    const void* state[2];    // maps or null
    float* out;
    void* out_state;
    float sharpness, bias;
    int32_t state_channels;
    int64_t pixels;
};

// ---- whole pictures ------------------------------------------------------------------------------

// How flat two frames are around each place, see `flatness` in engine/faithful.py.
struct FlatJob {
    const float* first;  // (3, height, width)
    const float* second;
    float* flat;         // (height, width)
    float alike;
    int32_t reach, height, width;
};

// Flat colours put back, see `settle` there.
struct SettleJob {
    float* out;           // (3, height, width)
    const float* mean;    // (3, lr_height, lr_width), of both frames
    const float* flat;    // (lr_height, lr_width)
    int32_t lr_height, lr_width, height, width, border_rows, border_columns;
    float shift, border_shift;
};

enum Layout : int32_t { kPlain, kGray, kFull, kHalfAcross, kHalfBoth };

// Colours to code values, see `from_rgb` in color/convert.py.
struct CodesJob {
    const float* rgb;       // (3, height, width)
    void* planes[3];        // of bytes, or of 32-bit integers
    int32_t layout, deep, on_luma_y, on_luma_x, height, width;
    // Offsets are with the half that rounds.
    float kr, kg, kb, luma_offset, luma_span, chroma_offset, blue_span, red_span, lowest, highest;
    int32_t* finite;        // set to 0 if a colour is no number, or infinite
};

// ---- the published network ----------------------------------------------------------------------

// A sine network after its first layer's sum: sine, layer, sine, layer, ..., layer.
struct SineNet {
    Layer layers[kDeepest];
    int32_t count;
    int32_t width;  // of the first layer
};

// A bordered table of pixels, channels last, read at the output pixels' own places.
struct Lattice {
    const float* table;
    const int32_t* rows;       // (height): first of two lines
    const float* row_share;    // (height): of the second
    const int32_t* cols;
    const float* col_share;
    int32_t line;              // pixels in a line of the table
    int32_t channels;          // 0: there is none
};

// Space INR and, where `flow` is wanted, time INR on a grid; see PublishedVideoINR in
// model/published/.
struct FieldJob {
    const float* space;        // (held lines, held columns, N): first layer's LR part
    const int32_t* lines;      // (height): nearest held LR line
    const int32_t* columns;    // (width)
    const float* down;         // (height, N): what the row, the time and the bias add
    const float* right;        // (width, N)
    SineNet space_net;
    Lattice features, frames;  // of the time INR
    Layer first;               // (features + frames' channels) -> N, without the LR part
    SineNet motion_net;
    int32_t held_columns, height, width, out_line;
    float* out;                // (height, out_line, channels): the HR features, inside of a border
    float* flow;               // (height, width, 4) or null
};

// A bordered table read anywhere.
struct Table {
    const float* data;
    float scale[2], shift[2], least[2], most[2];  // rows, columns: fraction of the frame to place
    int32_t line, channels;                       // 0 channels: there is none
};

// Decoder at the ends of two flows.
struct PaintJob {
    const float* where;   // (2, pixels, 2): rows and columns, of both flows
    Table hr;
    Table features;       // of the first flow; N channels
    int64_t second;       // floats on to the second flow's
    Table frames;
    Layer first;          // (2 hr channels + 2 frame channels) -> N, without the LR part
    SineNet net;          // 3 outputs
    int64_t pixels;
    float* out;           // (3, pixels)
};

// ---- convolutions of both networks --------------------------------------------------------------

// 3x3 convolution, padding 1, of one or two maps side by side, channels last.
struct ConvJob {
    const float* source[2];  // (batch, height, width, channels); the second may be null: zeros
    const float* weight;     // from vinr_pack_conv
    const float* bias;
    const float* plus;       // (batch, height, width, outputs), added at the end, or null
    int32_t channels[2];
    int32_t batch, height, width, outputs;
    float slope;             // of the leaky ReLU before `plus`; 1: none
    float* out;
};

// Modulated deformable 3x3 convolution.
struct DeformJob {
    const float* source;  // (batch, height, width, channels)
    const float* found;   // (.., 27 groups): (y, x) of every group's taps, then the masks' logits
    Layer weight;         // (groups, taps, channels in a group) -> outputs
    int32_t batch, height, width, channels, groups;
    float slope;
    float* out;
};

// Where the output's columns lie, made once per job by the dispatcher; padded to whole blocks.
struct Columns {
    const float* place;                        // LR position
    const int32_t *left, *right;               // LR pixels of the motion
    const float* share;                        // of the right one
    const int32_t *still_left, *still_right;   // elements of a canvas row
    const float* still_share;
    bool still_whole;                          // all these shares are 0
};

// Packed weights of sine networks: `first` is of the layers before the first sum.
struct PackedSines {
    float* weight[2][kDeepest];
    float* bias[2][kDeepest];
    float* first;
    float* first_bias;
};

// One build's entry points: units [begin, end) of a job, with a thread's own scratch memory.
struct CompactKernels {
    int together;  // pixels that go through the layers together
    int64_t (*time_floats)(const TimeJob&);  // of packed weights
    void (*pack_time)(const TimeJob&, float* packed);
    void (*time)(const TimeJob&, const float* packed, int64_t begin, int64_t end, float* scratch);
    int64_t (*render_floats)(const RenderJob&);
    void (*pack_render)(const RenderJob&, float* packed);
    void (*render)(const RenderJob&, const float* packed, const Columns&, int64_t begin,
                   int64_t end, float* scratch);
};

struct ChainKernels {
    int splits;  // whether what is too coarse for a Number comes as a sum of two
    int (*unit)(const ChainJob&, int step);           // rows that are made together
    int64_t (*row_bytes)(const ChainJob&, int step);  // of a ring; 0: it has none
    int64_t (*work_bytes)(const ChainJob&, int step);
    int64_t (*step_floats)(int inputs, int outputs, int side, int stride, int parts);
    void (*pack_step)(const float* weight, const float* bias, int inputs, int outputs, int side,
                      int stride, int parts, float* out);
    void (*run)(const ChainJob&, const Band&, float* scratch);
};

struct SearchKernels {
    void (*halve)(const HalveJob&, int64_t begin, int64_t end);
    void (*enlarge)(const EnlargeMotionJob&, int64_t begin, int64_t end);
    void (*match)(const MatchJob&, int64_t begin, int64_t end, float* scratch);
    void (*mean)(const MeanJob&, int64_t begin, int64_t end, float* scratch);
    void (*mix)(const MixJob&, int64_t begin, int64_t end);
};

struct PictureKernels {
    void (*flat)(const FlatJob&, int64_t begin, int64_t end, float* scratch);
    void (*settle)(const SettleJob&, int64_t begin, int64_t end, float* scratch);
    bool (*codes)(const CodesJob&, int64_t begin, int64_t end, float* scratch);
};

struct PublishedKernels {
    const char* name;
    void (*pack)(const Layer&, float* weight, float* bias, const float* shift);
    void (*pack_few)(const Layer&, float* weight, float* bias);
    int64_t (*packed_floats)(int inputs, int outputs);  // of one layer, few outputs or many
    void (*field)(const FieldJob&, const PackedSines&, int64_t begin, int64_t end, float* scratch);
    void (*paint)(const PaintJob&, const PackedSines&, int64_t begin, int64_t end, float* scratch);
};

struct ConvolveKernels {
    void (*pack_conv)(const float* weight, int inputs, int outputs, float* out);
    void (*conv)(const ConvJob&, int64_t begin, int64_t end, float* scratch);
    void (*deform)(const DeformJob&, const float* weight, const float* bias, int64_t begin,
                   int64_t end, float* scratch);
};

}  // namespace vinr
