// The plain C interface: chooses a build of the kernels by the processor's features and shares the
// work out in small chunks from an atomic counter, so that a thread that the system holds up does
// not hold up the others. Threads live for one call; there is no state between calls.
#include "kernels.hpp"
#include "schedule.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#if defined(VINR_X86)
#include <cpuid.h>
#endif
#if defined(VINR_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define VINR_API __attribute__((visibility("default")))

namespace vinr {

#define VINR_BUILD_OF(name)                            \
    extern const CompactKernels compact_##name;        \
    extern const ChainKernels chain_##name;            \
    extern const SearchKernels search_##name;          \
    extern const PictureKernels picture_##name;        \
    extern const PublishedKernels published_##name;    \
    extern const ConvolveKernels convolve_##name;

#if defined(VINR_AMX)
extern const ChainKernels chain_amx;
extern const SearchKernels search_amx;
extern const CompactKernels compact_amx;
#endif
#if defined(VINR_X86)
VINR_BUILD_OF(avx512)
VINR_BUILD_OF(avx2)
#endif
VINR_BUILD_OF(baseline)

namespace {

// What a processor can run. `half` are the kernels that may round: bfloat16 in the products of tiles,
// float16 in canvases; the others are float32.
struct Build {
    const char* name;
    const PublishedKernels* published;
    const ConvolveKernels* convolve;
    const PictureKernels* picture;
    const CompactKernels* compact[2];  // float32, half
    const ChainKernels* chain[2];
    const SearchKernels* search[2];
};

#if defined(VINR_X86)
struct Features {
    bool avx512, avx2, tiles;
};

Features features_of_processor() {
    Features found{};
    unsigned a, b, c, d;
    const bool half = __get_cpuid(1, &a, &b, &c, &d) && c >> 29 & 1;  // F16C
    found.avx2 = half && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    found.avx512 = found.avx2 && __builtin_cpu_supports("avx512f") &&
                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl");
#if defined(VINR_AMX)
    // Tiles: AMX-TILE and AMX-BF16, AVX512-BF16 beside them, and a system that keeps their registers
    // (XCR0) and lets this process have them: without that they are an illegal instruction.
    constexpr int kRequest = 0x1023, kTileData = 18;  // arch_prctl: ARCH_REQ_XCOMP_PERM
    if (found.avx512 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && d >> 22 & 1 && d >> 24 & 1 &&
        __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 5 & 1) {
        unsigned low, high;
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        found.tiles = (low >> 17 & 3) == 3 && syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
    }
#endif
    return found;
}

const Features& features() {
    static const Features found = features_of_processor();
    return found;
}
#endif

#define VINR_PLAIN(name)                                                        \
    {#name, &published_##name, &convolve_##name, &picture_##name, {&compact_##name, nullptr},    \
     {&chain_##name, nullptr}, {&search_##name, nullptr}}
#define VINR_HALVES(name)                                                       \
    {#name, &published_##name, &convolve_##name, &picture_##name, {&compact_##name, &compact_##name}, \
     {&chain_##name, &chain_##name}, {&search_##name, &search_##name}}

// Best first; without a name where the processor cannot run it.
Build supported(int index) {
    switch (index) {
#if defined(VINR_AMX)
        case 0:
            if (features().tiles)
                return {"amx", &published_avx512, &convolve_avx512, &picture_avx512, {&compact_avx512, &compact_amx},
                        {&chain_avx512, &chain_amx}, {&search_avx512, &search_amx}};
            break;
#endif
#if defined(VINR_X86)
        case 1:
            if (features().avx512) return VINR_HALVES(avx512);
            break;
        case 2:
            if (features().avx2) return VINR_HALVES(avx2);
            break;
#endif
        case 3:
            return VINR_PLAIN(baseline);
        default:
            break;
    }
    return {};
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

// Where output columns lie, in the motion and in the canvases.
class Places {
public:
    Places(const RenderJob& job, int block) {
        const auto padded = static_cast<size_t>((job.width + block - 1) / block * block);
        for (auto* floats : {&place_, &share_, &still_share_}) floats->resize(padded);
        for (auto* ints : {&left_, &right_, &still_left_, &still_right_}) ints->resize(padded);
        const int width = job.lr_width * job.factor_x;
        columns_.still_whole = true;
        for (size_t i = 0; i < padded; ++i) {
            place_[i] = job.cols[std::min(i, static_cast<size_t>(job.width - 1))];
            find(place_[i], job.lr_width, &left_[i], &right_[i], &share_[i]);
            const auto factor = static_cast<float>(job.factor_x);
            find((place_[i] + 0.5f) * factor - 0.5f, width, &still_left_[i], &still_right_[i],
                 &still_share_[i]);
            for (auto* still : {&still_left_[i], &still_right_[i]})
                *still = ((*still / job.factor_x) * job.factor_y * job.factor_x +
                          *still % job.factor_x) * job.channels;
            columns_.still_whole = columns_.still_whole && still_share_[i] == 0;
        }
        columns_ = {place_.data(),      left_.data(),        right_.data(),
                    share_.data(),      still_left_.data(),  still_right_.data(),
                    still_share_.data(), columns_.still_whole};
    }
    const Columns& columns() const { return columns_; }

private:
    static void find(float place, int length, int32_t* left, int32_t* right, float* share) {
        place = std::min(std::max(place, 0.0f), static_cast<float>(length - 1));
        *left = static_cast<int32_t>(place);
        *right = std::min(*left + 1, length - 1);
        *share = place - static_cast<float>(*left);
    }

    std::vector<float> place_, share_, still_share_;
    std::vector<int32_t> left_, right_, still_left_, still_right_;
    Columns columns_{};
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
VINR_API int vinr_abi(void) { return 3; }

// The name of build `index` (0 to 3: best first), or null where the processor cannot run it.
VINR_API const char* vinr_build(int index) { return supported(index).name; }

// Whether a build has kernels that may round, `half` below; else 0 must be asked for.
VINR_API int vinr_halves(int build) { return supported(build).chain[1] != nullptr; }

// Whether these split what is too coarse for their Numbers in two, see ApproachJob.
VINR_API int vinr_splits(int build, int half) { return supported(build).chain[half]->splits; }

// All return 0, or 1 when memory ran out. `build` is an index that vinr_build names.
VINR_API int vinr_time(const TimeJob* job, int build, int half, int threads) {
    return guarded([&] {
        const CompactKernels& kernels = *supported(build).compact[half];
        Scratch packed(static_cast<size_t>(kernels.time_floats(*job)));
        kernels.pack_time(*job, packed.get());
        const int block = kernels.together;
        share_out((job->pixels + block - 1) / block, 8, threads,
                  static_cast<size_t>(block * (2 * kWidest + kLane)),
                  [&](int64_t begin, int64_t end, float* scratch) {
                      kernels.time(*job, packed.get(), begin, end, scratch);
                  });
    });
}

VINR_API int vinr_render(const RenderJob* job, int build, int half, int threads) {
    return guarded([&] {
        const CompactKernels& kernels = *supported(build).compact[half];
        const Places places(*job, kernels.together);
        Scratch packed(static_cast<size_t>(kernels.render_floats(*job)));
        kernels.pack_render(*job, packed.get());
        // The block, a line of motion, the first layer's pixels, and a layer's.
        const size_t floats =
            static_cast<size_t>(job->lr_width) * kLane +
            static_cast<size_t>(kernels.together) *
                (4 * kLane + 20 + 2 * kWidest + job->first.inputs);
        share_out(job->height, 4, threads, floats,
                  [&](int64_t begin, int64_t end, float* scratch) {
                      kernels.render(*job, packed.get(), places.columns(), begin, end, scratch);
                  });
    });
}

VINR_API int vinr_field(const FieldJob* job, int build, int, int threads) {
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

VINR_API int vinr_paint(const PaintJob* job, int build, int, int threads) {
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

// Floats that vinr_pack_step writes.
VINR_API int64_t vinr_step_floats(int inputs, int outputs, int side, int stride, int parts,
                                  int build, int half) {
    return supported(build).chain[half]->step_floats(inputs, outputs, side, stride, parts);
}

// A convolution's weight (outputs, inputs, side, side) and bias as a chain of the same build wants
// them; inputs are in the order of the Numbers of the pixels that it reads. With two parts, which only
// kernels that split know, what the weights are rounded by is multiplied, too.
VINR_API void vinr_pack_step(const float* weight, const float* bias, int inputs, int outputs,
                             int side, int stride, int parts, float* out, int build, int half) {
    supported(build).chain[half]->pack_step(weight, bias, inputs, outputs, side, stride, parts,
                                            out);
}

VINR_API int vinr_chain(const ChainJob* job, int build, int half, int threads) {
    return guarded([&] {
        const ChainKernels& kernels = *supported(build).chain[half];
        double operations = 0;
        for (int i = 0; i < job->count; ++i) {
            const Step& step = job->steps[i];
            if (step.kind != kConv) continue;
            const double inputs = job->steps[step.from].channels, area = step.side * step.side;
            operations += 2.0 * area * inputs * step.channels * step.height * step.width;
        }
        const auto parts = schedule(*job, kernels, worth(threads, operations));
        int64_t most = 0;
        for (const auto& part : parts) most = std::max(most, part.bytes);
        share_out(static_cast<int64_t>(parts.size()), 1, threads,
                  static_cast<size_t>(most) / sizeof(float) + 1,
                  [&](int64_t begin, int64_t, float* scratch) {
                      kernels.run(*job, parts[static_cast<size_t>(begin)].band, scratch);
                  });
    });
}

// The maps of the search are small: but for matches one thread does them.
VINR_API int vinr_halve(const HalveJob* job, int build, int half, int) {
    supported(build).search[half]->halve(*job, 0, job->height);
    return 0;
}

VINR_API int vinr_enlarge_motion(const EnlargeMotionJob* job, int build, int half, int) {
    supported(build).search[half]->enlarge(*job, 0, job->height);
    return 0;
}

VINR_API int vinr_match(const MatchJob* job, int build, int half, int threads) {
    return guarded([&] {
        const int64_t line = job->width + kPad;
        threads = worth(threads, 20.0 * job->key_channels * job->height * job->width);
        share_out(job->height, std::max<int64_t>(8, job->height / threads), threads,
                  static_cast<size_t>(16 * line),
                  [&](int64_t begin, int64_t end, float* scratch) {
                      supported(build).search[half]->match(*job, begin, end, scratch);
                  });
    });
}

VINR_API int vinr_mean(const MeanJob* job, int build, int half, int) {
    return guarded([&] {
        share_out(job->height, job->height, 1, static_cast<size_t>(3 * (job->width + 2 * kPad)),
                  [&](int64_t begin, int64_t end, float* scratch) {
                      supported(build).search[half]->mean(*job, begin, end, scratch);
                  });
    });
}

VINR_API int vinr_mix(const MixJob* job, int build, int half, int) {
    supported(build).search[half]->mix(*job, 0, job->pixels);
    return 0;
}

VINR_API int vinr_flat(const FlatJob* job, int build, int, int threads) {
    return guarded([&] {
        threads = worth(threads, 60.0 * job->height * job->width);
        share_out(job->height, 16, threads, 2 * (static_cast<size_t>(job->width) + 64),
                  [&](int64_t begin, int64_t end, float* scratch) {
                      supported(build).picture->flat(*job, begin, end, scratch);
                  });
    });
}

VINR_API int vinr_settle(const SettleJob* job, int build, int, int threads) {
    return guarded([&] {
        const size_t floats = 4 * (static_cast<size_t>(job->lr_width) + job->width + 32);
        share_out(job->height, 8, threads, floats, [&](int64_t begin, int64_t end, float* scratch) {
            supported(build).picture->settle(*job, begin, end, scratch);
        });
    });
}

VINR_API int vinr_codes(const CodesJob* job, int build, int, int threads) {
    return guarded([&] {
        std::atomic<int32_t> finite{1};
        const int64_t rows = job->layout == kHalfBoth ? (job->height + 1) / 2 : job->height;
        const auto line = static_cast<size_t>(job->width) + 64;
        threads = worth(threads, 30.0 * job->height * job->width);
        share_out(rows, threads > 1 ? 32 : rows, threads, 17 * line,
                  [&](int64_t begin, int64_t end, float* scratch) {
                      if (!supported(build).picture->codes(*job, begin, end, scratch)) finite = 0;
                  });
        *job->finite = finite;
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

VINR_API int vinr_conv(const ConvJob* job, int build, int, int threads) {
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

VINR_API int vinr_deform(const DeformJob* job, int build, int, int threads) {
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
