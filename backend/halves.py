"""Numbers of two bytes, float16 and bfloat16, as the reference keeps and reads them: by their bits, as uint16.

float16 has 11 significant bits, and 65504 is its largest number; bfloat16 is the upper half of a float32, with 8
significant bits. No array library need know them.
"""

from collections.abc import Callable

import numpy as np

LARGEST = {"float16": 65504.0, "bfloat16": (2 - 2.0**-7) * 2.0**127}
"""The largest finite number of each format; larger finite ones are kept as that."""

HALF = "uint16"
"""The dtype of arrays that hold such numbers' bits."""


def narrowed(x: np.ndarray, kind: str) -> np.ndarray:
    """The bits of the nearest numbers of format `kind`, even on ties; `x` is float32.

    >>> narrowed(np.float32([1, 1 / 3, 1e6, np.inf]), "float16").view(np.float16).tolist()
    [1.0, 0.333251953125, 65504.0, inf]
    """
    largest = np.float32(LARGEST[kind])
    within = np.where(np.isinf(x), x, np.clip(x, -largest, largest))
    return _NARROW[kind](within)


def widened(halves: np.ndarray, kind: str) -> np.ndarray:
    """The float32 numbers of these bits, which are exact."""
    if kind == "float16":
        return halves.view(np.float16).astype(np.float32)
    return (halves.astype(np.uint32) << 16).view(np.float32)


def _to_float16(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float16).view(np.uint16)


def _to_bfloat16(x: np.ndarray) -> np.ndarray:
    bits = x.view(np.uint32)
    nearest = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16  # half of the last place, and what makes ties even
    return np.where(np.isnan(x), bits >> 16 | 0x40, nearest).astype(np.uint16)


_NARROW: dict[str, Callable[[np.ndarray], np.ndarray]] = {"float16": _to_float16, "bfloat16": _to_bfloat16}
