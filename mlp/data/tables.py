"""A table, CSV or Parquet, as inputs and targets: numbers as they are, text one-hot. Needs pandas, the extra `tabular`.

The first line of a CSV names its columns; fields are apart by commas, semicolons, tabs or bars. Files are not trusted:
what they may take is bounded by their length, and a Parquet file's by what it says it holds.
"""

import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp.data.columns import MAX_CATEGORIES, MAX_COLUMNS, MAX_NAME, Column
from mlp.data.errors import DamagedDataError, DataError, OversizedDataError
from mlp.data.preparation import Preparation
from mlp.data.prepare import Raw
from mlp.data.reading import Reading
from mlp.data.stream import MAX_DATA_BYTES, open_regular, quoted
from mlp.errors import one_line

_SEPARATORS = ",;\t|"
_HEAD_BYTES = 2**20


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
        raise DataError(f"{where}: say with --target which column is to be told; there are {_listed(table)}")
    _check_there([target, *reading.drop], table, where)
    columns = known.columns if known is not None else None
    if columns is None:
        names = [name for name in table if name != target and name not in reading.drop]
        if not names:
            raise DataError(f"{where}: has no column beside {target!r} to tell it from")
        columns = tuple(_column_of(table[name], str(name), where) for name in names)
    return Raw((inputs_of(table, columns, where), _targets(table[target], target, where)), columns=columns)


def read_table(path: Path) -> Any:
    """The table at `path`, a DataFrame of numbers and text, its columns named once each. Raises a DataError."""
    where = quoted(path)
    pandas = _library("pandas", where)
    with open_regular(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        if size > MAX_DATA_BYTES:
            raise OversizedDataError(
                f"{where}: is {size} bytes long, the limit is {MAX_DATA_BYTES}; give it as X.npy,y.npy",
                promised_bytes=size,
                limit_bytes=MAX_DATA_BYTES,
            )
        try:
            if path.suffix.lower() == ".parquet":
                table = _parquet(file, where)
            else:
                head = file.read(_HEAD_BYTES)
                names = _header(head, where)
                file.seek(0)
                with warnings.catch_warnings():
                    warnings.simplefilter("error")  # of rows that are longer than the header
                    table = pandas.read_csv(
                        file,
                        sep=_separator(head),
                        header=0,
                        names=names,
                        index_col=False,
                        keep_default_na=False,
                        na_values=["", "NaN", "nan", "NA"],
                        low_memory=False,
                        skipinitialspace=True,
                        encoding="utf-8-sig",
                    )
            table.columns = [str(name) for name in table.columns]
            _check_names(list(table.columns), where)
            for name in table:  # text that cannot be decoded is found now
                if not _is_numeric(table[name]):
                    table[name] = table[name].astype(object)
        except (DataError, MemoryError):
            raise
        except Exception as error:  # pandas and pyarrow raise many kinds for damaged files
            reason = one_line(str(error) or type(error).__name__, limit=200)
            raise DamagedDataError(f"{where}: can't be read as a table ({reason}); mend the file") from None
    if not len(table):
        raise DataError(f"{where}: has no row below its header")
    return table


def inputs_of(table: Any, columns: Sequence[Column], where: str) -> NDArray[np.float64]:
    """The inputs (n, inputs) that these columns become. Raises a DataError for a cell that fits none."""
    _check_there([column.name for column in columns], table, where)
    inputs = np.zeros((len(table), sum(len(column.inputs) for column in columns)))
    if inputs.nbytes > 4 * MAX_DATA_BYTES:
        raise OversizedDataError(f"{where}: its categories make {inputs.shape[1]} inputs; leave some out with --drop")
    first = 0
    for column in columns:
        cells = table[column.name]
        _check_filled(cells, column.name, where)
        if column.categories is None:
            inputs[:, first] = _numbers(cells, column.name, where)
            first += 1
        else:
            inputs[np.arange(len(table)), first + _places(cells, column, where)] = 1
            first += len(column.categories)
    return inputs


def _parquet(file: Any, where: str) -> Any:
    parquet = _library("pyarrow.parquet", where).ParquetFile(file)
    facts = parquet.metadata
    held = facts.num_rows * facts.num_columns * 8
    unpacked = max(held, *(facts.row_group(k).total_byte_size for k in range(facts.num_row_groups)), 0)
    if unpacked > MAX_DATA_BYTES:
        raise OversizedDataError(
            f"{where}: holds {unpacked} bytes unpacked, the limit is {MAX_DATA_BYTES}; give it as X.npy,y.npy",
            promised_bytes=unpacked,
            limit_bytes=MAX_DATA_BYTES,
        )
    found = parquet.read(use_threads=False).to_pandas(ignore_metadata=True)
    return found[[name for name in found.columns if not str(name).startswith("__index_level_")]]


def _library(name: str, where: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        package = name.partition(".")[0]
        raise DataError(f"{where}: needs {package}; install mlp-checkpointing[tabular]") from None


def _separator(head: bytes) -> str:
    first = head.partition(b"\n")[0].decode("utf-8", "replace")
    return max(_SEPARATORS, key=first.count)


def _header(head: bytes, where: str) -> list[str]:
    """The names in the first line of a CSV."""
    import csv

    line, newline, _ = head.partition(b"\n")
    if not newline and len(head) == _HEAD_BYTES:
        raise DataError(f"{where}: its first line is longer than {_HEAD_BYTES} bytes; wanted the names of columns")
    text = line.decode("utf-8-sig", "replace").strip("\r\n")
    names = [name.strip() for name in next(csv.reader([text], delimiter=_separator(head)), [])]
    if not names:
        raise DataError(f"{where}: is empty; wanted a table whose first line names its columns")
    if all(_is_number(name) for name in names):
        raise DataError(f"{where}: its first line is numbers; wanted the names of the columns there")
    _check_names(names, where)
    return names


def _check_names(names: list[str], where: str) -> None:
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise DataError(f"{where}: has two columns {twice!r}; name each once")
    if len(names) > MAX_COLUMNS or any(len(name) > MAX_NAME for name in names):
        raise DataError(f"{where}: wanted at most {MAX_COLUMNS} columns, with names of up to {MAX_NAME} characters")


def _check_there(names: Sequence[str], table: Any, where: str) -> None:
    missing = next((name for name in names if name not in table.columns), None)
    if missing is not None:
        raise DataError(f"{where}: has no column {missing!r}; there are {_listed(table)}")


def _check_filled(cells: Any, name: str, where: str) -> None:
    empty = np.array(cells.isna())
    if not _is_numeric(cells):
        empty |= np.array([cell == "" for cell in cells.tolist()], dtype=bool)
    if empty.any():
        raise DataError(
            f"{where}: column {name!r} is empty or NaN in row {int(empty.argmax()) + 1} below the header and in "
            f"{int(empty.sum())} in all; fill them in, or leave the rows or the column (--drop) out"
        )


def _column_of(cells: Any, name: str, where: str) -> Column:
    """The kind of a column: numbers, unless most of its cells are text that is none."""
    _check_filled(cells, name, where)
    if _is_numeric(cells):
        return Column(name)
    texts = cells.astype(str)
    words = texts.unique().tolist()
    numbers = sum(map(_is_number, words))
    if numbers * 2 >= len(words) and numbers:
        return Column(name)  # whose stray text is named where it is read
    if len(words) > MAX_CATEGORIES or len(words) > max(20, len(texts) // 2):
        raise DataError(
            f"{where}: column {name!r} holds {len(words)} different texts in {len(texts)} rows, which are no "
            f"categories; leave it out with --drop {name}"
        )
    return Column(name, tuple(sorted(words)))


def _numbers(cells: Any, name: str, where: str) -> NDArray[np.float64]:
    if _is_numeric(cells):
        values: NDArray[np.float64] = cells.to_numpy(dtype=np.float64)
    else:
        texts = cells.astype(str).tolist()
        wrong = next((k for k, text in enumerate(texts) if not _is_number(text)), None)
        if wrong is not None:
            raise DataError(
                f"{where}: column {name!r}, row {wrong + 1} below the header: {texts[wrong][:40]!r} among numbers; "
                f"mend it, or leave the row or the column (--drop) out"
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
    if _is_numeric(cells):
        found: NDArray[Any] = cells.to_numpy()
        return found
    texts = cells.astype(str).tolist()
    numbers = sum(map(_is_number, texts))
    if 2 * numbers >= len(texts) and len(set(texts)) > 20:
        return _numbers(cells, name, where)  # which names the stray text
    return np.array(texts, dtype=np.str_)


def _is_numeric(cells: Any) -> bool:
    return getattr(cells.dtype, "kind", "O") in "iuf"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return len(text) < 400


def _listed(table: Any) -> str:
    names = [str(name) for name in table.columns]
    return ", ".join(names[:20]) + (f", ... ({len(names)} in all)" if len(names) > 20 else "")
