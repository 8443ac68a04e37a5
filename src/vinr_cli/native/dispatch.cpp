// The plain C interface: chooses a build of the kernels by the processor's features and shares the
// work out in small chunks from an atomic counter, so that a thread that the system holds up does
// not hold up the others. Threads live for one call; there is no state between calls.
#include "kernels.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#define VINR_API __attribute__((visibility("default")))

namespace vinr {

#if defined(VINR_X86)
extern const Kernels kernels_avx512;
extern const Kernels kernels_avx2;
#endif
extern const Kernels kernels_baseline;

namespace {

const Kernels* supported(int index) {
    switch (index) {
#if defined(VINR_X86)
        case 0:
            return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
                       ? &kernels_avx512
                       : nullptr;
        case 1:
            return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kernels_avx2
                                                                                   : nullptr;
#endif
        case 2:
            return &kernels_baseline;
        default:
            return nullptr;
    }
}

// Floats of scratch memory with 64-byte alignment.
class Scratch {
public:
    explicit Scratch(size_t floats) : memory_(floats * sizeof(float) + 64) {}
    float* get() {
        const auto address = reinterpret_cast<uintptr_t>(memory_.data());
        return reinterpret_cast<float*>((address + 63) & ~static_cast<uintptr_t>(63));
    }

private:
    std::vector<unsigned char> memory_;
};

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
    std::vector<Scratch> memory(static_cast<size_t>(count < 1 ? 1 : count), Scratch(floats));
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

struct Weights {
    std::vector<Scratch> memory;
    Packed packed{};
    void add(const Kernels& kernels, const Layer& layer, const float* shift) {
        const size_t at = memory.size() / 2, widest = kWidest;
        memory.emplace_back(static_cast<size_t>(layer.inputs) * widest);
        packed.weight[at] = memory.back().get();
        memory.emplace_back(widest);
        packed.bias[at] = memory.back().get();
        kernels.pack(layer, packed.weight[at], packed.bias[at], shift);
    }
    Weights() { memory.reserve(6); }  // so that none moves
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

// Counts changes of the structures above; the caller refuses another number.
VINR_API int vinr_abi(void) { return 1; }

// The name of build `index` (0, 1, 2: best first), or null where the processor cannot run it.
VINR_API const char* vinr_build(int index) {
    const Kernels* kernels = supported(index);
    return kernels ? kernels->name : nullptr;
}

// All return 0, or 1 when memory ran out. `build` is an index that vinr_build names.
VINR_API int vinr_time(const TimeJob* job, int build, int threads) {
    return guarded([&] {
        const Kernels& kernels = *supported(build);
        Weights weights;
        weights.add(kernels, job->middle, nullptr);
        weights.add(kernels, job->last, nullptr);
        share_out((job->pixels + kBlock - 1) / kBlock, 8, threads,
                  kBlock * (2 * kWidest + kLane),
                  [&](int64_t begin, int64_t end, float* scratch) {
                      kernels.time(*job, weights.packed, begin, end, scratch);
                  });
    });
}

VINR_API int vinr_render(const RenderJob* job, int build, int threads) {
    return guarded([&] {
        const Kernels& kernels = *supported(build);
        const Places places(job->lr_height, job->lr_width, job->factor_y, job->factor_x,
                            job->channels);
        Weights weights;
        weights.add(kernels, job->first, job->shift);
        weights.add(kernels, job->middle, nullptr);
        weights.add(kernels, job->last, nullptr);
        weights.packed.line = places.line.data();
        weights.packed.column = places.column.data();
        const size_t floats =
            static_cast<size_t>(job->lr_width) * kLane +
            static_cast<size_t>(kBlock) * (3 * kLane + 8 + 2 * kWidest + job->first.inputs);
        share_out(job->height, 4, threads, floats,
                  [&](int64_t begin, int64_t end, float* scratch) {
                      kernels.render(*job, weights.packed, begin, end, scratch);
                  });
    });
}

VINR_API int vinr_enlarge(const EnlargeJob* job, int build, int threads) {
    return guarded([&] {
        const Kernels& kernels = *supported(build);
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

}  // extern "C"
