"""The door for arrays: what cannot be read as it lies is refused, and nothing else reaches a kernel."""

from contextlib import nullcontext
from typing import Any

import array_api_strict
import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from mlp import Network, NetworkError
from mlp.arrays import is_row_major
from mlp.records import Records
from tests.conftest import parameters_of, same_bits

SIZES = [6, 5, 3]
RANDOM = np.random.default_rng(0)


def wide(dtype: str, rows: int = 9) -> np.ndarray:
    return RANDOM.random((rows, 20)).astype(dtype)


def in_structure(X: np.ndarray) -> np.ndarray:
    """`X` as a field of a structured array, whose rows are no whole number of values apart."""
    table = np.zeros(len(X), [("kind", "u1"), ("x", X.dtype, (6,))])
    table["x"] = X[:, :6]
    return table["x"]


def unaligned(X: np.ndarray) -> np.ndarray:
    raw = np.zeros(X[:, :6].nbytes + 1, np.uint8)
    there = raw[1:].view(X.dtype).reshape(len(X), 6)
    there[...] = X[:, :6]
    return there


LAID_OUT = {
    "whole": lambda X: X[:, :6].copy(),
    "some columns": lambda X: X[:, 3:9],
    "every third row": lambda X: X[::3, :6],
    "upside down": lambda X: X[::-1, :6],
    "columns first": lambda X: np.asfortranarray(X[:, :6]),
    "every second column": lambda X: X[:, :12:2],
    "one row": lambda X: X[4:5, :6],
    "one row of every second column": lambda X: X[:1, :12:2],
    "one row, backwards": lambda X: X[:1, 5::-1],
    "one row out of a column": lambda X: X[:6, :1].T,
    "one row with a stride that is no whole number of values": lambda X: in_structure(X)[2:3],
    "a field of a structure": in_structure,
    "rows that overlap": lambda X: as_strided(X, (5, 6), (X.itemsize, X.itemsize)),
    "one row many times": lambda X: np.broadcast_to(X[:1, :6], (9, 6)),
    "unaligned": unaligned,
    "read-only": lambda X: np.frombuffer(X[:, :6].tobytes(), X.dtype).reshape(-1, 6),
    "of a class of arrays": lambda X: X[:, :6].view(np.recarray),
    "other byte order": lambda X: X[:, :6].astype(X.dtype.newbyteorder()),
}


@pytest.mark.parametrize("lay_out", LAID_OUT.values(), ids=LAID_OUT.keys())
def test_array_is_refused_or_read_as_it_is(lay_out, dtype):
    X = lay_out(wide(dtype))
    network, twin = (Network(SIZES, dtype=dtype) for _ in range(2))
    plain = np.array(X, dtype=dtype)
    y = np.eye(3, dtype=dtype)[np.arange(len(X)) % 3]
    try:
        output = network.feedforward(X)
    except NetworkError as error:
        assert "X must be" in str(error)  # noqa: PT017
        with pytest.raises(NetworkError, match="X must be"):
            network.update_mini_batch(X, y, eta=0.5)
    else:
        assert same_bits([output], [twin.feedforward(plain)])
        network.update_mini_batch(X, y, eta=0.5)
        twin.update_mini_batch(plain, y, eta=0.5)
    assert same_bits(parameters_of(network), parameters_of(twin))


@pytest.mark.parametrize("lay_out", LAID_OUT.values(), ids=LAID_OUT.keys())
def test_data_set_may_lie_in_any_way(lay_out, dtype):
    X = lay_out(wide(dtype))
    network, twin = (Network(SIZES, dtype=dtype) for _ in range(2))
    y = np.eye(3, dtype=dtype)[np.arange(len(X)) % 3]
    network.SGD((X, y), epochs=2, mini_batch_size=len(X) // 2 or 1, eta=0.5)
    twin.SGD((np.array(X, dtype=dtype), y.copy()), epochs=2, mini_batch_size=len(X) // 2 or 1, eta=0.5)
    assert same_bits(parameters_of(network), parameters_of(twin))
    assert same_bits([network.predict(X)], [twin.predict(np.array(X, dtype=dtype))])


def test_row_major_is_told_from_all_other_layouts():
    told = {name: is_row_major(lay_out(wide("float32"))) for name, lay_out in LAID_OUT.items()}
    row_major = {
        "whole",
        "some columns",
        "every third row",
        "one row",
        "read-only",
        "of a class of arrays",
        "other byte order",
    }
    assert {name for name, is_so in told.items() if is_so} == row_major


# What is hidden, or not finite


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (8, 5)])
def test_value_that_is_not_finite_is_refused_before_weights_are_touched(value, place, backend, dtype):
    network = Network(SIZES, dtype=dtype, backend=backend, activation="tanh")
    before = parameters_of(network)
    X, y = wide(dtype)[:, :6].copy(), np.eye(3, dtype=dtype)[np.arange(9) % 3]
    X[place] = value
    X, y = backend.asarray(X), backend.asarray(y)
    for train in (
        lambda: network.update_mini_batch(X, y, eta=0.1),
        lambda: list(network.backprop(X, y)),
        lambda: network.SGD((X, y), epochs=1, mini_batch_size=3, eta=0.1),
    ):
        with pytest.raises(NetworkError, match="X holds a value that is not finite"):
            train()
    assert same_bits(parameters_of(network), before)


@pytest.mark.parametrize("by_actions", [False, True])
def test_data_set_that_was_looked_through_is_not_looked_through_in_each_step(by_actions, monkeypatch):
    network, in_program = Network(SIZES), Records.check_inputs
    X, y = wide("float32")[:, :6].copy(), np.eye(3, dtype="float32")[np.arange(9) % 3]
    looked = []
    monkeypatch.setattr("mlp.store.is_finite", lambda *_, **__: looked.append(1) or True)
    monkeypatch.setattr(Records, "check_inputs", lambda *given: looked.append(1) or in_program(*given))
    with network.backend.measure() if by_actions else nullcontext():
        network.SGD((X, y), epochs=2, mini_batch_size=3, eta=0.1)
        assert looked == []
        network.update_mini_batch(X, y, eta=0.1)
    assert looked == [1]


def masked() -> Any:
    return np.ma.masked_array(wide("float32")[:, :6].copy(), mask=False)


Y = np.eye(3, dtype=np.float32)[np.arange(9) % 3]
USES = {
    "feedforward": lambda net, X: net.feedforward(X),
    "backprop": lambda net, X: np.concatenate([gradient.weight.reshape(-1) for gradient in net.backprop(X, Y)]),
    "update_mini_batch": lambda net, X: net.update_mini_batch(X, Y, eta=0.1),
    "SGD": lambda net, X: net.SGD((X, Y), epochs=1, mini_batch_size=3, eta=0.1) and None,
    "evaluate": lambda net, X: net.evaluate(X, Y),
    "mean_cost": lambda net, X: net.mean_cost(X, Y),
    "predict": lambda net, X: net.predict(X),
}
each_use = pytest.mark.parametrize("use", USES.values(), ids=USES.keys())


@each_use
def test_masked_array_is_refused_everywhere(use):
    with pytest.raises(NetworkError, match=r"X is a masked array.*X\.filled"):
        use(Network(SIZES), masked())


# Other libraries


class Sparse:
    """As SciPy's matrices are to whoever looks at them."""

    shape, dtype, nnz = (9, 6), np.dtype("float32"), 3

    def toarray(self) -> np.ndarray:
        return np.zeros(self.shape, self.dtype)


class OnAnotherDevice:
    """As a tensor on a GPU is."""

    shape, dtype = (9, 6), "torch.float32"

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, **_: Any) -> None:
        raise AssertionError("nobody may ask for this memory")


class NotToBeExported(OnAnotherDevice):
    """As a tensor that requires a gradient is: two lines of advice."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0

    def __dlpack__(self, **_: Any) -> None:
        raise RuntimeError("Can't export tensors that require gradient,\nuse tensor.detach()")


class Negated:
    """As PyTorch's `x.conj().imag` is: what it exports has the other sign."""

    shape, dtype = (9, 6), "torch.float32"

    def is_neg(self) -> bool:
        return True

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0

    def __dlpack__(self, **_: Any) -> None:
        raise AssertionError("nobody may take these values")


REFUSED = {
    "sparse": (Sparse(), r"X is sparse \(.*Sparse\).*X\.toarray\(\)"),
    "on a GPU": (OnAnotherDevice(), "OnAnotherDevice.*is on another device than the network's numpy"),
    "not to be exported": (NotToBeExported(), r"X must be an array.*NotToBeExported.*tensor\.detach"),
    "negated where it is read": (Negated(), r"X \(.*Negated\) is negated.*X\.resolve_neg\(\)"),
    "rows that hide values": (list(np.ma.masked_array(np.ones((9, 6)), mask=np.eye(9, 6))), "X is a masked array"),
    "a word": ("pixels", "X must be"),
    "nothing": (None, "X must be"),
    "a number": (3.5, "X must be"),
    "a dictionary": ({"X": 1}, "X must be"),
}


@each_use
@pytest.mark.parametrize(("X", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_array_here_is_refused_in_one_line_everywhere(use, X, message):
    network = Network(SIZES)
    before = parameters_of(network)
    with pytest.raises(NetworkError, match=message) as caught:
        use(network, X)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250
    assert same_bits(parameters_of(network), before)


def strict(X: np.ndarray) -> Any:
    return array_api_strict.asarray(X)


def tensor(X: np.ndarray) -> Any:
    return pytest.importorskip("torch").from_numpy(X)


def jax_array(X: np.ndarray) -> Any:
    return pytest.importorskip("jax").numpy.asarray(X)


@each_use
@pytest.mark.parametrize("convert", [strict, tensor, jax_array])
def test_array_of_another_library_is_taken_as_it_is_everywhere(use, convert):
    X = wide("float32")[:, :6].copy()
    network, twin = Network(SIZES), Network(SIZES)
    found, wanted = ([] if result is None else result for result in (use(network, convert(X)), use(twin, X)))
    assert same_bits([np.asarray(a) for a in np.atleast_1d(found)], [np.asarray(a) for a in np.atleast_1d(wanted)])
    assert same_bits(parameters_of(network), parameters_of(twin))


@each_use
def test_double_precision_tensors_are_data_and_no_mini_batch(use):
    X = strict(wide("float64")[:, :6])
    if use in (USES["SGD"], USES["evaluate"], USES["mean_cost"], USES["predict"]):
        use(Network(SIZES), X)
        return
    with pytest.raises(NetworkError, match=r"X must be float32.*got float64"):
        use(Network(SIZES), X)
