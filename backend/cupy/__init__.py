"""CuPy on a GPU: detection, a memory pool with a meter, transfers, and kernels."""
