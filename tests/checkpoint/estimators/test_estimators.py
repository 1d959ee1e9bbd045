"""The estimators beside scikit-learn's: the same parameters, the same training, and the promised bytes."""

import pickle
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pytest
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from checkpoint import BudgetError, MLPClassifier, MLPRegressor, NetworkWithCheckpointing, Plan, Schedule
from tests.conftest import backend_called, same_bits

KINDS = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}
OWN = {"budget_bytes", "checkpoint", "backend", "dtype", "precision", "ranks"}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def data(kind, *, n=120):
    """X (n, 6) and y such as `kind` takes, with three classes or one value."""
    random = np.random.default_rng(7)
    X = random.standard_normal((n, 6))
    value = X[:, 0] + np.sin(2 * X[:, 1])
    return X, np.digitize(value, [-0.6, 0.6]) if kind is MLPClassifier else value


def parameters(model):
    return [*model.coefs_, *model.intercepts_]


# The same as scikit-learn's


@pytest.mark.parametrize("name", KINDS)
def test_parameters_have_scikit_learn_s_names_and_defaults(name):
    theirs, ours = getattr(neural_network, name)().get_params(), KINDS[name]().get_params()
    assert {key: ours[key] for key in theirs} == theirs
    assert set(ours) - set(theirs) == OWN


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"solver": "sgd", "learning_rate_init": 0.05},
        {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1, "alpha": 0.1},
        {"solver": "sgd", "nesterovs_momentum": False, "learning_rate": "invscaling", "learning_rate_init": 0.1},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1, "learning_rate_init": 0.1},
        {"activation": "logistic"},
        {"activation": "tanh", "shuffle": False},
        {"activation": "identity", "hidden_layer_sizes": ()},
    ],
    ids=str,
)
def test_one_random_state_trains_as_scikit_learn_does(name, how):
    X, y = data(KINDS[name])
    shared = {"hidden_layer_sizes": (8, 5), "batch_size": 40, "max_iter": 12, "random_state": 3, "alpha": 0.0} | how
    theirs, ours = getattr(neural_network, name)(**shared).fit(X, y), KINDS[name](**shared).fit(X, y)
    for one, other in zip(parameters(ours), parameters(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-5)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=2e-2 if how.get("alpha") else 1e-3)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), rel=1e-3)
    names = {name for name in vars(theirs) if name.endswith("_") and not name.startswith("_")}
    assert names <= set(dir(ours))
    for attribute in ("n_layers_", "n_outputs_", "out_activation_", "n_features_in_", "t_", "validation_scores_"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)


@pytest.mark.parametrize("name", KINDS)
def test_weights_move_to_and_from_scikit_learn_s(name):
    X, y = data(KINDS[name])
    theirs = getattr(neural_network, name)((8, 5), max_iter=5, random_state=0) if name == "MLPClassifier" else None
    theirs = theirs or getattr(neural_network, name)(hidden_layer_sizes=(8, 5), max_iter=5, random_state=0)
    ours = KINDS[name](hidden_layer_sizes=(8, 5), max_iter=1, random_state=1).fit(X, y)
    theirs.fit(X, y)
    ours.coefs_, ours.intercepts_ = theirs.coefs_, theirs.intercepts_
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-9)


# Bytes


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize(
    "how", [{}, {"checkpoint": "every:2"}, {"checkpoint": "sqrt"}, {"budget_bytes": "40%"}], ids=str
)
def test_peak_is_the_measured_one_and_the_bits_are_those_of_storing_all(how, solver):
    X, y = data(MLPClassifier, n=100)
    shared = {"hidden_layer_sizes": [24] * 8, "batch_size": 40, "max_iter": 2, "random_state": 0, "solver": solver}
    plain, model = MLPClassifier(**shared).fit(X, y), MLPClassifier(**shared, **how).fit(X, y)
    network = model.network_
    batch = (np.ascontiguousarray(X[:40]), np.eye(3)[y[:40]])
    with network.backend.measure() as usage:
        network.update_mini_batch(*batch, eta=0.0)
    assert usage.peak_bytes == model.peak_bytes_
    if how:
        assert model.peak_bytes_ < plain.peak_bytes_
        assert isinstance(network, NetworkWithCheckpointing)
        assert same_bits(parameters(MLPClassifier(**shared, **how).fit(X, y)), parameters(plain))
    if "budget_bytes" in how:
        assert isinstance(model.plan_, Plan)
        assert model.plan_.arena_bytes <= model.plan_.budget_bytes
    else:
        assert isinstance(model.plan_, Schedule)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("how", [{}, {"checkpoint": "every:2"}, {"budget_bytes": "80%"}], ids=str)
def test_precision_is_the_network_s_and_its_bytes_are_predicted(how, solver):
    X, y = data(MLPClassifier, n=100)
    X, targets = X.astype("float32"), np.eye(3, dtype="float32")[y]
    shared = {"hidden_layer_sizes": [8] * 16, "max_iter": 2, "random_state": 0, "solver": solver}
    full, plain = MLPClassifier(**shared).fit(X, y), MLPClassifier(**shared, precision="bfloat16").fit(X, y)
    assert plain.peak_bytes_ < full.peak_bytes_
    assert not same_bits(parameters(plain), parameters(full))
    model = clone(plain).set_params(**how).fit(X, y)
    with model.network_.backend.measure() as usage:
        model.network_.update_mini_batch(X, targets, eta=0.0)
    assert (model.network_.precision, usage.peak_bytes) == ("bfloat16", model.peak_bytes_)
    assert model.peak_bytes_ < plain.peak_bytes_ or not how
    assert same_bits(parameters(clone(model).fit(X, y)), parameters(plain))


def test_budget_that_is_too_small_says_what_would_do():
    X, y = data(MLPRegressor)
    with pytest.raises(BudgetError, match="smallest"):
        MLPRegressor(budget_bytes=1000).fit(X, y)


@pytest.mark.parametrize(
    ("dtype", "given", "wanted"), [("auto", "f4", "f4"), ("auto", "i8", "f8"), ("float32", "f8", "f4")]
)
def test_dtype_is_that_of_the_data_or_the_one_asked_for(dtype, given, wanted):
    X, y = data(MLPRegressor)
    model = MLPRegressor(hidden_layer_sizes=4, max_iter=1, dtype=dtype).fit(X.astype(given), y)
    assert {a.dtype for a in parameters(model)} == {np.dtype(wanted)}
    assert model.predict(X.astype(given)).dtype == np.dtype(wanted)


# Habits


def test_grid_search_in_processes_finds_what_one_process_finds():
    X, y = data(MLPClassifier)
    pipeline = make_pipeline(StandardScaler(), MLPClassifier([8] * 6, max_iter=20, random_state=0, budget_bytes="80%"))
    grid = {"mlpclassifier__learning_rate_init": [0.001, 0.05]}
    alone, together = (GridSearchCV(pipeline, grid, cv=2, n_jobs=jobs).fit(X, y) for jobs in (None, 2))
    assert together.best_params_ == alone.best_params_ == {"mlpclassifier__learning_rate_init": 0.05}
    assert together.cv_results_["mean_test_score"].tolist() == alone.cv_results_["mean_test_score"].tolist()


@pytest.mark.parametrize("name", KINDS)
def test_copies_by_joblib_and_pickle_predict_and_go_on_alike(name, tmp_path):
    X, y = data(KINDS[name])
    model = KINDS[name](hidden_layer_sizes=[8] * 6, max_iter=3, random_state=0, budget_bytes="80%").fit(X, y)
    joblib.dump(model, tmp_path / "model")
    copies = [joblib.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))]  # noqa: S301 - our own
    for each in (model, *copies):
        each.partial_fit(X, y)
    for copy in copies:
        assert same_bits(parameters(copy), parameters(model))
        assert (copy.predict(X) == model.predict(X)).all()
    assert clone(model).get_params() == model.get_params()
    assert not hasattr(clone(model), "coefs_")


@pytest.mark.parametrize("name", KINDS)
def test_partial_fits_are_the_epochs_of_a_fit(name):
    X, y = data(KINDS[name])
    shared = {"hidden_layer_sizes": (8,), "shuffle": False, "random_state": 0, "batch_size": 50}
    whole, parts = KINDS[name](**shared, max_iter=4).fit(X, y), KINDS[name](**shared)
    for _ in range(4):
        parts.partial_fit(X, y, **({"classes": [2, 1, 0]} if name == "MLPClassifier" else {}))
    assert same_bits(parameters(whole), parameters(parts))
    assert len(parts.loss_curve_) == 4


def test_warm_start_goes_on_and_with_another_budget_too():
    X, y = data(MLPClassifier)
    model = MLPClassifier([8] * 6, max_iter=3, random_state=0, warm_start=True, n_iter_no_change=100).fit(X, y)
    before = [a.copy() for a in parameters(model)]
    model.set_params(budget_bytes="70%", max_iter=1, learning_rate_init=1e-9).fit(X, y)
    for one, other in zip(parameters(model), before, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)
    assert len(model.loss_curve_) == 4
    assert isinstance(model.plan_, Plan)


def test_several_classes_at_once():
    X, y = make_multilabel_classification(n_samples=100, n_classes=4, random_state=0)
    model = MLPClassifier((32,), learning_rate_init=0.05, random_state=0, early_stopping=True).fit(X, y)
    assert model.out_activation_ == "logistic"
    assert model.predict(X).shape == model.predict_proba(X).shape == (100, 4)
    assert set(model.predict(X).ravel()) <= {0, 1}
    assert model.score(X, y) > 0.3


def test_several_values_at_once():
    X, y = data(MLPRegressor)
    both = np.column_stack([y, -y])
    model = MLPRegressor(hidden_layer_sizes=(32,), max_iter=300, learning_rate_init=0.01, random_state=0).fit(X, both)
    assert model.predict(X).shape == (120, 2)
    assert model.score(X, both) > 0.8


@pytest.mark.parametrize("labels", [("no", "yes"), ("a", "b", "c"), (5, 9), (-1.0, 1.0), (False, True)], ids=str)
def test_classes_are_what_was_given(labels):
    X, y = data(MLPClassifier)
    y = np.array(labels)[y % len(labels)]
    model = MLPClassifier((16,), max_iter=60, learning_rate_init=0.02, random_state=0).fit(X, y)
    assert model.classes_.tolist() == sorted(set(y.tolist()))
    assert set(model.predict(X).tolist()) <= set(y.tolist())
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))
    assert model.score(X, y) > 0.7


@pytest.mark.parametrize("name", KINDS)
def test_weight_of_two_is_a_sample_twice_and_of_zero_none(name):
    X, y = data(KINDS[name], n=30)
    weights = np.arange(30) % 3.0
    twice = np.repeat(np.arange(30), weights.astype(int))
    shared = {"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0}
    weighted = KINDS[name](**shared).fit(X, y, sample_weight=weights)
    repeated = KINDS[name](**shared).fit(X[twice], y[twice])
    for one, other in zip(parameters(weighted), parameters(repeated), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-9)


def test_early_stopping_keeps_the_parameters_of_the_best_score():
    X, y = load_digits(return_X_y=True)
    X, y = X[:300] / 16, y[:300]
    model = MLPClassifier(
        (32,), early_stopping=True, n_iter_no_change=3, learning_rate_init=0.03, random_state=0, validation_fraction=0.3
    )
    model.fit(X, y)
    assert model.n_iter_ < model.max_iter
    assert model.best_validation_score_ == max(model.validation_scores_)
    best = MLPClassifier(**{**model.get_params(), "max_iter": int(np.argmax(model.validation_scores_)) + 1}).fit(X, y)
    assert same_bits(parameters(best), parameters(model))


def test_training_that_is_interrupted_keeps_its_history(monkeypatch):
    X, y = data(MLPRegressor)
    model = MLPRegressor(hidden_layer_sizes=4, verbose=True)

    def stop(text):
        if "Iteration 3" in text:
            raise KeyboardInterrupt

    monkeypatch.setattr("builtins.print", stop)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, y)
    assert len(model.loss_curve_) == len(model.network_.history) == 3
    assert np.isfinite(model.predict(X)).all()


def test_more_epochs_than_were_allowed_are_warned_of():
    X, y = data(MLPRegressor)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning, match="raise max_iter"):
            MLPRegressor(max_iter=2).fit(X, y)


def test_without_scikit_learn_the_remedy_is_named_and_all_else_works():
    code = "import sys; sys.modules['sklearn'] = None; import checkpoint; checkpoint.Network" + "WithCheckpointing\n"
    done = subprocess.run([sys.executable, "-c", code + "checkpoint.MLPRegressor"], capture_output=True, text=True)
    assert done.returncode == 1
    wanted = "MLPClassifier and MLPRegressor need scikit-learn 1.7 or newer; install it with pip install"
    assert done.stderr.splitlines()[-1].startswith(f"ImportError: {wanted}")


@pytest.mark.gpu
def test_gpu_trains_as_the_host_does():
    backend_called("cupy")  # or skips
    X, y = data(MLPClassifier)
    shared = {"hidden_layer_sizes": [16] * 4, "max_iter": 4, "random_state": 0, "early_stopping": True}
    weights = np.arange(len(y)) % 3
    host, gpu = (MLPClassifier(**shared, backend=name).fit(X, y, weights) for name in ("numpy", "cupy"))
    for one, other in zip(parameters(gpu), parameters(host), strict=True):
        assert isinstance(one, np.ndarray)
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)
    assert (gpu.predict(X) == host.predict(X)).all()
    np.testing.assert_allclose(gpu.loss_curve_, host.loss_curve_, rtol=1e-6)
