"""scikit-learn's step: `MLPRegressor.partial_fit` on one mini-batch."""

import tracemalloc

import numpy as np
from sklearn.neural_network import MLPRegressor

from bench.steps.cases import Case
from bench.steps.runner import ETA, Runner, batch_of, parameters_of
from bench.steps.ways import SCIKIT


def scikit_runner(case: Case) -> Runner:
    """The runner of scikit-learn: sigmoid layers and a linear last one, quadratic cost, plain gradient descent.

    Its bytes are tracemalloc's, Python objects included.
    """
    X, y = batch_of(case)
    model = MLPRegressor(
        hidden_layer_sizes=case.sizes[1:-1],
        activation="logistic",
        solver="sgd",
        alpha=0.0,
        batch_size=case.batch_size,
        learning_rate_init=ETA,
        momentum=0.0,
        nesterovs_momentum=False,
        shuffle=False,
    )
    target = y[:, 0] if y.shape[1] == 1 else y
    model.partial_fit(X, target)  # makes its arrays
    for W, b, (wanted_W, wanted_b) in zip(model.coefs_, model.intercepts_, parameters_of(case), strict=True):
        W[...], b[...] = wanted_W, wanted_b

    def step() -> None:
        model.partial_fit(X, target)

    def peak_bytes() -> int:
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            step()
            return tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()

    def weights() -> list[np.ndarray]:
        return [np.asarray(W) for W in model.coefs_]

    return Runner(SCIKIT, "peer", step, peak_bytes, weights=weights)
