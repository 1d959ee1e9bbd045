"""A .npz into its arrays, under Keras's names or X and y. Doesn't know what the numbers mean. Unpickles nothing, writes
nothing to disk.

Only members of these names are looked at. Each one's header, its size in the archive's directory and the limit must
agree before its data is read, so neither a header that promises a terabyte nor a zip bomb costs more than the bytes
that are really there.
"""

import os
import struct
import zipfile
import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mlp.data.errors import DamagedDataError, DataError
from mlp.data.formats.npy import read_npy_header
from mlp.data.stream import MAX_DATA_BYTES, promised_bytes, read_exactly

KEYS = ("x_train", "y_train", "x_test", "y_test")
LAYOUTS = (KEYS, KEYS[:2], ("X", "y"))
"""The names that an archive may have, the first that fits."""

_WANTED = "wanted x_train and y_train, with x_test and y_test where there is a test part, or X and y"
_MAX_DIMENSIONS = 4
# A directory entry takes some 60 bytes in the file and ten times that once read: 512 KiB is 8,000 members, and 6 MB.
_MAX_READ_BYTES = 2**19
# What np.savez and np.savez_compressed write. zipfile unpacks the other methods without a bound.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# What zipfile and zlib raise on damaged archives. OSError, OverflowError: a seek to where a damaged directory points.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


def read_npz(file: BinaryIO, *, where: str = "npz file", max_bytes: int = MAX_DATA_BYTES) -> dict[str, NDArray[Any]]:
    """The arrays of one of `LAYOUTS`, numbers, targets text too, C-contiguous and as stored; others are ignored.

    `file`: a seekable binary file. `where`: what error messages call it. `max_bytes`: the most data that they may
    promise together. Raises a DataError; no other exception for any bytes whatever.
    """
    try:
        with zipfile.ZipFile(_BoundedFile(file, where=where)) as archive:
            members = _members(archive, where=where)
            arrays: dict[str, NDArray[Any]] = {}
            for key in members:
                arrays[key] = _read_member(archive, members[key], where=f"{where}: {key}", max_bytes=max_bytes)
                max_bytes -= arrays[key].nbytes
    except DataError:
        raise
    except _ZIP_ERRORS as error:
        raise DamagedDataError(
            f"{where}: wanted a .npz (a zip archive), this is none or it's damaged ({error}); get the file again"
        ) from error
    return arrays


class _BoundedFile:
    """A file that reads at most `_MAX_READ_BYTES` at once: zipfile reads an archive's directory whole, however long."""

    def __init__(self, file: BinaryIO, *, where: str) -> None:
        self._file = file
        self._where = where
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, n_bytes: int = -1, /) -> bytes:
        if n_bytes < 0:
            here = self._file.tell()
            n_bytes = max(0, self._file.seek(0, os.SEEK_END) - here)
            self._file.seek(here)
        if n_bytes > _MAX_READ_BYTES:
            raise DamagedDataError(
                f"{self._where}: its zip directory takes {n_bytes} bytes, the limit is {_MAX_READ_BYTES}; "
                "not a .npz of some arrays"
            )
        return self._file.read(n_bytes)


def _members(archive: zipfile.ZipFile, *, where: str) -> dict[str, zipfile.ZipInfo]:
    """The archive's entry for each array of its layout; each must be there exactly once, and be no secret."""
    entries: dict[str, list[zipfile.ZipInfo]] = {}
    for info in archive.infolist():
        key = info.filename.removesuffix(".npy")
        if key != info.filename:
            entries.setdefault(key, []).append(info)
    named = {*KEYS} & {*entries}
    layout = next((layout for layout in LAYOUTS if {*layout} <= {*entries} and named <= {*layout}), None)
    if layout is None:
        missing = [key for key in (KEYS if named else LAYOUTS[-1]) if key not in entries]
        raise DamagedDataError(f"{where}: no {', '.join(missing)} in it; {_WANTED}")
    for key in layout:
        info = entries[key][0]
        if len(entries[key]) > 1:
            raise DamagedDataError(f"{where}: holds {key} twice; {_WANTED}, each once")
        if info.flag_bits & _ENCRYPTED:
            raise DamagedDataError(
                f"{where}: {key} is encrypted; wanted a plain .npz, as np.savez_compressed writes it"
            )
        if info.compress_type not in _METHODS:
            raise DamagedDataError(
                f"{where}: {key} is packed by zip method {info.compress_type}; wanted stored (0) or deflate (8)"
            )
    return {key: entries[key][0] for key in layout}


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, *, where: str, max_bytes: int) -> NDArray[Any]:
    """One array. zipfile compares its checksum when the last promised byte is read."""
    with archive.open(info) as stream:
        wanted = "numbers or text" if where.rpartition(": ")[2].startswith("y") else "numbers"
        header = read_npy_header(stream, where=where, wanted=wanted, dimensions=_MAX_DIMENSIONS)
        data_bytes = promised_bytes(header.shape, header.dtype.itemsize, limit_bytes=max_bytes, where=where)
        if (held_bytes := info.file_size - header.header_bytes) != data_bytes:
            raise DamagedDataError(
                f"{where}: the header promises {data_bytes} bytes of data, the archive holds {held_bytes}; "
                "get the file again"
            )
        data = read_exactly(stream, data_bytes, where=where)
    flat = np.frombuffer(data, dtype=header.dtype)
    return np.ascontiguousarray(flat.reshape(header.shape, order="F" if header.fortran_order else "C"))
