"""Arguments that there are not: named, with the one that was probably meant, before anything else is wrong."""

import re
from collections.abc import Callable
from inspect import signature

import numpy as np
import pytest

from checkpoint import NetworkWithCheckpointing, chain_of, load, plan, simulate
from mlp import Network, NetworkError
from mlp.errors import KeywordError

NET = Network([3, 2])
CHAIN = chain_of([3, 2], batch_size=4)
PAIR = (np.zeros((4, 3)), np.zeros(4, int))

WRONG = {
    "budget": (lambda: NetworkWithCheckpointing([3, 4, 2], budget="1MiB"), "'budget'; did you mean 'budget_bytes'?"),
    "every_nth": (
        lambda: NetworkWithCheckpointing([3, 4, 2], checkpoint_every_nth=2),
        "'checkpoint_every_nth'; did you mean 'checkpoint_every_nth_layer'?",
    ),
    "beside a budget": (
        lambda: NetworkWithCheckpointing([3, 4, 2], budget_bytes=10**6, activations="relu"),
        "NetworkWithCheckpointing has no argument 'activations'; did you mean 'activation'?",
    ),
    "of a plain network": (lambda: Network([3, 2], initialisation="scaled"), "did you mean 'initialization'?"),
    "like nothing": (lambda: Network([3, 2], zzz=1), "'zzz'; it has activation, backend, cost"),
    "of SGD": (lambda: NET.SGD(PAIR, epochs=1, batch_size=2, eta=0.1), "SGD has no argument 'batch_size'"),
    "of plan": (lambda: plan([3, 2], batch_size=4, budget=1), "plan has no argument 'budget'; did you mean 'budget_by"),
    "of load": (lambda: load("a.state", budget="1MiB"), "did you mean 'budget_bytes'?"),
    "widths one by one": (lambda: Network(784, 100, 10), "Network takes sizes by position, all else by name; got 3 th"),
    "of a step": (
        lambda: NET.update_mini_batch(PAIR, 0.1),
        "update_mini_batch needs eta, as in update_mini_batch(X, y, ",
    ),
    "a step's eta by position": (
        lambda: NET.update_mini_batch(*PAIR, 0.1),
        "update_mini_batch takes X, y by position, all else by name; got 3 there",
    ),
    "left out": (lambda: NET.SGD(PAIR, 5), "SGD needs mini_batch_size and eta, as in SGD(training_data, epochs, mini_"),
    "a size left out": (lambda: plan([3, 2]), "plan needs batch_size, as in plan(sizes, batch_size=...)"),
    "X and y apart": (
        lambda: NET.SGD(*PAIR, 5, 2, 0.1),
        "epochs must be a whole number; got numpy.ndarray: training_data is one argument, as in SGD((X, y), epochs=5",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_argument_that_there_is_not_is_named_with_the_nearest(name: str) -> None:
    call, wanted = WRONG[name]
    with pytest.raises(ValueError, match=re.escape(wanted)) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_it_is_python_s_error_too() -> None:
    with pytest.raises(TypeError, match="budget"):
        NetworkWithCheckpointing([3, 2], budget=1)
    with pytest.raises(KeywordError):
        Network([3, 2], nonsense=1)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"activation": "rlu"}, "unknown activation 'rlu'; choose .*; did you mean 'relu'?"),
        ({"cost": "crossentropy", "budget_bytes": 1, "schedule": 3}, "unknown cost 'crossentropy'.*'cross-entropy'"),
        ({"dtype": "float23"}, "did you mean 'float32'"),
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"backend": "cupi"}, "did you mean 'cupy'"),
        ({"optimizer": "adam:beta=0.8"}, "got 'beta=0.8'; did you mean 'beta[12]'"),
    ],
    ids=str,
)
def test_what_is_wrong_by_itself_is_said_before_what_is_missing(given: dict[str, object], wanted: str) -> None:
    with pytest.raises((ValueError, RuntimeError), match=wanted):
        NetworkWithCheckpointing([3, 4, 2], **given)


def test_arguments_are_shown_as_they_are() -> None:
    kinds: list[Callable[..., object]] = [Network.__init__, Network.SGD, plan]
    assert all("arguments" not in signature(kind).parameters for kind in kinds)


@pytest.mark.parametrize(
    ("y", "wanted"),
    [
        (["a", "b", "a", "c"], "text such as 'a'; number the classes, as numpy.unique(y, return_inverse=True)[1] does"),
        (np.array([0.0, 1.0, 2.0, 0.0]), "float64 such as 0; use y.astype(int) where they are labels"),
        (np.array([[0.5], [1], [2], [0]]), "float64 such as 0.5"),
    ],
    ids=["text", "floats", "column"],
)
def test_labels_that_are_none_say_which_are(y: object, wanted: str) -> None:
    net = Network([3, 4, 3])
    with pytest.raises(NetworkError) as caught:
        net.SGD((np.zeros((4, 3)), y), epochs=1, mini_batch_size=2, eta=0.1)
    assert "y must be labels of the 3 classes, whole numbers 0 to 2 (n,), or rows (n, 3)" in str(caught.value)
    assert wanted in str(caught.value)


@pytest.mark.parametrize("y", [np.zeros(4, int), np.zeros(4, "float32"), np.zeros((4, 1), int)])
def test_a_step_says_that_it_wants_one_hot_rows(y: np.ndarray) -> None:
    net, X = Network([3, 4, 3]), np.zeros((4, 3), "float32")
    with pytest.raises(NetworkError, match=r"one-hot one; got shape .*numpy.eye\(3, dtype='float32'\)\[labels\]"):
        net.update_mini_batch(X, y, eta=0.1)
    net.update_mini_batch(X, np.eye(3, dtype="float32")[y.reshape(-1).astype(int)], eta=0.1)


NET_3 = Network([3, 4, 2])


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda: NET_3.predict(np.zeros(3)), "got (3,); one sample is X.reshape(1, -1)"),
        (lambda: NET_3.predict(np.zeros((3, 5))), "got (3, 5); give X.T"),
        (lambda: NET_3.SGD((np.zeros((4, 3)), [1, 2, 1, 2]), 1, 2, 0.1), "for labels 0 to 1; number them from 0"),
        (lambda: simulate(plan([3, 2], batch_size=4, budget_bytes=1000), CHAIN), "; give its .schedule"),
    ],
    ids=["one sample", "columns", "labels from 1", "a plan"],
)
def test_what_is_nearly_right_comes_with_what_makes_it_so(call: Callable[[], object], wanted: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wanted)):
        call()
