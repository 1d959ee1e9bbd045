"""A fit: from data and parameters to a trained network, by the training loop of `mlp`.

Random numbers are drawn in scikit-learn's order: the first weights, the samples held out for validation, then the order
of each epoch. So with one random state both begin alike, and see the same mini-batches.
"""

import warnings
from math import nan
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import shuffle

from backend.callers import callers_level
from checkpoint.estimators.inputs import training_data_of, weights_of
from checkpoint.estimators.making import arguments_of, optimizer_of, peak_bytes_of, planned_network
from checkpoint.estimators.parameters import LARGEST_AUTO_BATCH, OUT_ACTIVATIONS, Wanted, wanted_of
from checkpoint.estimators.rates import Rates
from checkpoint.estimators.starting import starting_parameters
from checkpoint.estimators.together import check_fit_alike, fitting_ranks, of_rank_0, random_of, trained_by
from checkpoint.estimators.watch import Watch, begin
from checkpoint.execution.ranks.links.base import Link
from mlp import ArrayBatches, Batches, EpochRecord, Network, NetworkError, TrainingError, format_sizes, train
from mlp.arguments import check_rate
from mlp.training.one_answer import is_no_better, one_answer_cost
from mlp.training.stopping import BestParameters
from mlp.training.validation import SomeBatches

ENOUGH_EPOCHS = 10
"""A fit that has learnt nothing in so many says so; one of fewer may just have begun."""

Parts = tuple[np.ndarray, np.ndarray | None]
"""The numbers of the samples to train on, and of those to validate on, None for none."""


def fit(estimator: Any, X: Any, y: Any, sample_weight: Any, *, partial: bool) -> None:
    """Fit `estimator`; `partial`: for one epoch more. Raises `ValueError`, one line, for what cannot be fitted."""
    wanted = wanted_of(estimator.get_params(deep=False))
    with fitting_ranks(estimator) as link:
        _fit(estimator, wanted, X, y, sample_weight, link, partial=partial)


def _fit(estimator: Any, wanted: Wanted, X: Any, y: Any, sample_weight: Any, link: Link, *, partial: bool) -> None:
    if partial and estimator.early_stopping:
        raise ValueError("partial_fit does not support early_stopping=True: it sees one part of the data at a time")
    fitted = estimator.__sklearn_is_fitted__()
    goes_on = fitted and (partial or estimator.warm_start)
    X, y = training_data_of(estimator, X, y, reset=not goes_on, numeric=estimator.numeric_targets)
    weights = weights_of(sample_weight, len(X))
    targets = estimator.take_targets(y, goes_on=goes_on)
    sizes = (X.shape[1], *wanted.hidden, estimator.n_outputs_)
    if goes_on and estimator.network_.sizes != sizes:
        raise NetworkError(
            f"{'partial_fit' if partial else 'warm_start'} goes on with a network of "
            f"{format_sizes(estimator.network_.sizes)}, and this would be one of {format_sizes(sizes)}; fit a new one"
        )
    dtype = estimator.dtype if estimator.dtype != "auto" else X.dtype.name
    random = random_of(estimator, link)
    first = _first_parameters(estimator, wanted, sizes, dtype, random, goes_on=goes_on, partial=partial)
    rows, held = _parts(estimator, y, random)
    batch_size = _batch_size(estimator, len(rows), speaks=link.rank == 0)
    check_rate(estimator.learning_rate_init, dtype, rows=batch_size, name="learning_rate_init")
    weight = batch_size if weights is None else batch_size * float(weights[rows].mean())
    optimizer = optimizer_of(estimator, batch_weight=weight)
    arguments = arguments_of(estimator, wanted, dtype=dtype, optimizer=optimizer)
    check_fit_alike(link, arguments["backend"], estimator, [X, targets, weights, *first[0], *first[1]])
    if not (fitted and partial):
        network, followed = planned_network(estimator, wanted, sizes, arguments, link, batch_size=batch_size)
        network.weights[:], network.biases[:] = first
        estimator.network_, estimator.plan_ = network, followed
        estimator.peak_bytes_ = peak_bytes_of(network, followed, batch_size=batch_size)
        estimator.n_layers_ = len(sizes)
        estimator.out_activation_ = OUT_ACTIVATIONS[network.layer_activation(network.n_layers)]
        estimator._rates = Rates(estimator.learning_rate, estimator.learning_rate_init, estimator.power_t)
    if not goes_on:
        begin(estimator)
    estimator.n_iter_ = 0
    with trained_by(link, estimator, wanted, batch_size=batch_size):
        _train(estimator, X, y, targets, weights, (rows, held), batch_size, random, link, partial=partial)


def _train(
    estimator: Any,
    X: np.ndarray,
    y: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray | None,
    parts: Parts,
    batch_size: int,
    random: np.random.RandomState,
    link: Link,
    *,
    partial: bool,
) -> None:
    network: Network = estimator.network_
    rows, held = parts
    data = ArrayBatches(network, X, targets)
    steps = -(-len(rows) // batch_size)
    penalty = 0.5 * estimator.alpha * steps / (len(rows) if weights is None else float(weights[rows].sum()))

    def loss(record: EpochRecord) -> float:
        arrays = map(network.backend.to_numpy, network.weights)
        squares = sum(float(np.einsum("ij,ij", W, W, dtype=np.float64)) for W in arrays)  # BLAS adds by threads
        return float((record.training_cost or 0.0) * estimator.loss_share + penalty * squares)

    def score() -> float:
        outputs = network.predict(X[held])
        if not np.isfinite(outputs).all():
            return nan
        return float(estimator.score_of(outputs, y[held], None if weights is None else weights[held]))

    best = None if held is None else BestParameters(network)
    epochs = 1 if partial else estimator.max_iter
    watch = Watch(
        estimator,
        estimator._rates,
        samples=len(X),
        epochs=epochs,
        loss=lambda record: of_rank_0(link, lambda: loss(record)),
        score=None if held is None else lambda: of_rank_0(link, score),
        best=best,
        speaks=link.rank == 0,
    )
    order = np.arange(len(rows))

    def next_order(epoch: int) -> np.ndarray:
        nonlocal order
        order = np.asarray(shuffle(order, random_state=random))
        return order

    try:
        train(
            network,
            data if held is None else SomeBatches(data, rows),
            epochs=epochs,
            mini_batch_size=batch_size,
            eta=lambda _: estimator._rates.now,
            weights=None if weights is None else weights[rows],
            shuffle=False,
            order=next_order if estimator.shuffle else None,
            callbacks=[watch],
            verbose=False,
        )
    except KeyboardInterrupt:
        if link.ranks > 1:  # the others wait for this one, and end with it
            raise
        warnings.warn("Training interrupted by user.", stacklevel=callers_level())
    except TrainingError as error:
        if link.ranks > 1 or not watch.diverged():
            if watch.lost:
                raise ValueError(str(error)) from None
            raise ValueError(
                f"Solver produced non-finite parameter weights. The input data may contain large values and need to be "
                f"preprocessed. ({error})"
            ) from None
        warnings.warn(
            f"{error}; the best parameters before that are kept", ConvergenceWarning, stacklevel=callers_level()
        )
    finally:
        if best is not None:
            best.restore()
    if estimator.n_iter_ >= ENOUGH_EPOCHS and link.rank == 0:
        _say_where_nothing_is_learnt(network, data if held is None else SomeBatches(data, rows), weights, rows)


def _say_where_nothing_is_learnt(network: Network, data: Batches, weights: np.ndarray | None, rows: np.ndarray) -> None:
    """Warn of a fit whose last epoch cost no less than one answer for all samples."""
    cost = network.history[-1].training_cost
    one = one_answer_cost(network, data, None if weights is None else weights[rows])
    if is_no_better(cost, one):
        warnings.warn(
            f"nothing has been learnt: the last epoch's cost, {cost:.4g}, is no lower than that of one answer for all "
            f"samples, {one:.4g}; scale X, try another learning_rate_init, fewer layers or activation 'relu'",
            ConvergenceWarning,
            stacklevel=callers_level(),
        )


def _first_parameters(
    estimator: Any,
    wanted: Wanted,
    sizes: tuple[int, ...],
    dtype: str,
    random: np.random.RandomState,
    *,
    goes_on: bool,
    partial: bool,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The weights and the biases that the fit begins with."""
    if goes_on or (
        hasattr(estimator, "coefs_") and hasattr(estimator, "intercepts_") and (partial or estimator.warm_start)
    ):
        return estimator.coefs_, estimator.intercepts_
    drawn = starting_parameters(sizes, activation=wanted.activation, dtype=dtype, random=random)
    weights, biases = zip(*drawn, strict=True)
    return list(weights), list(biases)


def _parts(estimator: Any, y: np.ndarray, random: np.random.RandomState) -> Parts:
    """The samples to train on, and those held out for early stopping, of each class alike."""
    rows = np.arange(len(y))
    if not estimator.early_stopping:
        return rows, None
    classes = y if estimator.stratified else None
    training, held = train_test_split(
        rows, random_state=random, test_size=estimator.validation_fraction, stratify=classes
    )
    if len(held) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    return training, held


def _batch_size(estimator: Any, n_samples: int, *, speaks: bool) -> int:
    if estimator.batch_size == "auto":
        return min(LARGEST_AUTO_BATCH, n_samples)
    if estimator.batch_size > n_samples and speaks:
        warnings.warn(
            f"batch_size {estimator.batch_size} is more than the {n_samples} samples there are, and is cut to them",
            stacklevel=callers_level(),
        )
    return min(int(estimator.batch_size), n_samples)
