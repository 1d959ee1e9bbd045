"""A table's columns as inputs and targets: numbers as they are, text one-hot. A cell that fits neither is named."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.nearest import meant
from mlp.data.errors import DataError, OversizedDataError
from mlp.data.formats.table_files import is_number, is_numeric, read_table
from mlp.data.prepare import Raw
from mlp.data.stream import MAX_DATA_BYTES, quoted
from mlp.data.values.columns import MAX_CATEGORIES, Column
from mlp.data.values.preparation import Preparation
from mlp.data.values.reading import Reading


def raw_table(path: Path, *, reading: Reading, known: Preparation | None = None) -> Raw:
    """What the table at `path` holds: (n, inputs) float64, and the targets of the column `reading.target`.

    `known`: what training made of its columns, which must be there then. Raises a DataError, one line.
    """
    where = quoted(path)
    target = reading.target
    if known is not None and (known.columns is None or target is None):
        raise DataError(f"{where}: is a table, and the network was not trained on one; give data as it was trained on")
    table = read_table(path)
    if target is None:
        raise DataError(f"{where}: say with --target which column to predict; there are {_listed(table)}")
    _check_there([target, *reading.drop], table, where)
    columns = known.columns if known is not None else None
    if columns is None:
        names = [name for name in table if name != target and name not in reading.drop]
        if not names:
            raise DataError(f"{where}: has no column beside {target!r} to predict it from")
        columns = tuple(_column_of(table[name], str(name), where) for name in names)
    inputs = inputs_of(table, columns, where, may_drop=known is None)
    return Raw((inputs, _targets(table[target], target, where)), columns=columns)


def inputs_of(table: Any, columns: Sequence[Column], where: str, *, may_drop: bool = False) -> NDArray[np.float64]:
    """The inputs (n, inputs) that these columns become. Raises a DataError for a cell that fits none.

    `may_drop`: whether columns can still be left out, which errors then advise.
    """
    _check_there([column.name for column in columns], table, where)
    inputs = np.zeros((len(table), sum(len(column.inputs) for column in columns)))
    if inputs.nbytes > 4 * MAX_DATA_BYTES:
        raise OversizedDataError(f"{where}: its categories make {inputs.shape[1]} inputs; leave some out with --drop")
    first = 0
    for column in columns:
        cells = table[column.name]
        _check_filled(cells, column.name, where, may_drop=may_drop)
        if column.categories is None:
            inputs[:, first] = _numbers(cells, column.name, where, may_drop=may_drop)
            first += 1
        else:
            inputs[np.arange(len(table)), first + _places(cells, column, where)] = 1
            first += len(column.categories)
    return inputs


def _check_there(names: Sequence[str], table: Any, where: str) -> None:
    missing = next((name for name in names if name not in table.columns), None)
    if missing is not None:
        near = meant(missing, map(str, table.columns))
        raise DataError(f"{where}: has no column {missing!r}; there are {_listed(table)}{near}")


def _check_filled(cells: Any, name: str, where: str, *, may_drop: bool = False) -> None:
    empty = np.array(cells.isna())
    if not is_numeric(cells):
        empty |= np.array([cell == "" for cell in cells.tolist()], dtype=bool)
    if empty.any():
        raise DataError(
            f"{where}: column {name!r} is empty or NaN in row {int(empty.argmax()) + 1} below the header and in "
            f"{int(empty.sum())} in all; fill them in, or leave the rows{' or the column (--drop)' * may_drop} out"
        )


def _column_of(cells: Any, name: str, where: str) -> Column:
    """The kind of a column: numbers, unless most of its cells are text that is none."""
    _check_filled(cells, name, where, may_drop=True)
    if is_numeric(cells):
        return Column(name)
    texts = cells.astype(str)
    words = texts.unique().tolist()
    numbers = sum(map(is_number, words))
    if numbers * 2 >= len(words) and numbers:
        return Column(name)  # whose stray text is named where it is read
    if len(words) > MAX_CATEGORIES or len(words) > max(20, len(texts) // 2):
        raise DataError(
            f"{where}: column {name!r} holds {len(words)} different texts in {len(texts)} rows, which are no "
            f"categories; leave it out with --drop {name}"
        )
    return Column(name, tuple(sorted(words)))


def _numbers(cells: Any, name: str, where: str, *, may_drop: bool = False) -> NDArray[np.float64]:
    if is_numeric(cells):
        values: NDArray[np.float64] = cells.to_numpy(dtype=np.float64)
    else:
        texts = cells.astype(str).tolist()
        wrong = next((k for k, text in enumerate(texts) if not is_number(text)), None)
        if wrong is not None:
            raise DataError(
                f"{where}: column {name!r}, row {wrong + 1} below the header: {texts[wrong][:40]!r} among numbers; "
                f"mend it, or leave the row{' or the column (--drop)' * may_drop} out"
            )
        values = np.array([float(text) for text in texts])
    finite = np.isfinite(values)
    if not finite.all():
        raise DataError(f"{where}: column {name!r} is infinite in row {int(np.argmin(finite)) + 1} below the header")
    return values


def _places(cells: Any, column: Column, where: str) -> NDArray[np.intp]:
    """The number of each cell's category."""
    place = {word: k for k, word in enumerate(column.categories or ())}
    texts = cells.astype(str).tolist()
    wrong = next((k for k, text in enumerate(texts) if text not in place), None)
    if wrong is not None:
        raise DataError(
            f"{where}: column {column.name!r}, row {wrong + 1} below the header: {texts[wrong][:40]!r} is none of the "
            f"{len(place)} categories that the network was trained on"
        )
    return np.array([place[text] for text in texts], dtype=np.intp)


def _targets(cells: Any, name: str, where: str) -> NDArray[Any]:
    _check_filled(cells, name, where)
    if is_numeric(cells):
        found: NDArray[Any] = cells.to_numpy()
        return found
    texts = cells.astype(str).tolist()
    numbers = sum(map(is_number, texts))
    if 2 * numbers >= len(texts) and len(set(texts)) > 20:
        return _numbers(cells, name, where)  # which names the stray text
    return np.array(texts, dtype=np.str_)


def _listed(table: Any) -> str:
    names = [str(name) for name in table.columns]
    return ", ".join(names[:20]) + (f", ... ({len(names)} in all)" if len(names) > 20 else "")
