"""The CUDA kernels of the CuPy backend."""
