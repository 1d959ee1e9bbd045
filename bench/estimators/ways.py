"""The ways to fit a case: ours, ours in a budget, and the peers that are installed."""

import importlib.util
import os
import tracemalloc
import warnings
from collections.abc import Callable
from itertools import pairwise
from math import inf
from typing import Any

import numpy as np

from bench.estimators.cases import ETA, Case
from bench.machine.environment import blas_threads

BUDGET = "80%"
OURS, IN_BUDGET, SCIKIT, TORCH, KERAS = "ours", f"ours in {BUDGET}", "scikit-learn", "PyTorch", "Keras"
LIBRARIES = {OURS: "", IN_BUDGET: "", SCIKIT: "sklearn", TORCH: "torch", KERAS: "keras"}
"""The library of each way; "" for this one."""

Fit = Callable[[], float]
"""Fits a new model, and returns its score on the data that it was fitted to."""


def absent() -> dict[str, str]:
    """The ways that cannot run here, and why."""
    return {
        way: f"{library} is not installed"
        for way, library in LIBRARIES.items()
        if library and importlib.util.find_spec(library) is None
    }


def fit_of(way: str, case: Case, *, epochs: int | None = None) -> Fit:
    """What fits `case` in this way, for `epochs` where they are not the case's own."""
    X, y = case.data()
    epochs = case.epochs if epochs is None else epochs
    if way == TORCH:
        return lambda: _torch(case, X, y, epochs)
    if way == KERAS:
        return lambda: _keras(case, X, y, epochs)
    arguments: dict[str, Any] = {
        "hidden_layer_sizes": case.hidden,
        "batch_size": case.batch_size,
        "learning_rate_init": ETA,
        "alpha": 0.0,
        "max_iter": epochs,
        "n_iter_no_change": inf,
        "random_state": 0,
    }
    if way == IN_BUDGET:
        arguments["budget_bytes"] = BUDGET
    kind = _estimator(way, case)

    def fit() -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that so few epochs may not be enough
            return float(kind(**arguments).fit(X, y).score(X, y))

    return fit


def array_bytes(way: str, case: Case) -> int | None:
    """The most bytes that arrays take in one epoch's fit, above the data; None where the library does not say.

    By tracemalloc for those on NumPy, Python objects included; by PyTorch's profiler for it.
    """
    fit = fit_of(way, case, epochs=1)
    if way == KERAS:
        return None
    if way == TORCH:
        from bench.steps.peers.torch_steps import peak_bytes

        return peak_bytes(fit)
    fit()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        fit()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def _estimator(way: str, case: Case) -> Any:
    if way == SCIKIT:
        from sklearn import neural_network as library
    else:
        import checkpoint as library
    return library.MLPRegressor if case.regression else library.MLPClassifier


def _torch(case: Case, X: np.ndarray, y: np.ndarray, epochs: int) -> float:
    import torch
    from torch import nn

    torch.set_num_threads(blas_threads())
    torch.manual_seed(0)
    features, outputs = X.shape[1], 1 if case.regression else int(y.max()) + 1
    widths = (features, *case.hidden)
    layers: list[Any] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(widths[-1], outputs))
    loss = nn.MSELoss() if case.regression else nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=ETA)
    inputs = torch.from_numpy(X)
    targets = torch.from_numpy(y.reshape(-1, 1) if case.regression else y)
    for _ in range(epochs):
        order = torch.randperm(len(inputs))
        for start in range(0, len(inputs), case.batch_size):
            rows = order[start : start + case.batch_size]
            optimizer.zero_grad(set_to_none=True)
            loss(model(inputs[rows]), targets[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        return _score(case, y, model(inputs).numpy())


def _keras(case: Case, X: np.ndarray, y: np.ndarray, epochs: int) -> float:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(width, activation="relu") for width in case.hidden]
    last = keras.layers.Dense(1) if case.regression else keras.layers.Dense(int(y.max()) + 1, activation="softmax")
    model = keras.Sequential([keras.Input((X.shape[1],)), *layers, last])
    loss = "mean_squared_error" if case.regression else "sparse_categorical_crossentropy"
    model.compile(optimizer=keras.optimizers.Adam(ETA), loss=loss)
    model.fit(X, y, batch_size=case.batch_size, epochs=epochs, verbose=0)
    return _score(case, y, np.asarray(model.predict(X, verbose=0, batch_size=1000)))


def _score(case: Case, y: np.ndarray, outputs: np.ndarray) -> float:
    """R^2 or accuracy."""
    if case.regression:
        return float(1 - ((y - outputs[:, 0]) ** 2).sum() / ((y - y.mean()) ** 2).sum())
    return float((outputs.argmax(axis=1) == y).mean())
