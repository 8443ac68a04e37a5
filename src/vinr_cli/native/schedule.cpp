#include "schedule.hpp"

#include <algorithm>

namespace vinr {
namespace {

constexpr int kPatchRows = 4;   // rows of a patch: what is made together begins at a multiple of it
constexpr int kTogether = 8;    // rows of the largest map that all writing steps make in turn

struct Rows {
    int begin, end;
};

// Rows that a step reads of another one, where that has `height`, for its own [begin, end).
Rows read_for(const Step& step, int height, Rows rows) {
    const int reach = step.kind == kConv ? step.side / 2 : 0;
    const int stride = step.kind == kConv ? step.stride : 1;
    return {std::max(0, rows.begin * stride - reach),
            std::min(height, (rows.end - 1) * stride + reach + 1)};
}

class Plan {
public:
    Plan(const ChainJob& job, const ChainKernels& kernels, int part, int parts)
        : job_(job), made_(), count_(static_cast<size_t>(job.count)) {
        made_.band = Band{};
        for (size_t i = 0; i < count_; ++i) unit_[i] = kernels.unit(job, static_cast<int>(i));
        want(part, parts);
        order();
        place(kernels);
    }
    Scheduled take() { return std::move(made_); }

private:
    const Step& step(size_t i) const { return job_.steps[i]; }
    bool writes(size_t i) const {
        return step(i).kind == kKeep || (step(i).kind == kConv && step(i).form != kRows);
    }

    // What of each step this part makes, from the last one backwards.
    void want(int part, int parts) {
        for (size_t i = count_; i-- > 0;) {
            const int height = step(i).height;
            Ring& ring = made_.band.rings[i];
            ring.own_begin = cut(height, part, parts);
            ring.own_end = part + 1 < parts ? cut(height, part + 1, parts) : height;
            if (writes(i)) rows_[i] = {ring.own_begin, ring.own_end};
            if (step(i).kind == kApproach) add(i, {ring.own_begin, ring.own_end});
            if (rows_[i].begin == rows_[i].end) continue;
            if (unit_[i] > 1) {
                const int past = (rows_[i].end + kPatchRows - 1) / kPatchRows * kPatchRows;
                rows_[i] = {rows_[i].begin / kPatchRows * kPatchRows, std::min(height, past)};
            }
            if (step(i).from >= 0)
                add(from(i), read_for(step(i), step(from(i)).height, rows_[i]));
            if (step(i).plus >= 0) add(plus(i), rows_[i]);
        }
        for (size_t i = 0; i < count_; ++i) next_[i] = rows_[i].begin;
    }
    static int cut(int height, int part, int parts) {
        return height / kPatchRows * part / parts * kPatchRows;
    }
    void add(size_t i, Rows rows) {
        if (rows_[i].begin == rows_[i].end)
            rows_[i] = rows;
        else
            rows_[i] = {std::min(rows_[i].begin, rows.begin), std::max(rows_[i].end, rows.end)};
    }
    size_t from(size_t i) const { return static_cast<size_t>(step(i).from); }
    size_t plus(size_t i) const { return static_cast<size_t>(step(i).plus); }

    // Writing steps go on side by side, so that what they share is kept for as short as can be.
    void order() {
        int most = 1;
        for (size_t i = 0; i < count_; ++i) most = std::max(most, rows_[i].end - rows_[i].begin);
        const int turns = (most + kTogether - 1) / kTogether;
        for (int turn = 1; turn <= turns; ++turn)
            for (size_t i = 0; i < count_; ++i)
                if (writes(i)) {
                    const int64_t rows = rows_[i].end - rows_[i].begin;
                    make(i, rows_[i].begin + static_cast<int>(rows * turn / turns));
                }
        for (size_t i = 0; i < count_; ++i) make(i, rows_[i].end);
        made_.band.moves = made_.moves.data();
        made_.band.count = static_cast<int64_t>(made_.moves.size());
    }
    // Rows of a step up to `end`, and before them what they read.
    void make(size_t i, int end) {
        end = std::min(end, rows_[i].end);
        while (next_[i] < end) {
            const Rows rows{next_[i], std::min(next_[i] + unit_[i], rows_[i].end)};
            if (step(i).from >= 0)
                read(from(i), read_for(step(i), step(from(i)).height, rows));
            if (step(i).plus >= 0) read(plus(i), rows);
            made_.moves.push_back({static_cast<int32_t>(i), rows.begin, rows.end - rows.begin});
            next_[i] = rows.end;
            keep(i, rows.begin);
        }
    }
    void read(size_t i, Rows rows) {
        make(i, rows.end);
        keep(i, rows.begin);
    }
    // The ring must still hold this row.
    void keep(size_t i, int row) {
        int32_t& capacity = made_.band.rings[i].capacity;
        capacity = std::max(capacity, next_[i] - row);
    }

    // Rings, a row of zeros, and the steps' own memory, one after the other.
    void place(const ChainKernels& kernels) {
        Band& band = made_.band;
        int64_t at = 0;
        for (size_t i = 0; i < count_; ++i) {
            Ring& ring = band.rings[i];
            ring.row_bytes = kernels.row_bytes(job_, static_cast<int>(i));
            ring.offset = at;
            at += ring.row_bytes * ring.capacity;
            band.none_bytes = std::max(band.none_bytes, ring.row_bytes);
        }
        band.none = at;
        at += band.none_bytes;
        band.cleared = at;
        for (size_t i = 0; i < count_; ++i) {
            band.work[i] = at;
            at += kernels.work_bytes(job_, static_cast<int>(i));
        }
        made_.bytes = at;
    }

    const ChainJob& job_;
    Scheduled made_;
    size_t count_;
    int unit_[kMostSteps] = {};
    Rows rows_[kMostSteps] = {};
    int next_[kMostSteps] = {};
};

}  // namespace

std::vector<Scheduled> schedule(const ChainJob& job, const ChainKernels& kernels, int threads) {
    int least = job.steps[0].height;
    for (int i = 0; i < job.count; ++i) least = std::min(least, job.steps[i].height);
    const int parts = std::max(1, std::min(threads, least / kPatchRows));
    std::vector<Scheduled> made;
    for (int part = 0; part < parts; ++part)
        made.push_back(Plan(job, kernels, part, parts).take());
    return made;
}

}  // namespace vinr
