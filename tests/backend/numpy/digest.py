"""A process of its own with other kernels: prints a digest of a layer's steps, for `test_layer_steps` to compare.

Its arguments are the number of threads and the level of the processor that the kernels are for, such as "v3".
"""

import hashlib
import os
import sys

import numpy as np

SHAPES = ((300, 70, 45), (33, 17, 5), (130, 5, 100), (513, 129, 66))


def digest() -> str:
    """SHA-256 of layers forward, backward and their gradients, of shapes that leave something over everywhere."""
    from backend import select_backend

    backend, found = select_backend("numpy"), hashlib.sha256()
    random = np.random.default_rng(1)
    for rows, n_in, n_out in SHAPES:
        for dtype in ("float32", "float64"):
            for activation in ("sigmoid", "tanh", "relu", "softplus"):
                a, W, b, delta = (
                    random.normal(size=shape).astype(dtype)
                    for shape in ((rows, n_in), (n_in, n_out), (n_out,), (rows, n_out))
                )
                out, weight, bias = np.empty_like(delta), np.empty_like(W), np.empty_like(b)
                backend.forward_layer_(a, W, b, activation, out=out)
                backend.backward_layer_(a, delta, W, activation, first=0, weight=weight, bias=bias)
                for array in (out, weight, bias, a):
                    found.update(array.tobytes())
    return found.hexdigest()


if __name__ == "__main__":
    os.environ["MLP_CHECKPOINTING_KERNELS"] = sys.argv[2]
    from backend import select_backend

    engine = select_backend("numpy").engine
    assert engine.level == sys.argv[2]
    engine.threads = int(sys.argv[1])
    print(digest())
