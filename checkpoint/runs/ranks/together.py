"""What a run does once where one process does it, and so that ranks agree where several do."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from checkpoint.execution.ranks.agreement import check_alike
from checkpoint.execution.ranks.links.base import Link
from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.execution.ranks.saving import restore_on_ranks
from checkpoint.ranks.cutting import blocks_of
from checkpoint.runs.ranks.saver import RankSaver
from checkpoint.runs.record import weights_sha256
from checkpoint.runs.saver import Saver, Saving
from checkpoint.runs.settings import RunSettings
from checkpoint.units import counted
from mlp import Network, Progress, restore_state
from mlp.data import Dataset

Made = TypeVar("Made")


def in_turn(link: Link, make: Callable[[], Made]) -> Made:
    """What `make` returns, on rank 0 first: what it puts into a cache is there for the others."""
    if link.rank == 0:
        made = make()
        link.exchange("")
        return made
    link.exchange("")
    return make()


def print_ranks(link: Link, settings: RunSettings) -> None:
    """Say which processes train, on which rows. Nothing where there is one."""
    if link.ranks == 1:
        return
    processes = link.exchange(str(os.getpid()))
    blocks = blocks_of(settings.batch_size, link.ranks, settings.choice.micro_batch_rows)
    idle = link.ranks - len(blocks)
    without = f"; {counted(idle, 'rank')} without rows: a mini-batch is cut into 128 rows and more" if idle > 0 else ""
    rows = ", ".join(str(stop - start) for start, stop in blocks[:8])
    print(
        f"{link.ranks} ranks, as processes {', '.join(processes[:16])}: blocks of {rows}"
        f"{', ...' if len(blocks) > 8 else ''} rows{without}"
    )


def begin_together(link: Link, network: Network, settings: RunSettings, dataset: Dataset) -> None:
    """Find that all ranks are about to train the same. Raises `CheckpointError` otherwise."""
    if link.ranks == 1:
        return
    check_alike(link, network.backend, _facts(network, settings, dataset))


def _facts(network: Network, settings: RunSettings, dataset: Dataset) -> Mapping[str, str]:
    facts = {name: str(value) for name, value in asdict(settings).items() if name not in ("device",)}
    facts["the data"] = dataset.digest[:12]
    facts["the SHA-256 of the weights"] = hashlib.sha256(weights_sha256(network).encode()).hexdigest()[:12]
    return facts


def restore(path: Path, network: Network) -> None:
    """Put what was saved at `path` into `network`, whoever trains it."""
    if isinstance(network, NetworkOnRanks) and network.on_ranks:
        restore_on_ranks(path, network)
    else:
        restore_state(path, network)


def saver_of(network: Network, progress: Progress, saving: Saving | None, notes: Mapping[str, str]) -> Saver:
    """What saves the state of `network`, whoever trains it."""
    if isinstance(network, NetworkOnRanks) and network.on_ranks:
        return RankSaver(network, progress, saving, notes)
    return Saver(network, progress, saving, notes)
