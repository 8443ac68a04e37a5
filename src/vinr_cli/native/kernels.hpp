// What the dispatcher and the three builds of the kernels share. Plain data, no templates: nothing
// compiled for one instruction set may be picked by the linker for another.
#pragma once
#include <cstdint>

namespace vinr {

constexpr int kLane = 16;     // floats that a pixel of motion, or of the last layer, takes
constexpr int kWidest = 64;   // hidden channels at most
constexpr int kBlock = 48;    // output pixels that go through the decoder together
constexpr int kTaps = 6;      // of the cubic, per direction: five can count, one more is padding

// A 1x1 layer: weight (outputs, inputs) row-major, bias (outputs).
struct Layer {
    const float* weight;
    const float* bias;
    int32_t inputs;
    int32_t outputs;
};

// Time INR, see TimeINR in model/compact.py. Maps are channels last.
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

// Decoder on a grid, see CompactVideoINR._render_rows in model/compact.py.
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

// Made once per job by the dispatcher, read by all threads.
struct Packed {
    float* weight[3];        // layers in blocks of columns, see pack() in kernels.cpp
    float* bias[3];
    const int64_t* line;     // start of a canvas row
    const int32_t* column;   // start of a canvas column within its row
};

// One build's entry points: units [begin, end) of a job, with a thread's own scratch memory.
struct Kernels {
    const char* name;
    void (*pack)(const Layer&, float* weight, float* bias, const float* shift);
    void (*time)(const TimeJob&, const Packed&, int64_t begin, int64_t end, float* scratch);
    void (*render)(const RenderJob&, const Packed&, int64_t begin, int64_t end, float* scratch);
    void (*enlarge)(const EnlargeJob&, const Packed&, int64_t begin, int64_t end, float* scratch);
};

}  // namespace vinr
