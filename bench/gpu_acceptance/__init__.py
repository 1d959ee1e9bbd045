"""What only a GPU can show, checked on one: `python -m bench.gpu_acceptance`."""
