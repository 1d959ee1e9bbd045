"""One training run: from settings to a trained network and a record of what it did and took.

`train` is this, on the command line; `compare` starts one in a process of its own for each row of its table.
"""

import time
from collections.abc import Callable
from typing import Any

from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.runs.endings.faults import watched
from checkpoint.runs.endings.interruption import Interruption
from checkpoint.runs.first_step import MeasuredFirstStep
from checkpoint.runs.learning import Learning
from checkpoint.runs.predicted import predicted
from checkpoint.runs.ranks.interruption import InterruptionOfAll
from checkpoint.runs.record import (
    RunRecord,
    device_record,
    memory_record,
    order_bytes,
    place_record,
    rest_bytes,
    seconds_record,
    weights_sha256,
)
from checkpoint.runs.settings import RunSettings, make_network
from checkpoint.runs.states.saver import Saver
from checkpoint.runs.stopping import RunStopping
from mlp import Batches, EpochRecord, Network, Progress, Step, train
from mlp.data import Dataset
from mlp.training.metrics import Evaluations
from mlp.training.regression import fit_of
from mlp.training.samples import batches_of_part


def run(
    settings: RunSettings,
    dataset: Dataset,
    *,
    network: Network | None = None,
    saver: Saver | None = None,
    first: tuple[int, int] = (1, 1),
    after_epoch: Callable[[EpochRecord, str], None] | None = None,
    begun: float | None = None,
    loading_seconds: float = 0.0,
) -> RunRecord:
    """Train as `settings` say on `dataset`; returns the record. The first step is measured, the others are not slowed.

    `network`: the one to train, made by `make_network` for these settings. If it has been trained before, `first` is
    the epoch and the step to go on with. `saver`: saves the state as it goes. `after_epoch` is called with the record
    of each epoch, and with what is wrong with the network by then (`checkpoint.runs.learning`). `begun`: when the wall
    time of the record began, on the clock of `time.perf_counter`, by default now; `loading_seconds`: how long of that
    the data was loaded.

    Raises `Fault` when memory runs out, `TrainingError` when numbers are no longer finite, and `Stopped` for Ctrl-C and
    SIGTERM, once the step under way is done and its state saved.
    """
    begun = time.perf_counter() if begun is None else begun
    network = make_network(settings) if network is None else network
    expected = predicted(settings, network)
    simulation = expected.simulation
    training_data, test_data = (batches_of_part(network, dataset, part) for part in ("train", "test"))
    pixels = training_data.divisor is not None
    learning = Learning(network, training_data, test_data)
    saver = saver or Saver(network, progress_of(settings, dataset, at=first, saved=False), None)
    first_step = MeasuredFirstStep(network, expected.rows)
    stopping = RunStopping(settings, network)
    watching = watched(
        saver, settings.chain, arena_bytes=expected.arena_bytes, pixels=pixels, interruption=_interruption(network)
    )
    with watching as interruption:
        hooks = _Hooks(interruption, first_step, saver, learning.said, after_epoch)
        history = train(
            network,
            training_data,
            epochs=settings.epochs,
            mini_batch_size=settings.batch_size,
            eta=settings.learning_rate(len(dataset.train)),
            test_data=test_data,
            validation_data=None if dataset.validation is None else batches_of_part(network, dataset, "validation"),
            callbacks=[stopping.after_epoch],
            shuffle=settings.shuffle,
            first_epoch=first[0],
            first_step=first[1],
            update=hooks.take_step,
            after_step=hooks.step_done,
            after_epoch=hooks.epoch_done,
        )
        stopping.restore()
        if stopping.best_epoch is not None and stopping.best_epoch < network.epochs_trained:
            saver.best_restored(stopping.best_epoch)
        hooks.training_done()
    last = stopping.last(history) or _measured(network, dataset, test_data)
    rmse, r2 = (None, None) if dataset.preparation.classes is not None else fit_of(network, test_data)
    wall_seconds = time.perf_counter() - begun
    rest = rest_bytes(network, settings.batch_size, expected.rows, pixels=pixels)
    device = device_record(network, rest, expected.arena_bytes)
    rest += order_bytes(dataset, shuffle=settings.shuffle) + stopping.rest_bytes
    return RunRecord(
        strategy=expected.schedule.name,
        data=dataset.name,
        training_samples=len(dataset.train),
        test_samples=len(dataset.test),
        validation_samples=0 if dataset.validation is None else len(dataset.validation),
        device=network.backend.device_name,
        cublas=network.backend.arithmetic.get("cublas", ""),
        cublas_variables=network.backend.arithmetic.get("cublas variables", ""),
        predicted_peak_bytes=expected.peak_bytes,
        measured_peak_bytes=first_step.usage.peak_bytes,
        measured_bytes_after=first_step.usage.marks,
        **device,
        recomputed_layers=simulation.recomputed_layers,
        recompute_fraction=simulation.recompute_fraction,
        best_bytes=stopping.best_bytes,
        rest_bytes=rest,
        **memory_record(rest, expected.peak_bytes, dataset, on_host=not network.backend.facts.asynchronous),
        offloaded_bytes=simulation.offloaded_bytes,
        test_accuracy=last.test_accuracy,
        test_cost=last.test_cost,
        test_rmse=rmse,
        test_r2=r2,
        validation_accuracy=last.validation_accuracy,
        validation_cost=last.validation_cost,
        outputs_alike=learning.outputs_alike(),
        one_answer_cost=learning.one_answer_cost,
        nothing_learnt=learning.is_none(last),
        weights_sha256=weights_sha256(network),
        best_epoch=stopping.best_epoch,
        epochs=history,
        **place_record(network),
        **seconds_record(history, wall_seconds=wall_seconds, loading_seconds=loading_seconds),
    )


class _Hooks:
    """What the training loop calls. From the start of a step to the end of its saving, signals wait."""

    def __init__(
        self,
        interruption: Interruption,
        take: Callable[[Any, Any, float], None],
        saver: Saver,
        said: Callable[[EpochRecord], str],
        after_epoch: Callable[[EpochRecord, str], None] | None,
    ) -> None:
        self._interruption, self._take, self._saver = interruption, take, saver
        self._said, self._after_epoch = said, after_epoch

    def take_step(self, X: Any, y: Any, eta: float) -> None:
        self._interruption.hold()
        self._take(X, y, eta)

    def step_done(self, step: Step) -> None:
        self._saver.after_step(step)
        self._interruption.let_go()

    def epoch_done(self, record: EpochRecord) -> None:
        self._interruption.hold()
        self._saver.after_epoch(record.epoch)
        self._interruption.let_go()
        if self._after_epoch is not None:
            self._after_epoch(record, self._said(record))

    def training_done(self) -> None:
        self._interruption.hold()
        self._saver.finish()


def progress_of(settings: RunSettings, dataset: Dataset, *, at: tuple[int, int], saved: bool) -> Progress:
    """How far a run is whose next step is `at`, an epoch and a step in it, both from 1.

    The data's digest, which takes a pass through the data, is in it only where it is `saved`.
    """
    return Progress(
        epoch=at[0],
        step=at[1] - 1,
        epochs=settings.epochs,
        mini_batch_size=settings.batch_size,
        eta=settings.eta,
        shuffle=settings.shuffle,
        n_samples=len(dataset.train),
        data_digest=dataset.digest if saved else "",
    )


def _interruption(network: Network) -> Interruption:
    """How signals are taken: by this process, or by all ranks together."""
    on_ranks = isinstance(network, NetworkOnRanks) and network.link.ranks > 1
    return InterruptionOfAll(network.link) if on_ranks else Interruption()  # type: ignore[attr-defined]


def _measured(network: Network, dataset: Dataset, test_data: Batches) -> EpochRecord:
    """What is measured now: the record of a resumed run that had no epoch left."""
    held = None if dataset.validation is None else batches_of_part(network, dataset, "validation")
    return Evaluations(network, held, test_data)(EpochRecord(network.epochs_trained, 0.0, None))
