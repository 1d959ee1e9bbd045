"""Pictures and arrays that a user gives to a network, as rows of it. The files are not trusted.

A PNG is decoded only once its size is known to be the network's; an array is read only once its header and the file's
length agree. Nothing is unpickled.
"""

import warnings
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mlp.data.errors import DamagedDataError, DataError, OversizedDataError
from mlp.data.npy import read_npy_header
from mlp.data.stream import MAX_DATA_BYTES, check_promise, open_regular, read_exactly

MAX_PNG_BYTES = 2**24
"""No picture of a network's size takes more, and Pillow is not asked about more."""
_PNG = b"\x89PNG\r\n\x1a\n"


def read_images(path: str | Path, *, features: int, dtype: str, invert: bool = False) -> np.ndarray:
    """The images at `path` as rows, (n, features), `dtype`, values 0 to 1.

    A PNG is one image, of as many pixels as `features`, grey or made so; its 0..255 become 0..1. A .npy array is
    (features,), (n, features), (rows, columns) or (n, rows, columns), uint8 0..255 or floats that are taken as they
    are. `invert`: 1 minus that, for dark on light, where MNIST is light on dark.

    Raises a `DataError`, one line, for any other file.
    """
    path = Path(path)
    with open_regular(path) as file:
        start = file.read(len(_PNG))
        file.seek(0)
        reader = _read_png if start == _PNG else _read_npy
        values = reader(file, where=str(path), features=features)
        with np.errstate(over="ignore"):  # what is too large for the dtype is found below
            X = np.ascontiguousarray(values, dtype=dtype)
    if not np.isfinite(X).all():
        raise DataError(f"{path}: holds a value that is not finite; remove it")
    return np.subtract(1, X, dtype=X.dtype) if invert else X


def _read_png(file: BinaryIO, *, where: str, features: int) -> np.ndarray:
    from PIL import Image

    if file.seek(0, 2) > MAX_PNG_BYTES:
        raise OversizedDataError(f"{where}: a PNG of at most {MAX_PNG_BYTES} bytes is read")
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures; the size is looked at below
            with Image.open(file, formats=("PNG",)) as picture:
                width, height = picture.size
                if width * height != features:
                    raise DataError(
                        f"{where}: is {width} x {height}, {width * height} pixels; the network takes {features}"
                    )
                if picture.mode not in ("1", "L", "RGB", "P") or "transparency" in picture.info:
                    raise DataError(f"{where}: wanted 8 bits of grey or colour, not transparent, found {picture.mode}")
                pixels = np.asarray(picture.convert("L"), dtype=np.uint8)
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged files: OSError, SyntaxError, ValueError, ...
        raise DamagedDataError(f"{where}: can't be decoded as PNG ({error}); it is damaged") from None
    return pixels.reshape(1, features) / np.float64(255)


def _read_npy(file: BinaryIO, *, where: str, features: int) -> np.ndarray:
    file_bytes = file.seek(0, 2)
    file.seek(0)
    header = read_npy_header(file, where=where, floats=True)
    n_values = prod(header.shape)
    data_bytes = n_values * header.dtype.itemsize
    check_promise(data_bytes, limit_bytes=MAX_DATA_BYTES, where=where)
    if (held_bytes := file_bytes - header.header_bytes) != data_bytes:
        raise DamagedDataError(f"{where}: the header promises {data_bytes} bytes of data, the file holds {held_bytes}")
    rows = 1 if n_values == features else header.shape[0] if header.shape else 0
    if rows == 0 or rows * features != n_values:
        raise DataError(f"{where}: wanted one image of {features} values, or n of them, found shape {header.shape}")
    values: np.ndarray[Any, Any] = np.frombuffer(read_exactly(file, data_bytes, where=where), dtype=header.dtype)
    values = values.reshape(header.shape, order="F" if header.fortran_order else "C").reshape(rows, features)
    if header.dtype.kind == "f":
        return values
    if header.dtype != np.uint8:
        raise DataError(f"{where}: wanted uint8, 0 to 255, or floats, found {header.dtype}; convert it")
    return values / np.float64(255)
