"""The CuPy backend's kernels that keep float32 numbers in two bytes, and read them back. See `halves.cu`."""

from typing import Any

from backend.cupy.kernels.launching import run
from backend.cupy.kernels.source import THREADS, function
from backend.errors import BackendError

MOST_BLOCKS = 4096
"""Enough for any GPU; each thread takes further values where there are more."""


def narrow(halves: Any, x: Any, kind: str) -> None:
    """halves := the bits of the float32 array x in format `kind`."""
    _launch("narrow", halves, x, kind)


def widen(x: Any, halves: Any, kind: str) -> None:
    """x := the numbers of these bits."""
    _launch("widen", x, halves, kind)


def _launch(name: str, out: Any, values: Any, kind: str) -> None:
    if {out.dtype.char, values.dtype.char} != {"f", "H"} or out.shape != values.shape:
        raise BackendError(
            f"float32 goes with uint16 of one shape; got {out.dtype} {out.shape}, {values.dtype} {values.shape}"
        )
    if not (out.flags.c_contiguous and values.flags.c_contiguous):
        raise BackendError("numbers of two bytes lie without gaps; give whole rows")
    if out.size:
        grid = (min(-(-out.size // THREADS), MOST_BLOCKS),)
        run(function("halves", "float", name), grid, (THREADS,), (out, values, out.size, int(kind == "bfloat16")))
