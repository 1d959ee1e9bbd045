"""What a step on a GPU has Python and CUDA do, counted; see `python -m bench.launches --help`."""
