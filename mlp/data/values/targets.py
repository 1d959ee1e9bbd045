"""What a data set's targets say: classes by their labels, or values. Knows no files and no networks.

Labels are whole numbers, truth values, text, or rows with one 1 among zeros; (n, 1) is (n,). Values are floats, a
column for each output. Which of the two is meant follows from the type, unless the user says it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp.data.errors import DataError

MAX_CLASSES = 10_000
"""More different labels are no classes, but values or the numbers of the rows."""

BLOCK_ROWS = 2**18
"""Rows of labels that are looked at at a time."""

Name = int | str
"""What a class is called: its label."""

Rows = slice | NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Labels:
    """One class for each row. `stored` (n,) are whole numbers; class k is called k, or `values[k]`, which ascend."""

    stored: Any
    n_classes: int
    values: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def width(self) -> int:
        """The outputs that predict them."""
        return self.n_classes

    def numbers(self, rows: Rows) -> NDArray[Any]:
        """The class of each of these rows, 0 to n_classes - 1."""
        stored: NDArray[Any] = np.asarray(self.stored[rows])
        return stored if self.values is None else np.searchsorted(self.values, stored)


@dataclass(frozen=True, eq=False)
class Values:
    """Numbers (n, outputs) for each row: of a regression, or one-hot rows where the data set has classes."""

    stored: Any

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def width(self) -> int:
        """The outputs that predict them."""
        return int(self.stored.shape[1])


Targets = Labels | Values


def targets_of(
    arrays: Sequence[Any], *, where: Sequence[str], kind: str | None, known: tuple[Name, ...] | None
) -> tuple[tuple[Name, ...] | None, list[Targets]]:
    """The names of the classes, None where the targets are values, and the targets of each part of a data set.

    `arrays`: (n,) or (n, outputs), on the host or mapped, `where` they are from. `kind`: "classes", "values", or None,
    where the types decide. `known`: the classes that a network has; others are refused then. Raises `DataError`.
    """
    arrays = [_column(y, place) for y, place in zip(arrays, where, strict=True)]
    if all(y.ndim == 2 for y in arrays):
        return _of_matrices(arrays, where, kind, known)
    if any(y.ndim == 2 for y in arrays):
        raise DataError(f"{where[0]}: wanted targets of one width in all parts, found {[y.shape for y in arrays]}")
    if kind == "values" or (kind is None and known is None and all(y.dtype.kind == "f" for y in arrays)):
        return None, [Values(_numbers(y, place).reshape(-1, 1)) for y, place in zip(arrays, where, strict=True)]
    labels = [_labels(y, place, may_choose=known is None) for y, place in zip(arrays, where, strict=True)]
    if known is not None and all(isinstance(name, str) for name in known):
        labels = [y if y.dtype.kind == "U" else y.astype(np.str_) for y in labels]
    if len({y.dtype.kind == "U" for y in labels}) > 1:
        raise DataError(f"{where[0]}: labels are text in one part and numbers in another; wanted one of the two")
    if known is None:
        found = sorted(set().union(*(_different(y, place) for y, place in zip(labels, where, strict=True))))
        known = _names(found, where[0])
    made: list[Targets] = [_numbered(y, known, place) for y, place in zip(labels, where, strict=True)]
    return known, made


def blocks(n_rows: int, rows: int = BLOCK_ROWS) -> Iterator[slice]:
    """All of `n_rows` rows, in order, so many at a time."""
    return (slice(start, min(start + rows, n_rows)) for start in range(0, n_rows, rows))


def _column(y: Any, where: str) -> Any:
    """(n,) for (n, 1); any other shape as it is, once found to be one of targets."""
    if y.ndim not in (1, 2) or 0 in y.shape[1:]:
        raise DataError(f"{where}: wanted shape (n,), or (n, outputs), found {tuple(y.shape)}")
    return y.reshape(-1) if y.ndim == 2 and y.shape[1] == 1 else y


def _numbers(y: Any, where: str) -> Any:
    if y.dtype.kind not in "fiub":
        raise DataError(f"{where}: wanted numbers, found {_shown_dtype(y)}, which names classes and no values")
    return y


def _labels(y: Any, where: str, *, may_choose: bool) -> Any:
    """(n,) whole numbers or text; mapped ones stay so."""
    if y.dtype.kind in "SUTO":
        return np.array([t.decode("utf-8", "replace") if isinstance(t, bytes) else str(t) for t in y.tolist()])
    if y.dtype.kind == "b":
        return np.asarray(y).astype(np.uint8)
    if y.dtype.kind == "f":
        for rows in blocks(len(y)):
            part = np.asarray(y[rows])
            whole = np.isfinite(part) & (np.floor(part) == part) & (np.abs(part) < 2**53)
            if not whole.all():
                k = int(np.argmin(whole))
                values = ", or --targets values" if may_choose else ", as the network was trained on classes"
                raise DataError(
                    f"{where}: row {rows.start + k} is {part[k]:g}, which names no class; wanted whole numbers or "
                    f"text{values}"
                )
        return np.asarray(y).astype(np.int64)
    if y.dtype.kind not in "iu":
        raise DataError(f"{where}: wanted whole numbers, text or floats, found {_shown_dtype(y)}; convert them first")
    return y


def _different(y: Any, where: str) -> set[Name]:
    """The different labels, as few as classes are."""
    found: set[Name] = set()
    for rows in blocks(len(y)):
        found |= set(np.unique(np.asarray(y[rows])).tolist())
        if len(found) > MAX_CLASSES:
            raise DataError(
                f"{where}: holds more than {MAX_CLASSES} different labels; for a regression on whole numbers give "
                f"--targets values"
            )
    return found


def _names(found: list[Any], where: str) -> tuple[Name, ...]:
    """The classes of these labels. Numbers from 0 on of which half or more are there are all classes."""
    if isinstance(found[0], str):
        long = next((name for name in found if len(name) > 200 or not name.isprintable()), None)
        if long is not None:
            raise DataError(f"{where}: the label {long[:60]!r} is no name; wanted printable text, up to 200 characters")
        return tuple(found)
    if found[-1] >= 2**63:
        raise DataError(f"{where}: holds the label {found[-1]}; wanted whole numbers below 2**63")
    if found[0] == 0 and found[-1] < 2 * len(found):
        return tuple(range(found[-1] + 1))
    return tuple(found)


def _numbered(y: Any, names: tuple[Name, ...], where: str) -> Labels:
    """The labels by the numbers of their classes; mapped labels stay in the file."""
    values = np.array(names)
    n = len(names)
    in_order = values.dtype.kind in "iu" and bool((values == np.arange(n)).all())
    mapped = isinstance(y, np.memmap)
    small = np.min_scalar_type(n - 1)
    numbers = None if mapped else np.empty(len(y), small)
    if (values.dtype.kind == "U") != (y.dtype.kind == "U"):
        raise DataError(f"{where}: wanted labels of the classes {_listed(names)}; found {_shown_dtype(y)}")
    for rows in blocks(len(y)):
        part = np.asarray(y[rows])
        places = np.minimum(np.searchsorted(values, part), n - 1)
        wrong = values[places] != part
        if wrong.any():
            k = int(wrong.argmax())
            raise DataError(
                f"{where}: row {rows.start + k} has the label {part[k]!s}, which is none of the classes "
                f"{_listed(names)}; leave that row out, or train with it"
            )
        if numbers is not None:
            numbers[rows] = places
    if numbers is not None:
        return Labels(numbers, n)
    return Labels(y, n, None if in_order else values.astype(np.int64))


def _of_matrices(
    arrays: list[Any], where: Sequence[str], kind: str | None, known: tuple[Name, ...] | None
) -> tuple[tuple[Name, ...] | None, list[Targets]]:
    """Matrices (n, outputs): one-hot classes, or values."""
    widths = {y.shape[1] for y in arrays}
    if len(widths) > 1:
        raise DataError(f"{where[0]}: wanted targets of one width in all parts, found {sorted(widths)}")
    width = widths.pop()
    made: list[Targets] = [Values(_numbers(y, place)) for y, place in zip(arrays, where, strict=True)]
    if kind == "values":
        return None, made
    if known is not None and len(known) != width:
        raise DataError(f"{where[0]}: has {width} columns of targets, and the network {len(known)} classes")
    for y, place in zip(arrays, where, strict=True):
        wrong = _not_one_hot(y)
        if wrong is not None and (kind == "classes" or known is not None):
            values = "; or give --targets values" if known is None else ", as the network was trained on classes"
            raise DataError(f"{place}: row {wrong} names no class: wanted one 1 among zeros{values}")
        if wrong is not None:
            return None, made
    return known or tuple(range(width)), made


def _not_one_hot(y: Any) -> int | None:
    """The first row that is not one 1 among zeros."""
    for rows in blocks(len(y), max(1, BLOCK_ROWS // y.shape[1])):
        part = np.asarray(y[rows])
        fits = ((part == 0) | (part == 1)).all(axis=1) & ((part == 1).sum(axis=1) == 1)
        if not fits.all():
            return int(rows.start + np.argmin(fits))
    return None


def _listed(names: tuple[Name, ...]) -> str:
    return ", ".join(str(name) for name in names[:8]) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")


def _shown_dtype(y: Any) -> str:
    return "text" if y.dtype.kind in "SUTO" else str(y.dtype)
