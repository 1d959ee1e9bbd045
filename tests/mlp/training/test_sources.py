"""Data sets as people have them: each kind trains to the bits of the plain arrays that it stands for, or is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlp import ArrayBatches, Network, NetworkError
from tests.conftest import parameters_of, same_bits

RANDOM = np.random.default_rng(1)
X = RANDOM.random((23, 4)).astype(np.float32)
LABELS = RANDOM.integers(3, size=23)
Y = np.eye(3, dtype=np.float32)[LABELS]


def trained(data: Any, sizes: tuple[int, ...] = (4, 5, 3), **how: Any) -> list[np.ndarray]:
    network = Network(sizes, **how)
    network.SGD(data, epochs=2, mini_batch_size=5, eta=0.5)
    return parameters_of(network)


class FileOfRows:
    """A data set as HDF5 has it: in chunks, indexed by a slice or by row numbers that rise, and never read whole."""

    chunks = (10, 4)

    def __init__(self, values: np.ndarray) -> None:
        self._values = values
        self.shape, self.dtype = values.shape, values.dtype
        self.most_rows = 0

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, rows: Any) -> np.ndarray:
        if not isinstance(rows, slice):
            assert (np.diff(rows) > 0).all(), "row numbers must rise"
        found = self._values[rows].copy()
        self.most_rows = max(self.most_rows, len(found))
        return found

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise AssertionError("read whole")


def frame(values: np.ndarray) -> Any:
    return pytest.importorskip("pandas").DataFrame(values)


INPUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "double precision": lambda x: x.astype(np.float64),
    "half precision": lambda x: x,
    "columns first": np.asfortranarray,
    "a list": lambda x: x.tolist(),
    "rows of a file": FileOfRows,
    "a frame": frame,
    "read-only": lambda x: np.frombuffer(x.tobytes(), np.float32).reshape(x.shape),
}


@pytest.mark.parametrize("convert", INPUTS.values(), ids=INPUTS.keys())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inputs_of_each_kind_train_to_the_same_bits(convert, dtype):
    assert same_bits(trained((convert(X), Y), dtype=dtype), trained((X.astype(dtype), Y.astype(dtype)), dtype=dtype))


TARGETS: dict[str, Any] = {
    "labels": LABELS,
    "labels of one byte": LABELS.astype(np.uint8),
    "labels in a column": LABELS[:, None],
    "labels of a list": LABELS.tolist(),
    "double precision": Y.astype(np.float64),
    "whole numbers": Y.astype(np.int64),
    "booleans": Y.astype(bool),
    "columns first": np.asfortranarray(Y),
    "rows of a file": FileOfRows(Y),
    "labels of a file": FileOfRows(LABELS),
}


@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS.keys())
def test_targets_of_each_kind_train_to_the_same_bits(y):
    assert same_bits(trained((X, y)), trained((X, Y)))


@pytest.mark.parametrize("shape", [(23,), (23, 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_one_unit_takes_values_in_a_row_or_a_column(shape, dtype):
    y = (LABELS > 0).reshape(shape).astype(dtype)
    wanted = trained((X, (LABELS > 0).reshape(-1, 1).astype(np.float32)), sizes=(4, 5, 1))
    assert same_bits(trained((X, y), sizes=(4, 5, 1)), wanted)


def test_three_rows_of_a_file_are_read_as_three_rows():
    inputs = FileOfRows(X)
    batches = ArrayBatches(Network([4, 3]), inputs, Y)
    inputs.most_rows = 0
    taken, _ = batches.take(np.array([22, 0, 7]))
    assert same_bits([taken], [X[[22, 0, 7]]])
    assert inputs.most_rows == 3


def test_conversion_leaves_the_data_alone():
    inputs, labels = X.astype(np.float64), LABELS.copy()
    trained((inputs, labels))
    assert same_bits([inputs, labels], [X.astype(np.float64), LABELS])


def test_data_on_the_device_is_of_the_network_s_dtype_or_refused(backend):
    if backend.name in ("numpy", "array-api-strict"):
        pytest.skip("needs a device apart that has both dtypes")
    network = Network([4, 3], dtype="float64", backend=backend)
    with pytest.raises(NetworkError, match="X must be float64 where it is on the device; got float32"):
        network.SGD((backend.asarray(X), backend.asarray(Y)), 1, 5, 0.1)


# The classic list of pairs


def column(row: np.ndarray) -> np.ndarray:
    return row.reshape(-1, 1)


def test_classic_pairs_of_columns_are_trained_on_by_the_classic_call():
    pairs = [(column(x), column(y)) for x, y in zip(X, Y, strict=True)]
    network, other = Network([4, 5, 3]), Network([4, 5, 3])
    network.SGD(pairs, 3, 5, 0.5)
    other.SGD((X, Y), epochs=3, mini_batch_size=5, eta=0.5)
    assert same_bits(parameters_of(network), parameters_of(other))


def test_classic_test_data_has_labels(dtype):
    network = Network([4, 5, 3], dtype=dtype)
    tests = [(column(x.astype(np.float64)), int(label)) for x, label in zip(X, LABELS, strict=True)]
    history = network.SGD(zip(map(column, X), map(column, Y), strict=True), 1, 5, 0.5, test_data=tests)
    assert history[0].test_accuracy == network.evaluate(tests) == network.evaluate(X, Y)


def test_two_classic_pairs_are_not_taken_for_two_arrays():
    pairs = [(column(x), column(y)) for x, y in zip(X[:2], Y[:2], strict=True)]
    network, other = Network([4, 5, 3]), Network([4, 5, 3])
    network.SGD(pairs, 1, 1, 0.5)
    other.SGD((X[:2], Y[:2]), 1, 1, 0.5)
    assert same_bits(parameters_of(network), parameters_of(other))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "data must be a pair"),
        (X, "data must be a pair.*numpy.ndarray"),
        ((X, Y, Y), "data must be a pair.*tuple of 3"),
        (None, "data must be a pair.*NoneType"),
        ("mnist", "data must be a pair.*str"),
        ([(X[0], Y[0]), (X[1, :2], Y[1])], "x of pair 1 must be 4 numbers, as that of pair 0; got 2"),
        ([(X[0], "a"), (X[1], "b")], "y of pair 0 must be 1 numbers"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_data_is_refused_with_what_is_wanted(data, message):
    network = Network([4, 5, 3])
    with pytest.raises(NetworkError, match=message) as caught:
        network.SGD(data, 1, 1, 0.5)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("hidden", [0, 1], ids=["x", "y"])
@pytest.mark.parametrize("of", [list, iter], ids=["list", "zip"])
def test_pairs_that_hide_values_are_refused(hidden, of):
    pairs = [(x.reshape(4, 1), y.reshape(3, 1)) for x, y in zip(X, Y, strict=True)]
    masked = [
        tuple(
            np.ma.masked_array(part, mask=np.isclose(part, part[0])) if k == hidden else part
            for k, part in enumerate(pair)
        )
        for pair in pairs
    ]
    network = Network([4, 5, 3])
    before = parameters_of(network)
    with pytest.raises(NetworkError, match=f"{'xy'[hidden]} of pair 0 is a masked array"):
        network.SGD(of(masked), epochs=1, mini_batch_size=5, eta=0.5)
    assert same_bits(parameters_of(network), before)


def test_pair_of_what_is_no_array_is_refused_in_one_line():
    class Unreadable:
        def __array__(self, *_: Any, **__: Any) -> np.ndarray:
            raise RuntimeError("on another device,\nmove it first")

    with pytest.raises(NetworkError, match=r"x of pair 0 must be numbers.*Unreadable.*move it first"):
        Network([4, 5, 3]).SGD([(Unreadable(), Y[0])], epochs=1, mini_batch_size=1, eta=0.5)
