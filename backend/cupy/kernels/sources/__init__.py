"""The kernels in CUDA: a kind of work a file. `watch.cuh` comes before each, `packs.cuh` before those by elements."""
