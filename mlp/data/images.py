"""Pictures and arrays that a user gives to a network, as rows of it. The files are not trusted.

A picture is decoded only once its size is known; an array is read only once its header and the file's length agree.
Nothing is unpickled. Values are scaled as the network's training data was, and a range that does not fit is named.
"""

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from mlp.data.errors import DamagedDataError, DataError
from mlp.data.formats.npy import read_npy_header
from mlp.data.formats.pictures import START_BYTES, is_picture, read_picture
from mlp.data.stream import MAX_DATA_BYTES, open_regular, promised_bytes, read_exactly
from mlp.data.values.scaling import PIXELS, Scaling


def read_images(
    path: str | Path,
    *,
    features: int,
    dtype: str,
    invert: bool = False,
    scaling: Scaling | None = PIXELS,
    shape: tuple[int, ...] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> np.ndarray:
    """The images at `path` as rows, (n, features), `dtype`, values 0 to 1.

    A PNG or JPEG is one image; its 0..255 become 0..1, see `mlp.data.formats.pictures`. A .npy array is (features,),
    (n, features), (rows, columns) or (n, rows, columns): uint8, scaled by `scaling`, or floats, which are taken as they
    are where they lie in 0..1, and else scaled too. Without a scaling, the network was trained on values as they were:
    floats are taken as they are. `shape`: of the training's images, (rows, columns) or (rows, columns, 3) in colour;
    None for a grey square. `invert`: 1 minus that, for dark on light, where MNIST is light on dark. `say` is called
    with a line on whatever the user may not expect.

    Raises a `DataError`, one line, for any other file.
    """
    path = Path(path)
    with open_regular(path) as file:
        picture = is_picture(file.read(START_BYTES))
        file.seek(0)
        if picture:
            pixels = read_picture(file, where=str(path), features=features, shape=shape, say=say)
            values: np.ndarray[Any, Any] = pixels / np.float64(255)
        else:
            raw = read_npy_rows(file, where=str(path), features=features)
            if raw.dtype.kind != "f" and raw.dtype != np.uint8:
                raise DataError(f"{path}: wanted uint8, 0 to 255, or floats, found {raw.dtype}; convert it")
            values = _scaled(raw, scaling, where=str(path), dtype=dtype, say=say)
        with np.errstate(over="ignore"):  # what is too large for the dtype is found below
            X = np.ascontiguousarray(values, dtype=dtype)
    if not np.isfinite(X).all():
        raise DataError(f"{path}: holds a value that is not finite; remove it")
    if invert:
        X = np.subtract(1, X, dtype=X.dtype)
    if scaling is not None and X.mean(dtype=np.float64) > 0.5:
        say(f"{path}: is mostly light; MNIST is light on dark, so a picture that is dark on light wants --invert")
    return X


def _scaled(
    values: np.ndarray, scaling: Scaling | None, *, where: str, dtype: str, say: Callable[[str], None]
) -> np.ndarray:
    """An array's values as the network takes them. Raises `DataError` for a range that is neither raw nor scaled."""
    if values.dtype == np.uint8:
        scaling = scaling or PIXELS
        if int(values.max()) > scaling.high:
            raise DataError(
                f"{where}: holds {values.max()}, and the network was trained on values of {scaling}; scale it alike"
            )
        return values / np.float64(scaling.high)
    limit = np.finfo(dtype).max
    if scaling is None or not (np.abs(values) <= limit).all():  # what is not finite is found by the caller
        return values
    least, most = float(values.min()), float(values.max())
    if least >= 0 and most <= 1:
        return values
    if least < 0 or most > scaling.high:
        raise DataError(
            f"{where}: its values run from {least:g} to {most:g}; wanted 0 to 1, or {scaling} as the network was "
            f"trained on"
        )
    say(f"{where}: its values run to {most:g}; they are divided by {scaling.high:g}, as those of the training were")
    return values / np.float64(scaling.high)


def read_npy_rows(file: BinaryIO, *, where: str, features: int) -> np.ndarray:
    """The samples in a .npy, (n, `features`), of its dtype. Raises `DataError` for a file that has no such."""
    file_bytes = file.seek(0, 2)
    file.seek(0)
    header = read_npy_header(file, where=where, wanted="numbers", dimensions=4)
    n_values = prod(header.shape)
    data_bytes = promised_bytes(header.shape, header.dtype.itemsize, limit_bytes=MAX_DATA_BYTES, where=where)
    if (held_bytes := file_bytes - header.header_bytes) != data_bytes:
        raise DamagedDataError(f"{where}: the header promises {data_bytes} bytes of data, the file holds {held_bytes}")
    rows = 1 if n_values == features else header.shape[0] if header.shape else 0
    if rows == 0 or rows * features != n_values:
        raise DataError(f"{where}: wanted one image of {features} values, or n of them, found shape {header.shape}")
    values: np.ndarray[Any, Any] = np.frombuffer(read_exactly(file, data_bytes, where=where), dtype=header.dtype)
    return values.reshape(header.shape, order="F" if header.fortran_order else "C").reshape(rows, features)
