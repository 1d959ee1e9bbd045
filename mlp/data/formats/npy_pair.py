"""Two .npy files, inputs and targets, mapped into memory: the data may be larger than that.

Headers are read and compared with the files' lengths first; then the system maps what is there, and reads pages of it
as rows are taken; see `mlp.data.values.mapped_pages`. Nothing is unpickled.
"""

import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np

from mlp.data.errors import DamagedDataError
from mlp.data.formats.npy import read_npy_header
from mlp.data.prepare import Raw
from mlp.data.stream import open_regular, quoted


def raw_npy_pair(inputs: Path, targets: Path) -> Raw:
    """What the two files hold: numbers (n, ...), and targets (n,) or (n, outputs). Raises a DataError."""
    return Raw((mapped(inputs), mapped(targets, wanted="numbers or text")), in_file=True)


def mapped(path: Path, *, wanted: str = "numbers") -> "np.memmap[Any, Any]":
    """The array in the .npy at `path`, read-only, mapped. `wanted`: as of `read_npy_header`. Raises a DataError."""
    where = quoted(path)
    with open_regular(path) as file:
        header = read_npy_header(file, where=where, wanted=wanted, dimensions=4)
        data_bytes = math.prod(header.shape) * header.dtype.itemsize
        held_bytes = file.seek(0, 2) - header.header_bytes
        if held_bytes != data_bytes or not data_bytes:
            raise DamagedDataError(
                f"{where}: the header promises {data_bytes} bytes of data, the file holds {held_bytes}; wanted as "
                f"many, and at least one value"
            )
        found: np.memmap[Any, Any] = np.memmap(
            file,  # open, so that it is the one that was looked at
            dtype=header.dtype,
            mode="r",
            offset=header.header_bytes,
            shape=header.shape,
            order="F" if header.fortran_order else "C",
        )
    return found


def advise_random(array: Any) -> None:
    """Tell the system that rows of a mapped `array` come in random order, so that it reads no more than them."""
    under = getattr(array, "_mmap", None)
    if under is not None and hasattr(under, "madvise") and hasattr(mmap, "MADV_RANDOM"):
        under.madvise(mmap.MADV_RANDOM)
