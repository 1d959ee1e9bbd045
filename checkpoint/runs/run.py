"""One training run: from settings to a trained network and a record of what it did and took.

`train` is this, on the command line; `compare` starts one in a process of its own for each row of its table.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from backend import Usage, peak_resident_bytes, select_backend
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.execution.verifying import VerifyingNetwork
from checkpoint.measuring.bandwidth import rates_for
from checkpoint.planning.choice import Choice
from checkpoint.planning.offloading import Offloading
from checkpoint.runs.faults import watched
from checkpoint.runs.saver import Saver
from checkpoint.schedule.actions import Action
from checkpoint.schedule.chain import Chain, chain_of
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from mlp import EpochRecord, ImageBatches, Network, Progress, Step, accuracy, train
from mlp.data import Dataset


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Everything that a run depends on, but for the data itself."""

    sizes: tuple[int, ...] = (784, 100, 30, 10)
    activation: str = "sigmoid"
    cost: str = "quadratic"
    initialization: str = "normal"
    dtype: str = "float32"
    momentum: float = 0.0
    seed: int = 0
    epochs: int = 5
    batch_size: int = 100
    eta: float = 3.0
    shuffle: bool = True
    checkpoint: str = "none"
    budget: str | None = None
    backend: str = "numpy"
    device: int | None = None
    offload: str | None = None
    bandwidth: str | None = None
    speed: str | None = None

    @property
    def choice(self) -> Choice:
        """What is kept, recomputed and offloaded."""
        return Choice(self.checkpoint, self.budget, self.offload)

    @property
    def offloading(self) -> Offloading | None:
        """The rates that a plan weighs offloading at, measured where they aren't given; None where it isn't planned."""
        if self.offload is None or self.checkpoint != "optimal":
            return None
        return rates_for(
            self.backend,
            self.offload,
            dtype=self.dtype,
            bandwidth=self.bandwidth,
            speed=self.speed,
            device=self.device,
        )


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run did and took. Bytes are array bytes above rest, of a step on a whole mini-batch.

    `measured_bytes_after`: after each action of the schedule, none for plain backpropagation, which has no actions.
    `rest_bytes`: see the function. `offloaded_bytes` are copied away in a step and back; `host_asked_bytes` were there
    at once, in `host_held_bytes` of the place. `weights_sha256`: of the final weights and biases, to tell whether two
    runs ended alike to the last bit.

    `seconds`: of all steps, of which `batch_seconds` in taking the mini-batches; `evaluation_seconds` come on top.
    `loading_seconds` and `wall_seconds` are what `run` was told and when it was told that all began; what remains of
    the wall is starting up, saving, and the loop itself. `busy_share`: of steps and evaluation in `wall_seconds`.
    """

    strategy: str
    data: str
    device: str
    predicted_peak_bytes: int
    measured_peak_bytes: int
    recomputed_layers: int
    recompute_fraction: float
    rest_bytes: int
    peak_resident_bytes: int
    seconds: float
    evaluation_seconds: float
    test_accuracy: float
    weights_sha256: str
    batch_seconds: float = 0.0
    loading_seconds: float = 0.0
    wall_seconds: float = 0.0
    busy_share: float = 0.0
    epochs: list[EpochRecord] = field(default_factory=list)
    measured_bytes_after: list[int] = field(default_factory=list)
    offloaded_bytes: int = 0
    host_asked_bytes: int = 0
    host_held_bytes: int = 0
    offload_place: str = ""

    def as_json(self) -> dict[str, Any]:
        """Every figure, in bytes and seconds."""
        return asdict(self)


def make_network(settings: RunSettings, *, verify: bool = False) -> Network:
    """The network of a run: plain for "none", with checkpointing for anything else; with `verify`, it checks itself."""
    as_network: dict[str, Any] = {
        "activation": settings.activation,
        "cost": settings.cost,
        "initialization": settings.initialization,
        "dtype": settings.dtype,
        "momentum": settings.momentum,
        "seed": settings.seed,
        "backend": select_backend(settings.backend, device=settings.device),
    }
    chain = chain_of(settings.sizes, batch_size=settings.batch_size, dtype=settings.dtype, backend=settings.backend)
    choice = settings.choice
    if choice.checkpoint == "none" and not verify:
        return Network(settings.sizes, **as_network)
    kind = VerifyingNetwork if verify else NetworkWithCheckpointing
    as_network["offload"] = settings.offload
    if choice.checkpoint == "optimal":
        budget_bytes = choice.budget_bytes(chain)
        return kind(settings.sizes, budget_bytes=budget_bytes, offloading=settings.offloading, **as_network)
    return kind(settings.sizes, schedule=choice.schedule(chain), **as_network)


def run(
    settings: RunSettings,
    dataset: Dataset,
    *,
    network: Network | None = None,
    saver: Saver | None = None,
    first: tuple[int, int] = (1, 1),
    after_epoch: Callable[[EpochRecord], None] | None = None,
    begun: float | None = None,
    loading_seconds: float = 0.0,
) -> RunRecord:
    """Train as `settings` say on `dataset`, and record it. The first step is measured, the others are not slowed.

    `network`: to train this one, which `make_network` made for these settings, and which may have been trained before:
    then `first` is the epoch and the step to go on with. `saver`: saves the state as it goes. `begun`: when what the
    record calls the wall began, on the clock of `time.perf_counter`, now by default; `loading_seconds`: those since
    then in which the data was loaded.

    Raises `Fault` when memory runs out or numbers are no longer finite, and `Stopped` for Ctrl-C and SIGTERM, once the
    step under way is done and its state saved.
    """
    begun = time.perf_counter() if begun is None else begun
    network = make_network(settings) if network is None else network
    chain = chain_of(network.sizes, batch_size=settings.batch_size, dtype=network.dtype, backend=settings.backend)
    schedule = _schedule(settings, network, chain)
    predicted = simulate(schedule, chain)
    test_data = ImageBatches(network, dataset.test_images, dataset.test_labels, scaling=dataset.scaling)
    saver = saver or Saver(network, progress_of(settings, dataset, at=first), None)
    first_step = _MeasuredFirstStep(network, settings.batch_size)
    with watched(saver, chain, peak_bytes=predicted.peak_bytes) as interruption:

        def update(X: Any, y: Any, eta: float) -> None:
            interruption.hold()
            first_step(X, y, eta)

        def step_done(step: Step) -> None:
            saver.after_step(step)
            interruption.let_go()

        def epoch_done(record: EpochRecord) -> None:
            if after_epoch is not None:
                after_epoch(record)
            interruption.hold()
            saver.after_epoch(record.epoch)
            interruption.let_go()

        history = train(
            network,
            ImageBatches(network, dataset.train_images, dataset.train_labels, scaling=dataset.scaling),
            epochs=settings.epochs,
            mini_batch_size=settings.batch_size,
            eta=settings.eta,
            test_data=test_data,
            shuffle=settings.shuffle,
            first_epoch=first[0],
            first_step=first[1],
            update=update,
            after_step=step_done,
            after_epoch=epoch_done,
        )
        interruption.hold()
        saver.finish()
    accuracy_at_the_end = _last_accuracy(history, network, test_data)
    wall = time.perf_counter() - begun
    seconds = sum(record.seconds for record in history)
    evaluation = sum(record.evaluation_seconds for record in history)
    return RunRecord(
        strategy=schedule.name,
        data=dataset.name,
        device=network.backend.device_name,
        predicted_peak_bytes=predicted.peak_bytes,
        measured_peak_bytes=first_step.usage.peak_bytes,
        recomputed_layers=predicted.recomputed_layers,
        recompute_fraction=predicted.recompute_fraction,
        rest_bytes=rest_bytes(network, settings.batch_size),
        peak_resident_bytes=peak_resident_bytes(),
        seconds=seconds,
        evaluation_seconds=evaluation,
        test_accuracy=accuracy_at_the_end,
        weights_sha256=weights_sha256(network),
        batch_seconds=sum(record.batch_seconds for record in history),
        loading_seconds=loading_seconds,
        wall_seconds=wall,
        busy_share=(seconds + evaluation) / wall,
        epochs=history,
        measured_bytes_after=first_step.usage.marks,
        offloaded_bytes=predicted.offloaded_bytes,
        **_place_record(network),
    )


def _place_record(network: Network) -> dict[str, Any]:
    """What a run records of the place that it offloaded to."""
    there = network.transfers if isinstance(network, NetworkWithCheckpointing) else None
    if there is None:
        return {}
    return {
        "host_asked_bytes": there.asked_bytes,
        "host_held_bytes": there.held_bytes,
        "offload_place": there.place,
    }


def _last_accuracy(history: list[EpochRecord], network: Network, test_data: ImageBatches) -> float:
    """The accuracy at the end: the last epoch's, or measured now where a resumed run had no epoch left."""
    last = history[-1].test_accuracy if history else None
    return accuracy(network, test_data) if last is None else last


def _schedule(settings: RunSettings, network: Network, chain: Chain) -> Schedule:
    """The schedule that `network` follows for a whole mini-batch."""
    if isinstance(network, NetworkWithCheckpointing):
        return network.schedule_for(settings.batch_size)
    return settings.choice.schedule(chain)


def progress_of(settings: RunSettings, dataset: Dataset, *, at: tuple[int, int]) -> Progress:
    """How far a run is that takes the epoch and step `at` next."""
    return Progress(
        epoch=at[0],
        step=at[1] - 1,
        epochs=settings.epochs,
        mini_batch_size=settings.batch_size,
        eta=settings.eta,
        shuffle=settings.shuffle,
        n_samples=len(dataset.train_images),
        data_digest=dataset.digest,
    )


def rest_bytes(network: Network, batch_size: int) -> int:
    """Bytes held between steps: parameters, velocities, and a mini-batch; on a card the next mini-batch too."""
    parameters = [*network.weights, *network.biases, *(v for pair in network.velocities for v in pair)]
    item_bytes = chain_of(network.sizes, batch_size=1, dtype=network.dtype).item_bytes
    held = batch_size * (2 if network.backend.asynchronous else 1)
    values = sum(int(a.size) for a in parameters) + held * (network.sizes[0] + network.sizes[-1])
    return values * item_bytes


def weights_sha256(network: Network) -> str:
    """SHA-256 of all weights and biases, first layer to last, in hex."""
    digest = hashlib.sha256()
    for a in [*network.weights, *network.biases]:
        digest.update(network.backend.to_numpy(a).tobytes())
    return digest.hexdigest()


class _MeasuredFirstStep:
    """Takes steps, and measures the first one on a whole mini-batch. `usage` is what it took."""

    def __init__(self, network: Network, batch_size: int) -> None:
        self._network, self._batch_size = network, batch_size
        self.usage = Usage()
        self._taken = False

    def __call__(self, X: Any, y: Any, eta: float) -> None:
        if self._taken or X.shape[0] != self._batch_size:
            self._network.update_mini_batch(X, y, eta=eta)
            return
        with self._network.backend.measure() as self.usage, self._marked():
            self._network.update_mini_batch(X, y, eta=eta)
        self._taken = True

    @contextmanager
    def _marked(self) -> Iterator[None]:
        """Mark the usage after each action, where there are actions."""
        network = self._network
        if not isinstance(network, NetworkWithCheckpointing):
            yield
            return
        before = network.after_action

        def mark(position: int, action: Action) -> None:
            self.usage.mark()
            if before is not None:
                before(position, action)

        network.after_action = mark
        try:
            yield
        finally:
            network.after_action = before
