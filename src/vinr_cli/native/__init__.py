"""C++ kernels for a CPU, and their Python side; they are absent where no compiler was at hand."""
