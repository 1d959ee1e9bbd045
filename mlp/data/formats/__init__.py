"""From files to arrays, a format a file: IDX, .npy, .npz, HDF5, tables and pictures. None of them is trusted."""
