"""Estimators on ranks, on threads that deliver late: the attributes of a fit in one process, on every rank."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone

from checkpoint import CheckpointError, MLPClassifier, MLPRegressor
from checkpoint.execution.ranks.links.current import run_by
from tests.checkpoint.ranks.threads import on_threads
from tests.conftest import compiled_only, same_bits

pytestmark = [compiled_only, pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")]
SHARED = {"hidden_layer_sizes": (8, 8), "batch_size": 390, "max_iter": 3, "random_state": 3, "learning_rate_init": 0.02}
FITTED = ("loss_curve_", "n_iter_", "t_", "validation_scores_", "best_loss_", "out_activation_", "n_outputs_")

random = np.random.default_rng(7)
X = random.standard_normal((1000, 6))
VALUE = X[:, 0] + np.sin(2 * X[:, 1])
CLASS = np.digitize(VALUE, [-0.6, 0.6])


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # which is what ranks do not change


def on_ranks(ranks, work):
    """What `work()` returns on each of so many threads, in the block of a world."""

    def run(link):
        with run_by(link):
            return work()

    return on_threads(ranks, run)


def attributes(model):
    return {name: getattr(model, name) for name in FITTED}


CASES = {
    "adam": (MLPClassifier, {}, {}),
    "weights of samples": (MLPClassifier, {"checkpoint": "every:2"}, {"sample_weight": np.arange(1000) % 3.0}),
    "validation samples": (MLPClassifier, {"early_stopping": True, "n_iter_no_change": 1, "max_iter": 9}, {}),
    "a budget": (MLPRegressor, {"budget_bytes": "95%", "dtype": "float32"}, {}),
    "turns": (MLPRegressor, {"checkpoint": "micro:128", "solver": "sgd", "batch_size": 700}, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_rank_ends_as_one_process_does(name):
    kind, how, more = CASES[name]
    how, y = SHARED | how, CLASS if kind is MLPClassifier else VALUE
    alone = kind(**(how | {"budget_bytes": None})).fit(X, y, **more)
    for model in on_ranks(3, lambda: kind(**how, ranks=True).fit(X, y, **more)):
        assert same_bits([*model.coefs_, *model.intercepts_], [*alone.coefs_, *alone.intercepts_])
        assert attributes(model) == attributes(alone)
        assert 0 < model.peak_bytes_ < alone.peak_bytes_
        assert len(model.network_.history) == model.n_iter_


def test_what_was_fitted_on_ranks_is_copied_and_goes_on_without_them_and_with():
    how = SHARED | {"shuffle": False}
    alone = MLPClassifier(**how).fit(X, CLASS).partial_fit(X, CLASS).partial_fit(X, CLASS)

    def work():
        model = MLPClassifier(**how, ranks=True).fit(X, CLASS).partial_fit(X, CLASS)
        copy = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own
        assert clone(model).get_params() == model.get_params()
        model.partial_fit(X, CLASS)
        return model, copy

    for model, copy in on_ranks(2, work):
        for each in (model, copy.set_params(ranks=False).partial_fit(X, CLASS)):
            assert same_bits([*each.coefs_, *each.intercepts_], [*alone.coefs_, *alone.intercepts_])
            assert each.loss_curve_ == alone.loss_curve_
            assert (each.predict(X) == alone.predict(X)).all()


def test_random_numbers_are_those_of_rank_0():
    states = iter(range(3))

    def work():
        how = SHARED | {"random_state": np.random.RandomState(next(states))}
        return MLPRegressor(**how, ranks=True).fit(X, VALUE)

    models = on_ranks(3, work)
    for model in models[1:]:
        assert same_bits(model.coefs_, models[0].coefs_)


def test_other_data_on_a_rank_is_said():
    first = iter([0, 0, 1])
    with pytest.raises(CheckpointError, match=r"the SHA-256 of the data is [0-9a-f]{12} on rank \d and"):
        on_ranks(3, lambda: MLPClassifier(**SHARED, ranks=True).fit(X + next(first), CLASS))


@pytest.mark.parametrize(
    ("how", "problem"),
    [
        ({"learning_rate_init": 1e300}, "Solver produced non-finite parameter weights"),
        ({"validation_fraction": 0.9999}, "train"),
    ],
)
def test_error_is_one_line(how, problem):
    how = SHARED | {"solver": "sgd", "early_stopping": True} | how
    with pytest.raises(CheckpointError, match=problem) as error, np.errstate(all="ignore"):
        on_ranks(2, lambda: MLPClassifier(**how, ranks=True).fit(X, CLASS))
    assert "\n" not in str(error.value)


def test_rank_0_alone_prints_and_warns(capsys):
    how = SHARED | {"batch_size": 200, "verbose": True}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        on_ranks(3, lambda: MLPRegressor(**how, ranks=True).fit(X, VALUE))
    printed = [line.split(",")[0] for line in capsys.readouterr().out.splitlines()]
    assert printed == ["Iteration 1", "Iteration 2", "Iteration 3"]
    first, second = (str(warning.message) for warning in said)
    assert first.startswith("1 rank of 3 without rows: mini-batches of 200")
    assert "max_iter are over" in second


def test_ranks_without_a_world_are_refused():
    with pytest.raises(CheckpointError, match=r"`with world.*mpiexec"):
        MLPRegressor(ranks=True).fit(X, VALUE)
