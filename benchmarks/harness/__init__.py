"""What the benchmarks and the tests share: clips, weights, reference formulas, and faults."""
