// In which order a thread makes the rows of a chain, and how many of each step's rows it keeps.
#pragma once
#include "kernels.hpp"

#include <vector>

namespace vinr {

// One thread's part of a chain, with the memory of what `band` points to.
struct Scheduled {
    Band band;
    std::vector<Move> moves;
    int64_t bytes;  // of memory

    Scheduled() = default;
    Scheduled(const Scheduled&) = delete;
    Scheduled(Scheduled&&) = default;
};

// Parts for `threads` threads, of which each writes a band of every map's rows and makes for itself
// what it needs of others'.
std::vector<Scheduled> schedule(const ChainJob& job, const ChainKernels& kernels, int threads);

}  // namespace vinr
