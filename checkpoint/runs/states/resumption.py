"""A training that goes on from a saved state: its settings, what must not change, and what can be promised."""

import argparse
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from checkpoint.errors import CheckpointError
from checkpoint.execution.arguments import arguments_of
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.planning.planned import keeps_bits
from checkpoint.runs.settings import RunSettings
from checkpoint.runs.states.saver import BEST_EPOCH
from checkpoint.runs.states.trained_data import is_trained_data, note_of, noted
from checkpoint.schedule.schedule import Schedule
from checkpoint.strategies import micro_batches
from checkpoint.units import counted, how_far
from mlp import Network, Progress, SavedState, StateError, format_sizes, read_state
from mlp.data import Dataset
from mlp.data.values.preparation import MAX_TEXT, NOTE
from mlp.saving import differences, environment

NETWORK_SETTINGS = (
    *("sizes", "activation", "output_activation", "cost"),
    *("initialization", "dtype", "precision", "momentum", "optimizer", "dropout", "seed"),
)
ORDER_SETTINGS = {"batch_size": "mini_batch_size", "shuffle": "shuffle"}


@dataclass(frozen=True, slots=True)
class Resumption:
    """A saved state to go on from, and whether its data may have changed since."""

    path: Path
    state: SavedState
    progress: Progress
    allow_changed_data: bool = False

    @classmethod
    def read(cls, path: Path, *, allow_changed_data: bool = False) -> "Resumption":
        """The resumption from the state at `path`. Raises `StateError` for a file that no training can go on from."""
        state = read_state(path)
        if state.progress is None:
            raise StateError("holds a network and no training to go on with; it can be evaluated", path=path)
        return cls(path, state, state.progress, allow_changed_data)

    @property
    def settings(self) -> RunSettings:
        """The settings of the saved run, which stand unless an option on the command line changes them."""
        state, notes = self.state, self.state.notes
        return RunSettings(
            sizes=state.sizes,
            **state.network_arguments,
            epochs=self.progress.epochs,
            batch_size=self.progress.mini_batch_size,
            eta=self.progress.eta,
            shuffle=self.progress.shuffle,
            rate=notes.get("rate") or "constant",
            checkpoint=notes.get("checkpoint", "none"),
            budget=notes.get("budget") or None,
            backend=state.environment.get("backend", "numpy"),
            offload=notes.get("offload") or None,
            bandwidth=notes.get("bandwidth") or None,
            speed=notes.get("speed") or None,
            sum_groups=int(notes.get("sum_groups") or 0) or None,
        )

    def schedule(self, settings: RunSettings) -> Schedule | None:
        """The saved schedule, where a file had it and it is to be followed still; the file is not read again."""
        if settings.choice.path is None or settings.choice != self.settings.choice:
            return None
        found: Schedule | None = arguments_of(self.state.arguments, None, self.path).get("schedule")
        return found

    def check_settings(self, settings: RunSettings) -> None:
        """Raise `CheckpointError` for `settings` of another network, and for those that lose the place in the epoch."""
        saved = self.settings
        for name in NETWORK_SETTINGS:
            was, now = getattr(saved, name), getattr(settings, name)
            if was != now:
                raise CheckpointError(
                    f"{self.path} is of a network with {name} {_shown(was)}; {_shown(now)} would be another network, "
                    f"leave the option out"
                )
        for name in ORDER_SETTINGS:
            was, now = getattr(saved, name), getattr(settings, name)
            if was != now and self.progress.step:
                raise CheckpointError(
                    f"{self.path} was saved {counted(self.progress.step, 'step')} into an epoch with {name} {was}; "
                    f"{now} would lose the place, leave the option out"
                )
        if saved.sum_groups != settings.sum_groups:
            raise CheckpointError(
                f"{self.path} was trained with {_groups(saved.sum_groups)}; with {_groups(settings.sum_groups)} the "
                f"weights would have other last bits, leave --sum-groups out"
            )
        if self.progress.epoch > settings.epochs:
            raise CheckpointError(
                f"{self.path} is complete, {how_far(self.progress.epoch, 0)}; ask for more, such as --epochs "
                f"{self.progress.epoch}"
            )

    def check_data(self, dataset: Dataset) -> None:
        """Raise `CheckpointError` where the data is not that of the saved run, unless that is allowed."""
        if not self.allow_changed_data and is_trained_data(dataset, self.state) is False:
            raise CheckpointError(
                f"{dataset.name} is not the data that {self.path} was trained on: its SHA-256 is "
                f"{dataset.digest[:12]}..., was {self.progress.data_digest[:12]}...; give that data with --data, or "
                f"--allow-changed-data"
            )

    def promise(self, settings: RunSettings, network: Network, dataset: Dataset) -> str:
        """One line: where training goes on, and whether the end is that of an uninterrupted run, to the last bit."""
        changed = differences(dict(self.state.environment), environment(network.backend))
        n_samples = len(dataset.train)
        for name in ("eta", "rate", *ORDER_SETTINGS):
            was, now = getattr(self.settings, name), getattr(settings, name)
            if was != now:
                changed.append(f"{name} {now}, was {was}")
        if not changed and self.settings.learning_rate(n_samples) != settings.learning_rate(n_samples):
            changed.append(f"rate {settings.rate} over {counted(settings.epochs, 'epoch')}, was {self.settings.epochs}")
        if (same := is_trained_data(dataset, self.state)) is not True:
            changed.append("other data" if same is False else "data that was not compared")
        blocks = row_blocks(network, settings.batch_size, n_samples)
        if blocks != self.state.notes.get("row_blocks", ""):
            changed.append("other row blocks, which add in another order")
        where = f"going on from {self.path}, {how_far(self.progress.epoch, self.progress.step)}"
        if BEST_EPOCH in self.state.notes:
            changed.append("it holds the parameters of its best epoch, not of its last")
        elif settings.early_stopping is not None:
            changed.append("early stopping does not know the epochs before")
        if changed:
            return (
                f"{where}; the end will differ in its last bits from that of an uninterrupted run: {', '.join(changed)}"
            )
        return f"{where}; the final weights will be those of an uninterrupted run, to the last bit"


def notes_of(settings: RunSettings, network: Network, dataset: Dataset, data: str) -> Mapping[str, str]:
    """The notes of a saved state, beside what `mlp` saves: how the run checkpoints, where its data is and what it was.

    Raises `CheckpointError` where that is more than a saved state has room for.
    """
    preparation = dataset.preparation.to_json()
    if len(preparation) > MAX_TEXT // 2:
        raise CheckpointError(
            f"what is to be saved of {dataset.name} takes {len(preparation)} bytes, the limit is {MAX_TEXT // 2}; "
            f"leave columns out, or scale them beforehand and give --scale none"
        )
    return {
        "rate": settings.rate,
        "checkpoint": settings.checkpoint,
        "budget": settings.budget or "",
        "offload": settings.offload or "",
        "bandwidth": settings.bandwidth or "",
        "speed": settings.speed or "",
        "sum_groups": str(settings.sum_groups or ""),
        "row_blocks": row_blocks(network, settings.batch_size, len(dataset.train)),
        "data": note_of(dataset, data),
        NOTE: preparation,
    }


def row_blocks(network: Network, batch_size: int, n_samples: int) -> str:
    """What tells apart schedules that add up in another order, for an epoch's mini-batches; "" where none does."""
    if not isinstance(network, NetworkWithCheckpointing):
        return ""
    sizes = {min(batch_size, n_samples), n_samples % batch_size or batch_size}
    if isinstance(network, NetworkOnRanks):
        return _blocks_of_ranks(network, sizes)
    digest = hashlib.sha256()
    blocked = False
    network.expect_batches(sizes)
    for size in sorted(sizes):
        schedule = network.schedule_for(size)
        if keeps_bits(schedule, network.chain(size)):
            continue
        blocked = True
        digest.update(f"{size} {' '.join(map(str, schedule))};".encode())
    return digest.hexdigest()[:16] if blocked else ""


def _blocks_of_ranks(network: NetworkOnRanks, sizes: Iterable[int]) -> str:
    """As `row_blocks`: those of turns are those of one process that takes micro-batches."""
    if network.backend.facts.chunk_rows is not None:
        return ""
    digest, blocked = hashlib.sha256(), False
    for size in sorted(sizes):
        blocks, rows = network.part(size).wave.blocks, network.block_rows
        if rows is None and len(blocks) == 1:
            continue
        blocked, text = True, str(blocks)
        if rows is not None:
            schedule = micro_batches(n_layers=network.n_layers, batch_size=size + rows, rows=rows)
            text = " ".join(map(str, schedule.for_batch(size)))
        digest.update(f"{size} {text};".encode())
    return digest.hexdigest()[:16] if blocked else ""


def data_of(args: argparse.Namespace, resumption: Resumption | None) -> str:
    """The data that is meant: as given, else the saved run's, else mnist."""
    if args.data is not None:
        return str(args.data)
    return (noted(resumption.state) if resumption else None) or "mnist"


def _groups(sum_groups: int | None) -> str:
    return "no groups of rows" if sum_groups is None else f"sums of {sum_groups} groups of rows"


def _shown(value: object) -> str:
    return format_sizes(value) if isinstance(value, tuple) else str(value)
