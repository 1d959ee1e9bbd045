"""The header of a .npy stream: dtype, order and shape, before any data is read. Knows neither zip nor MNIST.

NumPy's own reader evaluates the header as a Python literal, reads as many header bytes as the file says before it
looks at the bound, and may build any dtype, objects included. Here a header is at most 1 KiB, matches one small
grammar, and says integers, or it's refused. (Format: NumPy enhancement proposal 1, "A Simple File Format for NumPy
Arrays", versions 1.0 to 3.0.)
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.data.errors import DamagedDataError, one_line
from mlp.data.stream import Readable, read_exactly

_MAGIC = b"\x93NUMPY"
_MAX_HEADER_BYTES = 1024  # NumPy writes 118 for the arrays meant here
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}  # by major version
_MAX_DIMENSIONS = 3

# {'descr': '|u1', 'fortran_order': False, 'shape': (60000, 28, 28), } in any order; Python 2 wrote 60000L.
_QUOTED = r"""'[^'\\]{0,64}'|"[^"\\]{0,64}\""""
_NUMBERS = r"\((?:\s*\d{1,20}L?\s*,)*(?:\s*\d{1,20}L?)?\s*\)"
_ITEM = rf"""\s*['"](?:descr|fortran_order|shape)['"]\s*:\s*(?:{_QUOTED}|True|False|{_NUMBERS})\s*"""
_HEADER = re.compile(rf"\s*\{{{_ITEM},{_ITEM},{_ITEM},?\s*\}}\s*", re.ASCII)
_DESCR = re.compile(rf"""['"]descr['"]\s*:\s*({_QUOTED})""", re.ASCII)
_ORDER = re.compile(r"""['"]fortran_order['"]\s*:\s*(True|False)""", re.ASCII)
_SHAPE = re.compile(rf"""['"]shape['"]\s*:\s*({_NUMBERS})""", re.ASCII)
_INTEGER_DTYPE = re.compile(r"[<>|=]?[iu][1248]", re.ASCII)
_FLOAT_DTYPE = re.compile(r"[<>=]?f[248]", re.ASCII)


@dataclass(frozen=True)
class NpyHeader:
    """What a .npy header states. `header_bytes`: how many bytes it took, so the data starts there."""

    dtype: np.dtype[Any]
    fortran_order: bool
    shape: tuple[int, ...]
    header_bytes: int


def read_npy_header(stream: Readable, *, where: str, floats: bool = False) -> NpyHeader:
    """The header at the start of `stream`, which then stands at the data. DamagedDataError unless of plain integers.

    `floats`: plain floats too.
    """
    start = read_exactly(stream, len(_MAGIC) + 2, where=where)
    major = start[len(_MAGIC)]
    if not start.startswith(_MAGIC) or major not in _LENGTH_BYTES:
        raise DamagedDataError(
            f"{where}: not a .npy array: wanted it to begin {_MAGIC.hex(' ')} and version 1 to 3, "
            f"found {start.hex(' ')}"
        )
    text_bytes = int.from_bytes(read_exactly(stream, _LENGTH_BYTES[major], where=where), "little")
    if text_bytes > _MAX_HEADER_BYTES:
        raise DamagedDataError(
            f"{where}: its header takes {text_bytes} bytes, the limit is {_MAX_HEADER_BYTES}; not plain integers"
        )
    text = read_exactly(stream, text_bytes, where=where).decode("latin-1")
    descr, order, shape = _DESCR.search(text), _ORDER.search(text), _SHAPE.search(text)
    if not _HEADER.fullmatch(text) or not descr or not order or not shape:
        raise DamagedDataError(f"{where}: wanted the header of a plain array, found {one_line(text, limit=80)!r}")
    sizes = tuple(int(digits) for digits in re.findall(r"\d+", shape[1]))
    if len(sizes) > _MAX_DIMENSIONS:
        raise DamagedDataError(f"{where}: wanted at most {_MAX_DIMENSIONS} dimensions, the header says {len(sizes)}")
    return NpyHeader(
        dtype=_plain_dtype(descr[1][1:-1], where=where, floats=floats),
        fortran_order=order[1] == "True",
        shape=sizes,
        header_bytes=len(start) + _LENGTH_BYTES[major] + text_bytes,
    )


def _plain_dtype(name: str, *, where: str, floats: bool) -> np.dtype[Any]:
    """The dtype that a header names, of either byte order. Objects are refused: to read them is to unpickle them."""
    if not (_INTEGER_DTYPE.fullmatch(name) or (floats and _FLOAT_DTYPE.fullmatch(name))):
        raise DamagedDataError(
            f"{where}: wanted integers, found dtype {one_line(name)!r}; write uint8, images 0 to 255"
        )
    return np.dtype(name)
