"""The header of a .npy stream: dtype, order and shape, before any data is read. Knows neither zip nor MNIST.

NumPy reads it, from bytes that were bounded first: its own reader takes as many header bytes as the file promises
before it looks at the bound. What it returns is then checked to be of plain numbers and few dimensions. (Format: NumPy
enhancement proposal 1, "A Simple File Format for NumPy Arrays", versions 1.0 to 3.0.)
"""

import io
import re
import tokenize
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from mlp.data.errors import DamagedDataError
from mlp.data.stream import Readable, read_exactly
from mlp.errors import one_line

_MAX_HEADER_BYTES = 1024  # NumPy writes 118 for the arrays meant here
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}  # by major version
_DTYPES = {
    "integers": re.compile(r"[|<>=]?[iu][1248]"),
    "numbers": re.compile(r"[|<>=]?(?:[iu][1248]|f[248]|b1)"),
    "numbers or text": re.compile(r"[|<>=]?(?:[iu][1248]|f[248]|b1|[US][1-9][0-9]{0,3})"),
}
"""The dtypes that a header may name, by what is wanted."""
# What evaluating a header raises that is none; MemoryError and RecursionError are the parser's, of nested brackets.
_HEADER_ERRORS = (ValueError, TypeError, SyntaxError, tokenize.TokenError, MemoryError, RecursionError)


@dataclass(frozen=True)
class NpyHeader:
    """What a .npy header states. `header_bytes`: how many bytes it took, so the data starts there."""

    dtype: np.dtype[Any]
    fortran_order: bool
    shape: tuple[int, ...]
    header_bytes: int


def read_npy_header(stream: Readable, *, where: str, wanted: str = "integers", dimensions: int = 3) -> NpyHeader:
    """The header at the start of `stream`, which then stands at the data.

    `wanted`: a key of `_DTYPES`; `dimensions`: how many there may be. Raises DamagedDataError for any other.
    """
    start = read_exactly(stream, npy_format.MAGIC_LEN, where=where)
    major = start[len(npy_format.MAGIC_PREFIX)]
    if not start.startswith(npy_format.MAGIC_PREFIX) or major not in _LENGTH_BYTES:
        raise DamagedDataError(
            f"{where}: not a .npy array: wanted it to begin {npy_format.MAGIC_PREFIX.hex(' ')} and version 1 to 3, "
            f"found {start.hex(' ')}"
        )
    length = read_exactly(stream, _LENGTH_BYTES[major], where=where)
    text_bytes = int.from_bytes(length, "little")
    if text_bytes > _MAX_HEADER_BYTES:
        raise DamagedDataError(
            f"{where}: its header takes {text_bytes} bytes, the limit is {_MAX_HEADER_BYTES}; not plain integers"
        )
    text = read_exactly(stream, text_bytes, where=where)
    shape, fortran_order, dtype = _parse(bytes(length), bytes(text), where=where, wanted=wanted)
    if len(shape) > dimensions:
        raise DamagedDataError(f"{where}: wanted at most {dimensions} dimensions, the header says {len(shape)}")
    return NpyHeader(dtype, fortran_order, shape, len(start) + len(length) + len(text))


def _parse(length: bytes, text: bytes, *, where: str, wanted: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype of a header's text. Objects are refused: to read them is to unpickle them."""
    # Version 3 differs from 2 in the encoding of field names, and plain arrays have none.
    read = npy_format.read_array_header_1_0 if len(length) == 2 else npy_format.read_array_header_2_0
    shown = one_line(text.decode("latin-1"), limit=80)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote, and of literals such as 1or 2
            shape, fortran_order, dtype = read(io.BytesIO(length + text), max_header_size=_MAX_HEADER_BYTES)
    except _HEADER_ERRORS as error:
        if isinstance(error.__cause__, TypeError):  # all is well but what `descr` says
            raise _other_dtype(shown, where, wanted) from error
        raise DamagedDataError(f"{where}: wanted the header of a plain array, found {shown!r}") from error
    if dtype.names is not None or dtype.shape or any(type(size) is not int or not 0 <= size < 2**64 for size in shape):
        raise DamagedDataError(f"{where}: wanted the header of a plain array, found {shown!r}")
    if not _DTYPES[wanted].fullmatch(dtype.str):
        raise _other_dtype(dtype.str, where, wanted)
    return shape, fortran_order, dtype


def _other_dtype(found: str, where: str, wanted: str) -> DamagedDataError:
    remedy = "write uint8, images 0 to 255" if wanted == "integers" else "convert them, objects are not unpickled"
    return DamagedDataError(f"{where}: wanted {wanted}, found dtype {found!r}; {remedy}")
