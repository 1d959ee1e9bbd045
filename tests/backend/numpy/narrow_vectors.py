"""A process that takes this machine for one with narrower vectors: prints a digest of a layer's steps.

Its argument is the bytes of a vector, 32 or 16. `test_layer_steps` runs it and compares.
"""

import hashlib
import sys

import llvmlite.binding
import numpy as np

ALWAYS = ("64bit", "cmov", "cx8", "fxsr", "mmx", "sse", "sse2")
"""What every x86-64 processor has."""


def digest() -> str:
    """SHA-256 of a layer forward, backward and its gradient, of shapes that leave something over everywhere."""
    from backend import select_backend

    backend, found = select_backend("numpy"), hashlib.sha256()
    random = np.random.default_rng(1)
    for rows, n_in, n_out in ((300, 70, 45), (33, 17, 5), (130, 5, 100)):
        a, W, b, delta = (
            random.normal(size=shape).astype("float32")
            for shape in ((rows, n_in), (n_in, n_out), (n_out,), (rows, n_out))
        )
        out, weight, bias = np.empty_like(delta), np.empty_like(W), np.empty_like(b)
        backend.forward_layer_(a, W, b, "relu", out=out)
        backend.backward_layer_(a, delta, W, "identity", first=0, weight=weight, bias=bias)
        for array in (out, weight, bias, a):
            found.update(array.tobytes())
    return found.hexdigest()


if __name__ == "__main__":
    features = llvmlite.binding.get_host_cpu_features()
    for name in features:
        kept = name in ALWAYS or (int(sys.argv[1]) == 32 and not name.startswith("avx512"))
        features[name] = features[name] and kept
    llvmlite.binding.get_host_cpu_features = lambda: features
    from backend.numpy.kernels.vector_code import VECTOR_BYTES

    assert int(sys.argv[1]) == VECTOR_BYTES
    print(digest())
