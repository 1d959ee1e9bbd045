"""Arguments that make no network and no training: each has its error, one line that says what to do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend import BackendUnavailable
from mlp import ArrayBatches, ImageBatches, Network, NetworkError, train

X = np.full((6, 4), 0.5, np.float32)
y = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]


def with_value(x: np.ndarray, value: float) -> np.ndarray:
    x = x.copy()
    x[-1, -1] = value
    return x


def network(**more: Any) -> Network:
    return Network([4, 5, 3], **more)


def check(error: type[Exception], message: str, call: Callable[[], Any]) -> None:
    """`call` raises `error` with one short line in which the pattern `message` is found."""
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([784], r"input and at least one layer.*\[784\]"),
        ([], r"at least one layer.*\[\]"),
        ([4, 0, 3], "width must be from 1 .*got 0 at position 1"),
        ([4, 5, -3], "width must be from 1 .*got -3 at position 2"),
        ([4, 5.0, 3], "whole numbers"),
        ([4, "5", 3], "whole numbers"),
        ([4, None], "whole numbers"),
        ("784,10", "whole numbers"),
        ([20, True, 3], "whole numbers"),
        (b"ab", "whole numbers"),
        (bytearray(b"ab"), "whole numbers"),
        ({20: 1, 16: 2}, "whole numbers in order"),
        ({20, 16}, "whole numbers in order"),
        (np.zeros((100, 2)), "whole numbers"),
        (10, "whole numbers"),
        (None, "whole numbers"),
        ([4, float("nan")], "whole numbers"),
        ([4, 2**31], "width must be from 1 to 2147483647; got 2147483648"),
        ([4, 10**100], "width must be from 1 to 2147483647"),
        ([1] * 100_002, "at most 100000 layers"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_sizes_of_no_network_are_refused(sizes, message):
    check(NetworkError, message, lambda: Network(sizes))


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("activation", "swish", "unknown activation 'swish'; choose sigmoid or tanh or relu"),
        ("activation", None, "unknown activation None"),
        ("activation", "softmax", "unknown activation 'softmax'"),
        ("cost", "hinge", "unknown cost 'hinge'; choose quadratic or cross-entropy"),
        ("initialization", "zeros", "unknown initialization 'zeros'; choose normal or scaled"),
        ("dtype", "float16", "unknown dtype 'float16'; choose float32 or float64"),
        ("dtype", "int32", "unknown dtype"),
        ("dtype", np.float32, "unknown dtype"),
        ("momentum", 1.0, "momentum must be at least 0 and below 1; got 1.0"),
        ("momentum", -0.1, "momentum must be"),
        ("momentum", float("nan"), "momentum must be.*nan"),
        ("momentum", float("inf"), "momentum must be.*inf"),
        ("momentum", "0.9", "momentum must be.*'0.9'"),
        ("momentum", None, "momentum must be.*None"),
        ("seed", -1, "seed must be a whole number, 0 or more; got -1"),
        ("seed", 1.5, "seed must be"),
        ("seed", None, "seed must be"),
        ("seed", True, "seed must be a whole number, 0 or more; got True"),
        ("momentum", False, "momentum must be a finite number; got False"),
    ],
)
def test_argument_of_no_network_is_refused(argument, value, message):
    check(NetworkError, message, lambda: network(**{argument: value}))


@pytest.mark.parametrize("name", ["cuda", "", None])
def test_unknown_backend_is_refused(name):
    check(BackendUnavailable, "unknown backend .*; choose numpy or cupy", lambda: network(backend=name))


BAD_BATCHES = {
    "X too wide": (np.zeros((6, 5), np.float32), y, r"X must be \(batch, 4\).*\(6, 5\)"),
    "X of one dimension": (X[0], y, r"X must be \(batch, 4\).*\(4,\)"),
    "X of three dimensions": (X[None], y, r"X must be \(batch, 4\).*\(1, 6, 4\)"),
    "X a number": (3.0, y, r"X must be \(batch, 4\)"),
    "X text": ("abc", y, "X must be"),
    "X of no rows": (X[:0], y[:0], r"X must have at least one row.*\(0, 4\)"),
    "X of double precision": (X.astype(np.float64), y, "X must be float32.*float64.*astype"),
    "X of integers": (X.astype(np.uint8), y, "X must be float32.*uint8"),
    "X of half precision": (X.astype(np.float16), y, "X must be float32.*float16"),
    "X complex": (X.astype(np.complex64), y, "X must be float32.*complex64"),
    "X transposed in memory": (np.asfortranarray(X), y, "X must be row-major.*ascontiguousarray"),
    "X not aligned": (
        np.frombuffer(b"\0" + X.tobytes(), np.float32, X.size, 1).reshape(X.shape),
        y,
        r"got values that do not begin at multiples of 4 bytes; use X\.copy\(\)",
    ),
    "X of another byte order": (X.astype(">f4"), y, "X must be .*byte order"),
    "X a ragged list": ([[1.0, 2.0], [3.0]], y, "X must be"),
    "X masked": (np.ma.masked_array(X, mask=X > 0), y, r"X is a masked array.*X\.filled"),
    "y masked": (X, np.ma.masked_array(y), "y is a masked array"),
    "X with an infinity": (with_value(X, np.inf), y, "X holds a value that is not finite"),
    "X with NaN": (with_value(X, np.nan), y, "X holds a value that is not finite"),
    "X missing": (None, y, "X must be"),
    "y too wide": (X, np.zeros((6, 4), np.float32), r"y must be \(batch, 3\).*\(6, 4\)"),
    "y labels": (X, np.zeros(6, np.float32), r"y must be \(batch, 3\).*\(6,\)"),
    "y of other rows": (X, y[:5], "as many rows; got 6 and 5"),
    "y of double precision": (X, y.astype(np.float64), "y must be float32.*float64"),
    "y transposed in memory": (X, np.asfortranarray(y), "y must be row-major"),
    "y of another byte order": (X, y.astype(">f4"), "y must be .*byte order"),
    "y missing": (X, None, "y must be"),
}
each_bad_batch = pytest.mark.parametrize(("X", "y", "message"), BAD_BATCHES.values(), ids=BAD_BATCHES.keys())


@each_bad_batch
def test_mini_batch_that_does_not_fit_is_refused(X, y, message):
    check(NetworkError, message, lambda: network().update_mini_batch(X, y, eta=1.0))


@each_bad_batch
def test_gradients_of_a_mini_batch_that_does_not_fit_are_refused(X, y, message):
    check(NetworkError, message, lambda: list(network().backprop(X, y)))


@pytest.mark.parametrize("name", [name for name in BAD_BATCHES if name.startswith("X") and "with" not in name])
def test_inputs_that_do_not_fit_are_refused(name):
    X, _, message = BAD_BATCHES[name]
    check(NetworkError, message, lambda: network().feedforward(X))


BAD_DATA = {
    "X too wide": (np.zeros((6, 5), np.float32), y, r"X must be an array \(n, 4\).*\(6, 5\)"),
    "X a ragged list": ([[1.0] * 4, [1.0]], y, "X must be an array.*list"),
    "X of no rows": (X[:0], y[:0], r"X must be an array \(n, 4\).*\(0, 4\)"),
    "X too large for the dtype": (with_value(X.astype(np.float64), 1e300), y, "X holds a value that is not finite"),
    "X of integers": (X.astype(np.uint8), y, "X must be float32.*uint8"),
    "X complex": (X.astype(np.complex64), y, "X must be float32.*complex64"),
    "X of objects": (X.astype(object), y, "X must be float32.*object"),
    "X masked": (np.ma.masked_array(X, mask=X > 0), y, "X is a masked array"),
    "X with NaN": (with_value(X, np.nan), y, "X holds a value that is not finite"),
    "X with infinity": (with_value(X, -np.inf), y, "X holds a value that is not finite"),
    "y with NaN": (X, with_value(y, np.nan), "y holds a value that is not finite"),
    "y of the wrong width": (X, np.eye(4, dtype=np.float32)[[0] * 6], r"y must be an array \(n, 3\).*\(6, 4\)"),
    "y labels": (X, np.zeros(6, np.float32), r"y must be labels of the 3 classes.*got float32 such as 0; use y.astype"),
    "y of other rows": (X, y[:5], "as many rows; got 6 and 5"),
    "y labels beyond the last unit": (X, np.array([0, 1, 2, 3, 0, 0]), "y holds the label 3 in row 3.*labels 0 to 2"),
    "y negative labels": (X, np.array([[0], [1], [-1], [0], [0], [0]]), "y holds the label -1 in row 2"),
    "y text": (X, np.array(["a"] * 6), r"y must be labels of the 3 classes.*got text such as 'a'; number the classes"),
    "y missing": (X, None, "y must be an array.*None"),
}
each_bad_data = pytest.mark.parametrize(("X", "y", "message"), BAD_DATA.values(), ids=BAD_DATA.keys())


@each_bad_data
def test_training_data_that_does_not_fit_is_refused(X, y, message):
    check(NetworkError, message, lambda: network().SGD((X, y), epochs=1, mini_batch_size=2, eta=1.0))


@each_bad_data
def test_test_data_that_does_not_fit_is_refused_before_training(X, y, message):
    net = network()
    before = net.weights[0].copy()
    good = (np.full((6, 4), 0.5, np.float32), np.eye(3, dtype=np.float32)[[0] * 6])
    check(NetworkError, message, lambda: net.SGD(good, epochs=1, mini_batch_size=2, eta=1.0, test_data=(X, y)))
    assert np.array_equal(net.weights[0], before)


@pytest.mark.parametrize("argument", ["training_data", "test_data", "validation_data"])
def test_value_that_is_not_finite_is_named_with_its_argument(argument):
    wrong = X.copy()
    wrong[2, 1] = np.nan
    good = (np.full((6, 4), 0.5, np.float32), np.eye(3, dtype=np.float32)[[0] * 6])
    data = {"training_data": good, argument: (wrong, good[1])}
    message = rf"X .* not finite: row 2, column 1 \(from 0\) of {argument} is NaN; fill it in"
    check(NetworkError, message, lambda: network().SGD(**data, epochs=1, mini_batch_size=2, eta=1.0))


@each_bad_data
def test_data_to_evaluate_that_does_not_fit_is_refused(X, y, message):
    check(NetworkError, message, lambda: network().evaluate(X, y))


def test_value_that_is_not_finite_is_found_in_the_last_rows_of_much_data():
    many = np.zeros((10_000, 4), np.float32)
    many[-1, 0] = np.nan
    targets = np.zeros((10_000, 3), np.float32)
    check(
        NetworkError,
        "X holds a value that is not finite: row 9999, column 0",
        lambda: network().evaluate(many, targets),
    )


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("epochs", 0, "epochs must be a whole number, 1 or more; got 0"),
        ("epochs", -1, "epochs must be"),
        ("epochs", 1.5, "epochs must be"),
        ("epochs", None, "epochs must be"),
        ("epochs", True, "epochs must be"),
        ("mini_batch_size", 7, "mini-batch size must be at most the 6 samples there are; got 7"),
        ("mini_batch_size", 0, "mini-batch size must be a whole number, 1 or more; got 0"),
        ("mini_batch_size", -2, "mini-batch size must be"),
        ("mini_batch_size", 2.0, "mini-batch size must be"),
        ("eta", float("nan"), "eta must be above 0 and finite; got nan"),
        ("eta", float("inf"), "eta must be above 0 and finite"),
        ("eta", 0, "eta must be above 0"),
        ("eta", -3.0, "eta must be above 0"),
        ("eta", "3", "eta must be above 0.*'3'"),
        ("eta", None, "eta must be above 0.*None"),
        ("eta", 10**400, "eta must be above 0.*hundreds of digits"),
        ("eta", 1e45, "eta must be at most 3.4e.38, the largest float32; got 1e.45"),
        ("eta", True, "eta must be above 0.*True"),
    ],
)
def test_training_that_cannot_be_done_is_refused(argument, value, message):
    arguments = {"epochs": 1, "mini_batch_size": 2, "eta": 1.0} | {argument: value}
    check(NetworkError, message, lambda: network().SGD((X, y), **arguments))


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, None])
def test_evaluation_in_batches_of_no_size_is_refused(batch_size):
    check(NetworkError, "batch size must be", lambda: network().evaluate(X, y, batch_size=batch_size))


IMAGES = np.zeros((5, 4), np.uint8)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((5, 6), np.uint8), np.zeros(5, np.uint8), "images have 6 pixels, the network 4 inputs"),
        (IMAGES, np.array([0, 1, 2, 3, 0], np.uint8), "largest label is 3.*at least 4 units; got 3"),
        (IMAGES, np.zeros(5), "labels must be whole numbers from 0 on; got float64"),
        (IMAGES, np.zeros(4, np.uint8), "5 images.*4 labels|as many"),
        (IMAGES, np.array([0, 1, -1, 0, 0]), "label"),
    ],
    ids=["too many pixels", "label out of range", "labels not whole", "too few labels", "label below zero"],
)
def test_images_that_do_not_fit_the_network_are_refused(images, labels, message):
    check(ValueError, message, lambda: [ImageBatches(network(), images, labels).take(slice(0, 5))])


def test_network_that_never_trained_is_left_as_it_was():
    net = network()
    before = [W.copy() for W in net.weights]
    with pytest.raises(NetworkError, match="eta"):
        train(net, ArrayBatches(net, X, y), epochs=1, mini_batch_size=2, eta=float("nan"))
    assert all(np.array_equal(W, old) for W, old in zip(net.weights, before, strict=True))
