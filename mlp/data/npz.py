"""A Keras .npz into its four arrays. Doesn't know what the numbers mean. Unpickles nothing, writes nothing to disk.

Only the four members are looked at. Each one's header, its size in the archive's directory and the limit must agree
before its data is read, so neither a header that promises a terabyte nor a zip bomb costs more than the bytes that
are really there.
"""

import math
import os
import struct
import zipfile
import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mlp.data.errors import DamagedDataError, DataError
from mlp.data.npy import read_npy_header
from mlp.data.stream import MAX_DATA_BYTES, check_promise, read_exactly

KEYS = ("x_train", "y_train", "x_test", "y_test")
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
    """The arrays under `KEYS`, each of an integer dtype, C-contiguous and as stored; other members are ignored.

    `file`: a seekable binary file. `where`: what error messages call it. `max_bytes`: the most data that the four may
    promise together. Raises a DataError; no other exception for any bytes whatever.
    """
    try:
        with zipfile.ZipFile(_BoundedFile(file, where=where)) as archive:
            members = _members(archive, where=where)
            arrays: dict[str, NDArray[Any]] = {}
            for key in KEYS:
                arrays[key] = _read_member(archive, members[key], where=f"{where}: {key}", max_bytes=max_bytes)
                max_bytes -= arrays[key].nbytes
    except DataError:
        raise
    except _ZIP_ERRORS as error:
        raise DamagedDataError(
            f"{where}: wanted a Keras .npz (a zip archive), this is none or it's damaged ({error}); get the file again"
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
                "not a Keras .npz"
            )
        return self._file.read(n_bytes)


def _members(archive: zipfile.ZipFile, *, where: str) -> dict[str, zipfile.ZipInfo]:
    """The archive's entry for each of `KEYS`; each must be there exactly once, readable without a password."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        key = info.filename.removesuffix(".npy")
        if key not in KEYS or key == info.filename:
            continue
        if key in members:
            raise DamagedDataError(f"{where}: holds {key} twice; wanted each of {', '.join(KEYS)} once")
        if info.flag_bits & _ENCRYPTED:
            raise DamagedDataError(
                f"{where}: {key} is encrypted; wanted a plain .npz, as np.savez_compressed writes it"
            )
        if info.compress_type not in _METHODS:
            raise DamagedDataError(
                f"{where}: {key} is packed by zip method {info.compress_type}; wanted stored (0) or deflate (8)"
            )
        members[key] = info
    if missing := [key for key in KEYS if key not in members]:
        raise DamagedDataError(f"{where}: no {', '.join(missing)} in it; wanted a Keras .npz with {', '.join(KEYS)}")
    return members


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, *, where: str, max_bytes: int) -> NDArray[Any]:
    """One array. zipfile compares its checksum when the last promised byte is read."""
    with archive.open(info) as stream:
        header = read_npy_header(stream, where=where)
        data_bytes = math.prod(header.shape) * header.dtype.itemsize
        check_promise(data_bytes, limit_bytes=max_bytes, where=where)
        if (held_bytes := info.file_size - header.header_bytes) != data_bytes:
            raise DamagedDataError(
                f"{where}: the header promises {data_bytes} bytes of data, the archive holds {held_bytes}; "
                "get the file again"
            )
        data = read_exactly(stream, data_bytes, where=where)
    flat = np.frombuffer(data, dtype=header.dtype)
    return np.ascontiguousarray(flat.reshape(header.shape, order="F" if header.fortran_order else "C"))
