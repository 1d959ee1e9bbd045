"""Precision as a lever: how products are made, and in how many bytes activations are kept. Plain names; no arrays.

"full", the default, computes and keeps everything in the network's dtype. The others are never chosen unasked, and are
for float32 networks. How a step recomputes changes no bit under any of them: gradients are those of plain
backpropagation at the same precision, wherever they are at "full".

"tf32", on cuBLAS alone: products of float32 round their factors to TF32, which has 11 significant bits, and add up in
float32. A rounding is off by at most u = 2**-11 of its factor, so each value of a product is off by at most about
2 u = 2**-10 of the sum of its terms' absolute values, beside what adding up in float32 costs at "full" too. GPUs
before Ampere have no TF32 and multiply in full.

"float16" and "bfloat16": activations are kept in two bytes from the forward pass to the backward pass, and computed in
float32; the last layer's output, errors, gradients and parameters stay float32. A kept value is the nearest one that
has 11 significant bits (float16) or 8 (bfloat16), even on ties, so it is off by at most u = 2**-11 or 2**-8 of itself;
in float16 by at most 2**-25 where it is below 2**-14. Values beyond the largest number of two bytes, 65504 in float16,
are kept as that; infinities and NaNs stay what they are. A layer runs forward from the kept values below it, whether
for the first time or again, which is why recomputing changes no bit.

To first order in u each of the L - 1 roundings shifts what is computed from it once: the outputs by its share of them,
the slopes at that layer, and the layer's gradient. In a network whose layers enlarge no relative error (the norm of
|W| |a| against |z|, times that of the activation's slope, is about 1 or less), the gradient of each layer is then off
by at most 2 L u of its norm. Tests hold networks of sigmoid and tanh to that.

A "+" joins the two: "tf32+float16".
"""

from typing import NamedTuple

from backend.nearest import meant
from mlp.errors import NetworkError

FULL, TF32 = "full", "tf32"
TF32_BACKEND = "cupy"
STORED = ("float16", "bfloat16")
"""The formats of two bytes that activations are kept in."""

PRECISIONS = (FULL, TF32, *STORED, *(f"{TF32}+{name}" for name in STORED))

ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
"""u: the most that a kept value is off by, as a share of itself."""


class Precision(NamedTuple):
    """What a precision's name says: whether products are in TF32, and the format of kept activations, None for full."""

    tf32: bool
    stored: str | None


def precision_of(name: str, *, dtype: str, backend: str) -> Precision:
    """What `name` says for a network of `dtype` on the backend of that name. Raises `NetworkError` where it can't be.

    >>> precision_of("tf32+bfloat16", dtype="float32", backend="cupy")
    Precision(tf32=True, stored='bfloat16')
    """
    if not (isinstance(name, str) and name in PRECISIONS):
        choices = f"{', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}"
        raise NetworkError(f"unknown precision {repr(name)[:40]}; choose {choices}{meant(name, PRECISIONS)}")
    if name == FULL:
        return Precision(False, None)
    if dtype != "float32":
        raise NetworkError(f"precision {name} is of float32 networks; got dtype {dtype}; give float32, or leave it out")
    parts = name.split("+")
    if TF32 in parts and backend != TF32_BACKEND:
        raise NetworkError(
            f"{backend} multiplies float32 in full; leave {TF32} out of precision, or choose {TF32_BACKEND}"
        )
    return Precision(TF32 in parts, next((part for part in parts if part in STORED), None))


def precision_on(name: str, backend: str) -> str:
    """The precision nearest to `name`, one of `PRECISIONS`, that the backend of that name has.

    >>> precision_on("tf32+float16", "numpy"), precision_on("tf32", "numpy"), precision_on("tf32", "cupy")
    ('float16', 'full', 'tf32')
    """
    left = [part for part in name.split("+") if part != TF32 or backend == TF32_BACKEND]
    return "+".join(left) or FULL
