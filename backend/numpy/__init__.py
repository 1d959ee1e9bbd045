"""NumPy on the host: compiled kernels, and a meter of array data."""
