"""Samples that a user asks a trained network about, as rows of inputs, prepared as its training data was.

The files are not trusted: pictures, .npy arrays and tables, each read within bounds.
"""

from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp.arrays import is_masked
from mlp.data.errors import DataError
from mlp.data.formats.pictures import START_BYTES, is_picture, read_picture
from mlp.data.images import read_images, read_npy_rows
from mlp.data.kinds import LOOKED_AT_BYTES, TABLES, said_of, what_is_in
from mlp.data.stream import open_regular, quoted
from mlp.data.values.column_scaling import ColumnScaling
from mlp.data.values.preparation import Preparation
from mlp.data.values.ranges import said_of_range
from mlp.data.values.scaling import Scaling

_WANTED = "give a PNG or JPEG, a .npy, or a table that ends in .csv, .tsv or .parquet"


def read_unlabelled(
    path: str | Path,
    *,
    features: int,
    dtype: str,
    preparation: Preparation | None,
    scaling: Scaling | None,
    invert: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> NDArray[Any]:
    """The samples at `path` as rows, (n, features), `dtype`, scaled as those of the training were.

    `preparation`: how the training data was prepared, None where the saved state does not say; then `scaling`, that of
    images of bytes, or None, is all there is. A table must have the columns of the training's; its target may be there.
    For the rest see `mlp.data.images.read_images`. Raises a `DataError`, one line.
    """
    path = Path(path)
    is_table = path.suffix.lower() in TABLES
    with open_regular(path) as file:
        kind = what_is_in(file.read(LOOKED_AT_BYTES))
    if not is_table and kind not in ("picture", "npy") and (kind is not None or path.suffix.lower() != ".npy"):
        raise DataError(f"{said_of(path, kind)}; {_WANTED}")
    if kind == "picture" and preparation is not None and preparation.columns is not None:
        raise DataError(f"{quoted(path)}: is a picture, and the network was trained on a table; give one, or a .npy")
    if is_table:
        if invert:
            raise DataError(f"{quoted(path)}: is a table, and --invert is for pictures; leave it out")
        rows = _table(path, preparation)
    elif preparation is None or preparation.pixels is not None:
        shape = None if preparation is None else preparation.shape
        return read_images(path, features=features, dtype=dtype, invert=invert, scaling=scaling, shape=shape, say=say)
    else:
        rows = _raw(path, preparation, invert=invert, say=say)
    if preparation is not None and (said := _said_of_range(rows, preparation, str(path))):
        say(said)
    return _scaled(rows, preparation.scaling if preparation is not None else None, dtype, quoted(path))


def _said_of_range(rows: NDArray[Any], preparation: Preparation, name: str) -> str:
    span = float(rows.min()), float(rows.max())
    return said_of_range(span, preparation, name=name, values=rows.size) if isfinite(sum(span)) else ""


def as_trained_on(X: Any, preparation: Preparation, *, dtype: str) -> NDArray[Any]:
    """`X` as the training data was prepared: (n, features), `dtype`, scaled, of categories made columns.

    `X`: raw numbers (n, features), or a DataFrame that has the columns of the table trained on. Raises a `DataError`.
    """
    if preparation.columns is not None and hasattr(X, "columns"):
        from mlp.data.formats.tables import inputs_of

        raw: NDArray[Any] = inputs_of(X, preparation.columns, "X")
    else:
        if is_masked(X):
            raise DataError("X: is a masked array, and what it hides would be used; give X.filled(...)")
        raw = np.asarray(X)
        if raw.ndim != 2 or raw.shape[1] != preparation.features or raw.dtype.kind not in "fiub":
            raise DataError(
                f"X: wanted raw numbers (n, {preparation.features}), as the network was trained on; found "
                f"{raw.dtype} of shape {raw.shape}"
            )
    return _scaled(raw, preparation.scaling, dtype, "X")


def _raw(path: Path, preparation: Preparation, *, invert: bool, say: Callable[[str], None]) -> NDArray[Any]:
    """The values of a picture or an array as they are."""
    with open_regular(path) as file:
        picture = is_picture(file.read(START_BYTES))
        file.seek(0)
        features = preparation.features
        if not picture:
            if invert:
                raise DataError(f"{quoted(path)}: is an array of no images, and --invert is for those; leave it out")
            return read_npy_rows(file, where=str(path), features=features)
        pixels = read_picture(file, where=str(path), features=features, shape=preparation.shape, say=say)
    return 255 - pixels if invert else pixels


def _table(path: Path, preparation: Preparation | None) -> NDArray[np.float64]:
    if preparation is None or preparation.columns is None:
        raise DataError(f"{quoted(path)}: is a table, and the network was not trained on one; give a .npy")
    from mlp.data.formats.table_files import read_table  # loads pandas
    from mlp.data.formats.tables import inputs_of

    return inputs_of(read_table(path), preparation.columns, quoted(path))


def _scaled(raw: NDArray[Any], by: Scaling | ColumnScaling | None, dtype: str, where: str) -> NDArray[Any]:
    X = np.empty(raw.shape, dtype)
    with np.errstate(over="ignore"):
        if isinstance(by, ColumnScaling):
            by.apply(raw, X)
        else:
            X[...] = raw if by is None else raw / by.high
    if not np.isfinite(X).all():
        row, column = (int(place[0]) for place in np.nonzero(~np.isfinite(X)))
        raise DataError(f"{where}: row {row} (from 0), column {column} is not finite as {dtype}; mend it")
    return X
