"""The training loop: epochs of mini-batches, their order, evaluation, and a record of each epoch."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from functools import partial
from typing import Any, Protocol

import numpy as np

from backend.totals import CostTotal
from mlp.arguments import DTYPES, MAX_COUNT, check_called_with_one, check_name, check_whole
from mlp.data.values.scaling import Scaling
from mlp.errors import NetworkError, TrainingError
from mlp.row_weights import RowWeights, row_weights
from mlp.training.ahead import batches_ahead
from mlp.training.batches import Batches, known_finite
from mlp.training.history import Callback, EpochRecord, History, Step
from mlp.training.metrics import Evaluated, Evaluations
from mlp.training.progress import bar, check_verbose, measured_of, say, tell
from mlp.training.rates import LearningRate, check_learning_rate, step_rate
from mlp.training.stopping import Learned, Stopper


class Trainee(Evaluated, Learned, Protocol):
    """What can be trained: something that changes by a mini-batch, and remembers the epochs that it has had."""

    epochs_trained: int
    steps_trained: int
    cost_total: CostTotal
    history: History
    scaling: Scaling | None

    @property
    def seed(self) -> int: ...

    def expect_batches(self, sizes: Sequence[int]) -> None: ...

    def share_of(self, data: Batches) -> Batches: ...

    def mean_step_cost(self) -> float | None: ...

    def update_mini_batch(self, X: Any, y: Any, *, eta: float, weights: Any = None) -> None: ...

    def look(self) -> None: ...


@np.errstate(over="ignore", invalid="ignore")  # each step checks that its errors are finite
def train(
    network: Trainee,
    training_data: Batches,
    *,
    epochs: int,
    mini_batch_size: int,
    eta: LearningRate,
    test_data: Batches | None = None,
    validation_data: Batches | None = None,
    stopper: Stopper | None = None,
    shuffle: bool = True,
    order: Callable[[int], np.ndarray] | None = None,
    first_epoch: int | None = None,
    first_step: int = 1,
    update: Callable[[Any, Any, float], None] | None = None,
    after_step: Callable[[Step], None] | None = None,
    after_epoch: Callback | None = None,
    callbacks: Sequence[Callback] = (),
    weights: np.ndarray | None = None,
    verbose: bool | None = None,
) -> History:
    """Train `network` for `epochs` more epochs, or until it is stopped; returns a record of each.

    `network.history` has them too, as soon as each epoch is done: however the training ends, none is lost.

    The network counts its epochs, so three calls for one epoch each equal one call for three. Where `first_epoch` and
    `first_step` say where to resume, `epochs` is the number of the last epoch instead.

    `eta`: a number, or a function of the count of steps that the network has had, see `mlp.training.rates`.

    `weights` (n,): how much each sample counts, which `update` gets as its keyword too.

    `update(X, y, eta)` replaces `network.update_mini_batch`, for callers that observe steps. `after_step` is called
    with the record of each step; `after_epoch`, then `callbacks`, with that of each epoch: one that returns True stops
    the training, once all have been called. So does `stopper`, and at the end, whatever that is, the network has the
    parameters of its best epoch.

    An epoch's order depends on the network's seed and the epoch's number alone, so training can resume anywhere;
    `order` returns another one for each epoch: permutations. `verbose`: as for `Network.SGD`.

    Raises `NetworkError` for arguments that train nothing, and `TrainingError`, with layer, epoch and step, as soon as
    an error is not finite; on a GPU, when a later step begins or the epoch ends.
    """
    n_samples = len(training_data)
    check_training(epochs=epochs, mini_batch_size=mini_batch_size, eta=eta, n_samples=n_samples, dtype=network.dtype)
    check_callbacks(callbacks)
    verbose = check_verbose(verbose)
    network.expect_batches((mini_batch_size, n_samples % mini_batch_size or mini_batch_size))
    if first_epoch is None:
        first_epoch, epochs = network.epochs_trained + 1, network.epochs_trained + epochs
    network.scaling = getattr(training_data, "scaling", network.scaling)
    training_data = network.share_of(training_data)
    evaluate = Evaluations(network, validation_data, test_data)
    network.look()
    take_step: Callable[..., None] = update or (
        lambda X, y, rate, **more: network.update_mini_batch(X, y, eta=rate, **more)
    )
    if order is None and shuffle:
        order = partial(epoch_order, len(training_data), network.seed)
    history = History()
    try:
        for epoch in range(first_epoch, epochs + 1):
            rows = None if order is None else order(epoch)
            seconds = batch_seconds = 0.0
            network.cost_total.clear()
            first = first_step if epoch == first_epoch else 1
            starts = range(0, len(training_data), mini_batch_size)[first - 1 :]
            title = f"epoch {epoch}/{epochs}{f', {measured_of(history[-1])}' if history else ''}"
            shown = bar(starts, title=title, unit="batch", verbose=verbose)
            steps = _steps(shown, len(training_data), mini_batch_size, rows)
            with closing(batches_ahead(network, training_data, steps)) as batches:
                while True:
                    begun = time.perf_counter()
                    try:
                        step, (X, y) = next(batches)
                    except StopIteration:
                        break
                    more = {} if weights is None else _weights_of(network, weights, step, mini_batch_size, rows)
                    batch_seconds += time.perf_counter() - begun
                    steps_before = network.steps_trained
                    n_rows = min(mini_batch_size, n_samples - (step - 1) * mini_batch_size)
                    rate = step_rate(eta, steps_before, dtype=network.dtype, rows=n_rows)
                    try:
                        with network.trusting_inputs() if known_finite(training_data) else nullcontext():
                            take_step(X, y, rate, **more)
                    except TrainingError as error:
                        raise error.at(epoch, step) from None
                    network.steps_trained = steps_before + 1  # whoever takes steps
                    seconds += time.perf_counter() - begun
                    if after_step is not None:
                        try:
                            after_step(Step(epoch, step, n_rows))
                        except TrainingError as error:
                            raise error.at(epoch, step + 1) if error.ago else error from None
                    del X, y
            begun = time.perf_counter()
            network.backend.synchronize()
            seconds += time.perf_counter() - begun
            try:
                network.look()
            except TrainingError as error:
                raise error.at(epoch, step + 1) from None
            training_cost = network.mean_step_cost()
            record = evaluate(EpochRecord(epoch, seconds, None, batch_seconds, training_cost=training_cost))
            history.append(record)
            network.history.append(record)
            if verbose:
                say(record, epochs)
                for remark in network.backend.remarks():
                    tell(remark)
            network.epochs_trained = epoch
            stop = stopper is not None and stopper(record)
            for called in (after_epoch, *callbacks):
                stop = (called is not None and called(record) is True) or stop
            if stop:
                break
    finally:
        if stopper is not None:
            stopper.best.restore()
    return history


def _weights_of(
    network: Trainee, weights: np.ndarray, step: int, size: int, order: np.ndarray | None
) -> dict[str, RowWeights]:
    """The weights of a step's rows, on the device, so that the step itself allocates nothing."""
    rows = slice((step - 1) * size, step * size)
    some = weights[rows] if order is None else weights[order[rows]]
    return {"weights": row_weights(some, len(some), dtype=network.dtype, backend=network.backend)}


def check_training(*, epochs: int, mini_batch_size: int, eta: LearningRate, n_samples: int | None, dtype: str) -> None:
    """Raise `NetworkError` for arguments that allow no training; `n_samples` is None before the data is read."""
    check_whole("epochs", epochs, least=1, most=MAX_COUNT)
    rows = check_whole("the mini-batch size", mini_batch_size, least=1)
    if n_samples is not None and mini_batch_size > n_samples:
        raise NetworkError(
            f"the mini-batch size must be at most the {n_samples} samples there are; got {mini_batch_size}"
        )
    check_learning_rate(eta, dtype=check_name("dtype", dtype, DTYPES), rows=rows)


def check_callbacks(callbacks: Any) -> None:
    """Raise `NetworkError` unless `callbacks` is a sequence of functions of one argument."""
    wanted = "functions of the record of an epoch"
    if not isinstance(callbacks, Sequence):
        raise NetworkError(f"callbacks must be a list of {wanted}; got {repr(callbacks)[:60]}")
    for callback in callbacks:
        check_called_with_one("each of callbacks", callback, wanted=f"one of the {wanted}")


def epoch_order(n_samples: int, seed: int, epoch: int) -> np.ndarray:
    """The order of an epoch's samples: a permutation, (n_samples,)."""
    return np.random.default_rng([seed, epoch]).permutation(n_samples)


def _steps(
    starts: Iterable[int], n_samples: int, mini_batch_size: int, order: np.ndarray | None
) -> Iterator[tuple[int, slice | np.ndarray]]:
    """(step number, rows) for each of the first rows of an epoch's mini-batches."""
    for start in starts:
        rows = slice(start, min(start + mini_batch_size, n_samples))
        yield start // mini_batch_size + 1, rows if order is None else order[rows]
