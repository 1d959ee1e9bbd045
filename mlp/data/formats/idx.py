"""The IDX format of the MNIST files, raw or gzipped, into an array. Doesn't know what the numbers mean.

An IDX file is: two zero bytes, a byte for the type, a byte for the number of dimensions, each dimension as a
big-endian uint32, then the data, big-endian, last dimension fastest. (Format: LeCun, Cortes and Burges, the MNIST
database's page.)
"""

import os
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mlp.data.errors import DamagedDataError
from mlp.data.formats.gzip_stream import GZIP_MAGIC, GzipStream
from mlp.data.stream import MAX_DATA_BYTES, Readable, promised_bytes, read_exactly

_INTEGERS = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4"}
_FLOATS = {0x0D: "float32", 0x0E: "float64"}
_MAX_DIMENSIONS = 3  # images are (n, rows, columns)


def read_idx(file: BinaryIO, *, where: str = "IDX file", max_bytes: int = MAX_DATA_BYTES) -> NDArray[Any]:
    """The array in `file`: of an integer dtype, 1 to 3 dimensions, C-contiguous.

    `file`: a seekable binary file; gzip is recognized by its first bytes, not by name. `where`: what error messages
    call it. `max_bytes`: the most data that may be promised. Raises a DataError, and nothing else for any bytes.
    """
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    file.seek(0)
    stream: Readable = GzipStream(file, where=where) if packed else file

    dtype, shape = _read_header(stream, where=where)
    data_bytes = promised_bytes(shape, dtype.itemsize, limit_bytes=max_bytes, where=where)
    if not packed and (held_bytes := size_bytes - file.tell()) != data_bytes:
        raise DamagedDataError(
            f"{where}: the header promises {data_bytes} bytes of data, the file holds {held_bytes}; get the file again"
        )
    data = read_exactly(stream, data_bytes, where=where)
    if stream.read(1):  # for gzip this is also what reaches the checksum
        raise DamagedDataError(f"{where}: holds more than the {data_bytes} bytes of data that its header promises")
    return np.frombuffer(data, dtype=dtype).reshape(shape)


def _read_header(stream: Readable, *, where: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """The dtype and shape that an IDX header states."""
    magic = read_exactly(stream, 4, where=where)
    zeros, code, n_dimensions = magic[:2], magic[2], magic[3]
    if zeros != b"\0\0" or code not in _INTEGERS | _FLOATS:
        raise DamagedDataError(f"{where}: not an IDX file: wanted it to begin like 00 00 08 03, found {magic.hex(' ')}")
    if code in _FLOATS:
        raise DamagedDataError(f"{where}: wanted integers, found {_FLOATS[code]}; write the images as uint8, 0 to 255")
    if not 1 <= n_dimensions <= _MAX_DIMENSIONS:
        raise DamagedDataError(f"{where}: wanted 1 to {_MAX_DIMENSIONS} dimensions, the header says {n_dimensions}")
    sizes = np.frombuffer(read_exactly(stream, 4 * n_dimensions, where=where), dtype=">u4")
    return np.dtype(_INTEGERS[code]), tuple(sizes.tolist())
