"""A table in a file, CSV or Parquet, as a DataFrame of numbers and text. Needs pandas and pyarrow, the extra `tabular`.

The first line of a CSV names its columns; fields are apart by commas, semicolons, tabs or bars. Files are not trusted:
what they may take is bounded by their length, and a Parquet file's by what it says it holds.
"""

import csv
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from mlp.data.errors import DamagedDataError, DataError, OversizedDataError
from mlp.data.stream import MAX_DATA_BYTES, open_regular, quoted
from mlp.data.values.columns import MAX_COLUMNS, MAX_NAME
from mlp.errors import one_line

_SEPARATORS = ",;\t|"
_HEAD_BYTES = 2**20


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
                if not is_numeric(table[name]):
                    table[name] = table[name].astype(object)
        except (DataError, MemoryError):
            raise
        except Exception as error:  # pandas and pyarrow raise many kinds for damaged files
            reason = one_line(str(error) or type(error).__name__, limit=200)
            raise DamagedDataError(f"{where}: can't be read as a table ({reason}); mend the file") from None
    if not len(table):
        raise DataError(f"{where}: has no row below its header")
    return table


def _parquet(file: Any, where: str) -> Any:
    parquet = _library("pyarrow.parquet", where).ParquetFile(file)
    facts = parquet.metadata
    held = facts.num_rows * facts.num_columns * 8
    unpacked = max(held, sum(facts.row_group(k).total_byte_size for k in range(facts.num_row_groups)))
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
        raise DataError(f"{where}: needs {package}; pip install 'mlp-checkpointing[tabular]'") from None


def _separator(head: bytes) -> str:
    first = head.partition(b"\n")[0].decode("utf-8", "replace")
    return max(_SEPARATORS, key=first.count)


def _header(head: bytes, where: str) -> list[str]:
    """The names in the first line of a CSV."""
    line, newline, _ = head.partition(b"\n")
    if not newline and len(head) == _HEAD_BYTES:
        raise DataError(f"{where}: its first line is longer than {_HEAD_BYTES} bytes; wanted the names of columns")
    text = line.decode("utf-8-sig", "replace").strip("\r\n")
    names = [name.strip() for name in next(csv.reader([text], delimiter=_separator(head)), [])]
    if not names:
        raise DataError(f"{where}: is empty; wanted a table whose first line names its columns")
    if all(is_number(name) for name in names):
        raise DataError(f"{where}: its first line is numbers; wanted the names of the columns there")
    _check_names(names, where)
    return names


def _check_names(names: list[str], where: str) -> None:
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise DataError(f"{where}: has two columns {twice!r}; name each once")
    if len(names) > MAX_COLUMNS or any(len(name) > MAX_NAME for name in names):
        raise DataError(f"{where}: wanted at most {MAX_COLUMNS} columns, with names of up to {MAX_NAME} characters")


def is_numeric(cells: Any) -> bool:
    return getattr(cells.dtype, "kind", "O") in "iuf"


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return len(text) < 400
