// The plain C interface: chooses a build of the kernels by the processor's features and shares the
// work out in small chunks from an atomic counter, so that a thread that the system holds up does
// not hold up the others. Threads live for one call; there is no state between calls.
#include "kernels.hpp"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#define VINR_API __attribute__((visibility("default")))

namespace vinr {

#if defined(VINR_X86)
extern const CompactKernels compact_avx512, compact_avx2;
extern const PublishedKernels published_avx512, published_avx2;
extern const ConvolveKernels convolve_avx512, convolve_avx2;
#endif
extern const CompactKernels compact_baseline;
extern const PublishedKernels published_baseline;
extern const ConvolveKernels convolve_baseline;

namespace {

struct Build {
    const CompactKernels* compact;
    const PublishedKernels* published;
    const ConvolveKernels* convolve;
};

Build supported(int index) {
    switch (index) {
#if defined(VINR_X86)
        case 0:
            if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
                return {&compact_avx512, &published_avx512, &convolve_avx512};
            break;
        case 1:
            if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
                return {&compact_avx2, &published_avx2, &convolve_avx2};
            break;
#endif
        case 2:
            return {&compact_baseline, &published_baseline, &convolve_baseline};
        default:
            break;
    }
    return {nullptr, nullptr, nullptr};
}

// Floats of scratch memory with 64-byte alignment; not set to anything.
class Scratch {
public:
    explicit Scratch(size_t floats) : memory_(new float[floats + 16]) {}
    float* get() {
        const auto address = reinterpret_cast<uintptr_t>(memory_.get());
        return reinterpret_cast<float*>((address + 63) & ~static_cast<uintptr_t>(63));
    }

private:
    std::unique_ptr<float[]> memory_;
};

// Floating-point operations that are worth a thread: some 0.03 ms, as long as starting one takes.
constexpr double kThreadWork = 5e6;

int worth(int threads, double operations) {
    const double most = 1 + operations / kThreadWork;
    return threads < most ? threads : static_cast<int>(most);
}

// Operations of a sine network on one pixel.
double operations_of(const SineNet& net) {
    double sum = 0;
    for (int i = 0; i < net.count; ++i)
        sum += 2.0 * net.layers[i].inputs * net.layers[i].outputs;
    return sum;
}

// Calls work(begin, end, scratch) for chunks of [0, units) on up to `threads` threads.
template <class Work>
void share_out(int64_t units, int64_t chunk, int threads, size_t floats, const Work& work) {
    std::atomic<int64_t> next{0};
    auto run = [&](Scratch& scratch) {
        for (int64_t begin; (begin = next.fetch_add(chunk)) < units;)
            work(begin, begin + chunk < units ? begin + chunk : units, scratch.get());
    };
    const int64_t chunks = (units + chunk - 1) / chunk;
    const int64_t count = threads < chunks ? threads : chunks;
    std::vector<Scratch> memory;
    for (int64_t i = 0; i < count || i == 0; ++i) memory.emplace_back(floats);
    std::vector<std::thread> team;
    for (int64_t i = 1; i < count; ++i) {
        try {
            team.emplace_back(run, std::ref(memory[static_cast<size_t>(i)]));
        } catch (const std::system_error&) {
            break;  // no more threads to be had: the others do the work
        }
    }
    run(memory[0]);
    for (auto& thread : team) thread.join();
}

// Where canvas rows and columns start, in floats.
struct Places {
    std::vector<int64_t> line;
    std::vector<int32_t> column;
    Places(int64_t height, int64_t width, int64_t fy, int64_t fx, int64_t channels)
        : line(static_cast<size_t>(height * fy)), column(static_cast<size_t>(width * fx)) {
        for (int64_t y = 0; y < height * fy; ++y)
            line[static_cast<size_t>(y)] = ((y / fy) * width * fy + y % fy) * fx * channels;
        for (int64_t x = 0; x < width * fx; ++x)
            column[static_cast<size_t>(x)] =
                static_cast<int32_t>(((x / fx) * fy * fx + x % fx) * channels);
    }
};

// Packed weights of layers, and their memory.
class Weights {
public:
    explicit Weights(const PublishedKernels& kernels) : kernels_(kernels) {}
    void add(const Layer& layer, const float* shift, float** weight, float** bias) {
        take(layer, weight, bias);
        kernels_.pack(layer, *weight, *bias, shift);
    }
    // `few`: the last layer has at most four outputs.
    void add(const SineNet& net, bool few, float** weight, float** bias) {
        for (int i = 0; i < net.count; ++i) {
            take(net.layers[i], weight + i, bias + i);
            if (few && i + 1 == net.count)
                kernels_.pack_few(net.layers[i], weight[i], bias[i]);
            else
                kernels_.pack(net.layers[i], weight[i], bias[i], nullptr);
        }
    }

private:
    void take(const Layer& layer, float** weight, float** bias) {
        const auto floats = kernels_.packed_floats(layer.inputs, layer.outputs);
        memory_.emplace_back(static_cast<size_t>(floats));
        *weight = memory_.back().get();
        memory_.emplace_back(static_cast<size_t>(kernels_.packed_floats(1, layer.outputs)));
        *bias = memory_.back().get();
    }

    const PublishedKernels& kernels_;
    std::vector<Scratch> memory_;
};

template <class Work>
int guarded(const Work& work) {
    try {
        work();
        return 0;
    } catch (const std::bad_alloc&) {
        return 1;
    }
}

}  // namespace
}  // namespace vinr

using namespace vinr;

extern "C" {

// Counts changes of the structures in kernels.hpp; the caller refuses another number.
VINR_API int vinr_abi(void) { return 2; }

// The name of build `index` (0, 1, 2: best first), or null where the processor cannot run it.
VINR_API const char* vinr_build(int index) {
    const Build build = supported(index);
    return build.published ? build.published->name : nullptr;
}

// All return 0, or 1 when memory ran out. `build` is an index that vinr_build names.
VINR_API int vinr_time(const TimeJob* job, int build, int threads) {
    return guarded([&] {
        const CompactKernels& kernels = *supported(build).compact;
        Weights weights(*supported(build).published);
        Packed packed{};
        weights.add(job->middle, nullptr, &packed.weight[0], &packed.bias[0]);
        weights.add(job->last, nullptr, &packed.weight[1], &packed.bias[1]);
        share_out((job->pixels + kBlock - 1) / kBlock, 8, threads,
                  kBlock * (2 * kWidest + kLane),
                  [&](int64_t begin, int64_t end, float* scratch) {
                      kernels.time(*job, packed, begin, end, scratch);
                  });
    });
}

VINR_API int vinr_render(const RenderJob* job, int build, int threads) {
    return guarded([&] {
        const CompactKernels& kernels = *supported(build).compact;
        const Places places(job->lr_height, job->lr_width, job->factor_y, job->factor_x,
                            job->channels);
        Weights weights(*supported(build).published);
        Packed packed{};
        weights.add(job->first, job->shift, &packed.weight[0], &packed.bias[0]);
        weights.add(job->middle, nullptr, &packed.weight[1], &packed.bias[1]);
        weights.add(job->last, nullptr, &packed.weight[2], &packed.bias[2]);
        packed.line = places.line.data();
        packed.column = places.column.data();
        const size_t floats =
            static_cast<size_t>(job->lr_width) * kLane +
            static_cast<size_t>(kBlock) * (3 * kLane + 8 + 2 * kWidest + job->first.inputs);
        share_out(job->height, 4, threads, floats,
                  [&](int64_t begin, int64_t end, float* scratch) {
                      kernels.render(*job, packed, begin, end, scratch);
                  });
    });
}

VINR_API int vinr_enlarge(const EnlargeJob* job, int build, int threads) {
    return guarded([&] {
        const CompactKernels& kernels = *supported(build).compact;
        const Places places(job->lr_height, job->lr_width, job->factor_y, job->factor_x,
                            job->channels);
        Packed packed{};
        packed.line = places.line.data();
        packed.column = places.column.data();
        share_out(static_cast<int64_t>(job->lr_height) * job->factor_y, job->factor_y, threads,
                  4 * (static_cast<size_t>(job->lr_width) + kTaps),
                  [&](int64_t begin, int64_t end, float* scratch) {
                      kernels.enlarge(*job, packed, begin, end, scratch);
                  });
    });
}

VINR_API int vinr_field(const FieldJob* job, int build, int threads) {
    return guarded([&] {
        const PublishedKernels& kernels = *supported(build).published;
        Weights weights(kernels);
        PackedSines packed{};
        weights.add(job->space_net, false, packed.weight[0], packed.bias[0]);
        if (job->flow) {
            weights.add(job->motion_net, true, packed.weight[1], packed.bias[1]);
            weights.add(job->first, nullptr, &packed.first, &packed.first_bias);
        }
        double pixel = operations_of(job->space_net);
        if (job->flow) pixel += operations_of(job->motion_net);
        threads = worth(threads, pixel * job->height * job->width);
        share_out(job->height, 1, threads, kBlock * (4 * kBroadest + kLane),
                  [&](int64_t begin, int64_t end, float* scratch) {
                      kernels.field(*job, packed, begin, end, scratch);
                  });
    });
}

VINR_API int vinr_paint(const PaintJob* job, int build, int threads) {
    return guarded([&] {
        const PublishedKernels& kernels = *supported(build).published;
        Weights weights(kernels);
        PackedSines packed{};
        weights.add(job->net, true, packed.weight[0], packed.bias[0]);
        weights.add(job->first, nullptr, &packed.first, &packed.first_bias);
        threads = worth(threads, operations_of(job->net) * static_cast<double>(job->pixels));
        share_out((job->pixels + kBlock - 1) / kBlock, 4, threads,
                  kBlock * (4 * kBroadest + kLane),
                  [&](int64_t begin, int64_t end, float* scratch) {
                      kernels.paint(*job, packed, begin, end, scratch);
                  });
    });
}

// Floats that vinr_pack_conv writes.
VINR_API int64_t vinr_conv_floats(int inputs, int outputs, int build) {
    return kPoints * supported(build).published->packed_floats(inputs, outputs);
}

// A convolution's weight (outputs, inputs, 3, 3) as vinr_conv of the same build wants it.
VINR_API void vinr_pack_conv(const float* weight, int inputs, int outputs, float* out, int build) {
    supported(build).convolve->pack_conv(weight, inputs, outputs, out);
}

VINR_API int vinr_conv(const ConvJob* job, int build, int threads) {
    return guarded([&] {
        const PublishedKernels& kernels = *supported(build).published;
        const int64_t inputs = job->channels[0] + job->channels[1];
        const int64_t outputs = kernels.packed_floats(1, job->outputs);
        const int64_t patches = static_cast<int64_t>(job->batch) * ((job->height + 3) / 4) *
                                ((job->width + 3) / 4);
        const int64_t groups = (patches + kGroup - 1) / kGroup;
        const int64_t together = kPatches / kGroup;
        threads = worth(threads, 2.0 * kPoints * static_cast<double>(patches * inputs * outputs));
        share_out(groups, groups < 4 * together * threads ? 1 : together, threads,
                  static_cast<size_t>((kPoints * kPatches + 1) * (inputs + outputs)),
                  [&](int64_t begin, int64_t end, float* scratch) {
                      supported(build).convolve->conv(*job, begin, end, scratch);
                  });
    });
}

VINR_API int vinr_deform(const DeformJob* job, int build, int threads) {
    return guarded([&] {
        const PublishedKernels& kernels = *supported(build).published;
        Weights weights(kernels);
        float *weight, *bias;
        weights.add(job->weight, nullptr, &weight, &bias);
        const int64_t pixels = static_cast<int64_t>(job->batch) * job->height * job->width;
        const int64_t floats =
            job->weight.inputs + kernels.packed_floats(1, job->weight.outputs);
        threads = worth(threads, 2.0 * job->weight.inputs * job->weight.outputs *
                                     static_cast<double>(pixels));
        share_out((pixels + kBlock - 1) / kBlock, 1, threads, static_cast<size_t>(kBlock * floats),
                  [&](int64_t begin, int64_t end, float* scratch) {
                      supported(build).convolve->deform(*job, weight, bias, begin, end, scratch);
                  });
    });
}

}  // extern "C"
