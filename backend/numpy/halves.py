"""NumPy's own way to keep numbers in two bytes, a tile at a time, with no array allocated. See `backend.halves`."""

import numpy as np

from backend.halves import LARGEST
from backend.numpy.working import flat_tiles, work

_BOUNDS = {kind: (np.array(-most, np.float32), np.array(most, np.float32)) for kind, most in LARGEST.items()}
_ONE, _SIXTEEN, _UP, _QUIET = (np.array(value, np.uint32) for value in (1, 16, 0x7FFF, 0x40))


def narrow(halves: np.ndarray, x: np.ndarray, kind: str) -> None:
    """halves := the bits of x in format `kind`."""
    least, most = _BOUNDS[kind]
    for place in flat_tiles(x):
        part, out = x[place], halves[place]
        within, truths = work.values(np.float32, part.shape), work.truths(part.shape)
        np.minimum(part, most, out=within)
        np.maximum(within, least, out=within)
        np.isinf(part, out=truths)
        np.copyto(within, part, where=truths)
        if kind == "float16":
            np.copyto(out.view(np.float16), within, casting="same_kind")
            continue
        bits, nearest = within.view(np.uint32), work.values(np.uint32, part.shape, 1)
        np.isnan(part, out=truths)
        np.right_shift(bits, _SIXTEEN, out=nearest)
        np.bitwise_and(nearest, _ONE, out=nearest)
        np.add(nearest, bits, out=nearest)
        np.add(nearest, _UP, out=nearest)
        np.right_shift(nearest, _SIXTEEN, out=nearest)
        np.right_shift(bits, _SIXTEEN, out=bits)
        np.bitwise_or(bits, _QUIET, out=bits)
        np.copyto(nearest, bits, where=truths)
        np.copyto(out, nearest, casting="same_kind")


def widen(x: np.ndarray, halves: np.ndarray, kind: str) -> None:
    """x := the numbers of these bits."""
    if kind == "float16":
        np.copyto(x, halves.view(np.float16))
        return
    bits = x.view(np.uint32)
    np.copyto(bits, halves)
    np.left_shift(bits, _SIXTEEN, out=bits)
