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
    const float* state;   // (pixels, hidden): first layer without its time part
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
    const float* canvas[2];  // (lr_height, lr_width, factor_y, factor_x, channels)
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

// Bicubic enlargement added to the first three channels of a canvas.
struct EnlargeJob {
    const float* frame;         // (3, lr_height, lr_width)
    float* canvas;              // as in RenderJob
    const int32_t* row_start;   // (lr_height * factor_y): first tap
    const float* row_weight;    // (lr_height * factor_y, kTaps)
    const int32_t* col_start;
    const float* col_weight;
    int32_t lr_height, lr_width, factor_y, factor_x, channels;
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

// Made once per job by the dispatcher, read by all threads.
struct Packed {
    float* weight[3];        // layers in blocks of columns, see pack() in layers.hpp
    float* bias[3];
    const int64_t* line;     // start of a canvas row
    const int32_t* column;   // start of a canvas column within its row
};

// The same of sine networks: `first` is of the layers before the first sum.
struct PackedSines {
    float* weight[2][kDeepest];
    float* bias[2][kDeepest];
    float* first;
    float* first_bias;
};

// One build's entry points: units [begin, end) of a job, with a thread's own scratch memory.
struct CompactKernels {
    void (*time)(const TimeJob&, const Packed&, int64_t begin, int64_t end, float* scratch);
    void (*render)(const RenderJob&, const Packed&, int64_t begin, int64_t end, float* scratch);
    void (*enlarge)(const EnlargeJob&, const Packed&, int64_t begin, int64_t end, float* scratch);
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
