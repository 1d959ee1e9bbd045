"""From what a file holds to a data set: targets read, parts split off, values looked through, scaling fitted.

Knows no formats: arrays in memory, mapped or read by rows come in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp.data.dataset import Dataset, Samples
from mlp.data.errors import DataError
from mlp.data.values.column_scaling import FITTED, ColumnScaling, fitted, said_of_constants
from mlp.data.values.columns import Column, names_of
from mlp.data.values.preparation import Preparation
from mlp.data.values.ranges import check_range, said_of_range
from mlp.data.values.reading import Reading
from mlp.data.values.scaling import PIXELS, Scaling, scaling_of_bytes
from mlp.data.values.split import split_rows
from mlp.data.values.survey import Survey, check_finite, digest_of, row_blocks, survey
from mlp.data.values.targets import Labels, Targets, targets_of

WIDE = 30
"""Inputs of a larger magnitude are too large for common learning rates, which is said."""


@dataclass(frozen=True, eq=False)
class Raw:
    """What a file holds: pairs of inputs (n, ...) and targets, to train and maybe to test with; the table's columns.

    `in_file`: whether the inputs are read from the file as they are needed, and not held.
    """

    train: tuple[Any, Any]
    test: tuple[Any, Any] | None = None
    columns: tuple[Column, ...] | None = None
    in_file: bool = False


def prepared(
    raw: Raw,
    *,
    name: str,
    reading: Reading | None = None,
    known: Preparation | None = None,
    trained_digest: str | None = None,
    notice: str | None = None,
) -> Dataset:
    """The data set of `raw`, called `name`, checked. Arrays that fit are not copied.

    `known`: how the data of a network was prepared, in place of `reading`; then classes and scaling are that network's.
    `trained_digest`: the digest of the data that it was trained on; of any other file that has no test part, all rows
    are then to test with. Raises `DataError`, which begins with `name`.
    """
    reading = known.reading if known is not None else reading or Reading()
    parts = [raw.train] if raw.test is None else [raw.train, raw.test]
    labels = ["train", "test"] if raw.test is not None else [""]
    noun = "images" if all(X.dtype == np.uint8 for X, _ in parts) else "inputs"
    begun = [f"{name}: {label} " if label else f"{name}: " for label in labels]
    where, places, targets_where = ([begin + what for begin in begun] for what in (noun, "labels", "targets"))
    inputs = [_inputs(X, place) for (X, _), place in zip(parts, where, strict=True)]
    shape = _one_shape([X for X, _ in parts], where)
    classes, targets = targets_of(
        [np.asanyarray(y) for _, y in parts],
        where=places,
        kind="values" if known is not None and known.classes is None else reading.targets,
        known=None if known is None else known.classes,
    )
    for X, y, label in zip(inputs, targets, labels, strict=True):
        if len(X) != len(y):
            label = f"{label} " if label else ""
            raise DataError(
                f"{name}: {len(X)} {label}{noun} but {len(y)} {label}labels; wanted one label for each of the {noun}"
            )
    columns = raw.columns if known is None else raw.columns or known.columns
    found = Preparation(inputs[0].shape[1], targets[0].width, shape, classes, None, None, reading)
    if known is not None:
        _check_like(found, known, name)
    names = names_of(raw.columns) if raw.columns is not None else ()

    def seen_by(training: NDArray[np.intp] | None) -> Survey | None:
        pairs = [(X, y.stored) for X, y in zip(inputs, targets, strict=True)]
        return _seen(raw, reading, pairs, training, where, targets_where, names)

    if known is None:
        train, test, validation = _parts(inputs, targets, reading, name)
        seen = seen_by(train.rows)
    else:  # its scaling stands, so the pass can come before the parts
        seen = seen_by(None)
        digest = seen.digest if seen is not None else _digest(raw, inputs, targets)
        if raw.test is None and trained_digest is not None and digest != trained_digest:
            train = test = Samples(inputs[0], targets[0])
            validation = None
        else:
            train, test, validation = _parts(inputs, targets, reading, name)
    scaling, said = _scaling(inputs, reading, known, seen, names, name)
    span = (seen.least, seen.most) if seen is not None else None
    notes = [note for note in (notice, *(note.format(name=name) for note in said)) if note]
    return Dataset(
        train,
        test,
        name,
        replace(found, scaling=scaling, columns=columns, span=span if known is None else known.span),
        notice="; ".join(notes) or None,
        validation=validation,
        finite=seen is not None or inputs[0].dtype.kind in "iub",
        largest=_largest(scaling, seen),
        given_digest=seen.digest if seen is not None else "" if raw.in_file else None,
    )


def _digest(raw: Raw, inputs: list[Any], targets: list[Targets]) -> str:
    """The digest where no pass was made: of arrays in memory; "" of a file, which is not read for it alone."""
    return "" if raw.in_file else digest_of([a for X, y in zip(inputs, targets, strict=True) for a in (X, y.stored)])


def _inputs(X: Any, where: str) -> Any:
    """(n, features), numbers, read-only where it is an array."""
    if X.ndim == 1 and X.dtype != np.uint8:
        X = X.reshape(-1, 1)
    if not 2 <= X.ndim <= 4:
        raise DataError(f"{where}: wanted (n, features), or images (n, rows, columns), found shape {tuple(X.shape)}")
    if X.dtype.kind not in "fiub":
        raise DataError(f"{where}: wanted numbers, found {X.dtype}; convert them first")
    if 0 in X.shape:
        remedy = "; leave the test part out" if where.rpartition(": ")[2].startswith("test ") and len(X) == 0 else ""
        raise DataError(
            f"{where}: there are none, shape {tuple(X.shape)}; wanted at least one value of one row{remedy}"
        )
    if not isinstance(X, np.ndarray):
        return X.flat()  # read by rows
    if X.ndim > 2 and not X.flags.c_contiguous:
        if isinstance(X, np.memmap):
            raise DataError(f"{where}: wanted images in C order, to be mapped as they are; write them so")
        X = np.ascontiguousarray(X)
    view = X.reshape(len(X), -1) if X.ndim > 2 else X.view()
    view.flags.writeable = False
    return view


def _one_shape(arrays: Sequence[Any], where: Sequence[str]) -> tuple[int, ...]:
    """The shape of one sample, which is that of both parts."""
    shapes = [tuple(int(size) for size in X.shape[1:]) or (1,) for X in arrays]
    if len(set(shapes)) > 1:
        raise DataError(f"{where[0]} are {shapes[0]}, {where[1].rpartition(': ')[2]} {shapes[1]}; wanted the same size")
    return shapes[0]


def _check_like(found: Preparation, known: Preparation, name: str) -> None:
    if (found.features, found.outputs) != (known.features, known.outputs):
        raise DataError(
            f"{name}: has inputs and outputs {found.features, found.outputs}, and the network was trained on "
            f"{known.features, known.outputs}; give data of that shape"
        )


def _parts(
    inputs: list[Any], targets: list[Targets], reading: Reading, name: str
) -> tuple[Samples, Samples, Samples | None]:
    """Samples to train with, to test with, and to validate with."""
    rows: NDArray[np.intp] | None = None
    validation = None
    numbers = targets[0].numbers(slice(None)) if isinstance(targets[0], Labels) and len(targets[0]) < 2**20 else None
    try:
        if len(inputs) == 1:
            rows, out = split_rows(len(inputs[0]), reading.test, seed=reading.seed, labels=numbers)
            test = Samples(inputs[0], targets[0], out)
        else:
            test = Samples(inputs[1], targets[1])
        if reading.validation:
            left = len(inputs[0]) if rows is None else rows
            of_rows = numbers if numbers is None or rows is None else numbers[rows]
            rows, out = split_rows(left, reading.validation, seed=reading.seed, labels=of_rows)
            validation = Samples(inputs[0], targets[0], out)
    except DataError as error:
        raise DataError(f"{name}: {error}; change --test or --validation, or give more rows") from None
    return Samples(inputs[0], targets[0], rows), test, validation


def _seen(
    raw: Raw,
    reading: Reading,
    pairs: list[tuple[Any, Any]],
    training: NDArray[np.intp] | None,
    where: list[str],
    targets_where: list[str],
    names: Sequence[str],
) -> Survey | None:
    """What the pass over the data finds; None where none is needed: images of bytes in memory, or on request."""
    if raw.in_file and reading.skip_pass:
        return None
    if not raw.in_file and pairs[0][0].dtype == np.uint8 and reading.scale not in FITTED:
        for (_, y), place in zip(pairs, targets_where, strict=True):
            check_finite(y.reshape(len(y), -1), where=place)
        return None
    return survey(pairs, training=training, where=where, targets_where=targets_where, names=names)


def _scaling(
    inputs: list[Any], reading: Reading, known: Preparation | None, seen: Survey | None, names: Sequence[str], name: str
) -> tuple[Scaling | ColumnScaling | None, list[str]]:
    """The scaling, and what is to be said of it, with {name} for the data set's name."""
    if known is not None:
        return known.scaling, _range_alike(inputs, known, seen, name)
    if reading.scale in FITTED and seen is not None:
        kind = str(reading.scale)
        columns = names or [f"column {k}" for k in range(inputs[0].shape[1])]
        said = said_of_constants(kind, seen.statistics, columns)
        try:
            by_columns = fitted(kind, seen.statistics, names=names)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
        return by_columns, [said.replace("{", "{{").replace("}", "}}")] if said else []
    if reading.scale == "255":
        return PIXELS, []
    if reading.scale is None and all(X.dtype == np.uint8 for X in inputs):
        scaling = _of_bytes(inputs, reading, seen)
        if scaling == PIXELS:
            return scaling, []
        return scaling, [f"pixels of {{name}} run from {scaling}, and are divided by {scaling.high:g} and not by 255"]
    if reading.scale is None and seen is not None and max(abs(seen.least), abs(seen.most)) > WIDE:
        return None, [
            f"inputs of {{name}} run from {seen.least:g} to {seen.most:g} and are taken as they are; --scale standard "
            f"makes them alike"
        ]
    return None, []


def _of_bytes(inputs: list[Any], reading: Reading, seen: Survey | None) -> Scaling:
    """The range of images of bytes."""
    if seen is not None:
        return scaling_of_bytes(int(seen.most))
    return PIXELS if reading.skip_pass else scaling_of_bytes(max(_most(X) for X in inputs))


def _range_alike(inputs: list[Any], known: Preparation, seen: Survey | None, name: str) -> list[str]:
    """What is to be said of a range unlike that of the training. Raises `DataError` for images of another range."""
    of_bytes = all(X.dtype == np.uint8 for X in inputs)
    if seen is not None:
        span = seen.least, seen.most
    elif known.reading.skip_pass or not of_bytes:
        return []
    else:
        span = 0.0, float(max(_most(X) for X in inputs))
    check_range(span, known, name=name, of_bytes=of_bytes)
    said = said_of_range(span, known, name="{name}", values=sum(X.shape[0] * X.shape[1] for X in inputs))
    return [said] if said else []


def _most(X: Any) -> int:
    return max(int(X[rows].max()) for rows in row_blocks(X))


def _largest(scaling: Scaling | ColumnScaling | None, seen: Survey | None) -> float:
    """The largest magnitude of an input once scaled, as far as it is known."""
    if seen is None or isinstance(scaling, ColumnScaling):
        return 1.0
    return max(abs(seen.least), abs(seen.most)) / (1.0 if scaling is None else scaling.high)
