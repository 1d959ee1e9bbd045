"""What a run does once where one process does it, and so that ranks agree where several do."""

import hashlib
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

from checkpoint.execution.ranks.agreement import check_alike
from checkpoint.execution.ranks.links.base import Link
from checkpoint.execution.ranks.links.device import DeviceLink
from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.execution.ranks.saving import restore_on_ranks
from checkpoint.ranks.cutting import blocks_of
from checkpoint.runs.ranks.saver import RankSaver
from checkpoint.runs.record import weights_sha256
from checkpoint.runs.settings import RunSettings
from checkpoint.runs.states.saver import Saver, Saving
from checkpoint.units import counted
from mlp import Network, Progress, restore_state
from mlp.data import Dataset

Made = TypeVar("Made")


def in_turn(link: Link, make: Callable[[], Made]) -> Made:
    """What `make` returns, on rank 0 first: what it puts into a cache is there for the others.

    Where it fails on rank 0 the others try all the same, and most often fail alike.
    """
    if link.rank == 0:
        try:
            return make()
        finally:
            link.exchange("")
    link.exchange("")
    return make()


def print_ranks(link: Link, settings: RunSettings) -> None:
    """Say which processes train, on which rows. Nothing where there is one."""
    if link.ranks == 1:
        return
    processes = link.exchange(str(os.getpid()))
    cut = {"block_rows": settings.choice.micro_batch_rows, "sum_groups": settings.sum_groups}
    blocks = blocks_of(settings.batch_size, link.ranks, **cut)
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
    print_gpus(link, network)


def on_own_device(link: Link, settings: RunSettings) -> RunSettings:
    """`settings` with the GPU of this rank: a node's ranks take its GPUs round robin, unless one was named for all."""
    if link.ranks == 1 or settings.backend != "cupy" or settings.device is not None:
        return settings
    from backend.cupy.detection import count_devices

    nodes = link.exchange(socket.gethostname())
    return replace(settings, device=nodes[: link.rank].count(nodes[link.rank]) % count_devices())


def print_gpus(link: Link, network: Network) -> None:
    """Say which ranks have which GPUs, how arrays go between them, and which bits nobody promises."""
    if not isinstance(network, NetworkOnRanks) or not isinstance(network.link, DeviceLink):
        return
    kinds = link.exchange(network.backend.device_name.partition(", ")[2])
    devices = link.exchange(str(network.backend.device.id))
    shown = ", ".join(f"rank {rank} on {device}" for rank, device in enumerate(devices[:8]))
    way = "MPI takes their arrays" if network.link.direct else "arrays go by way of pinned memory of the host"
    print(f"GPUs by number: {shown}{', ...' if link.ranks > 8 else ''}; {way}")
    if len(set(kinds)) > 1:
        other = next(rank for rank, kind in enumerate(kinds) if kind != kinds[0])
        print(
            f"the GPUs are of several kinds, {kinds[0]} on rank 0 and {kinds[other]} on rank {other}: all ranks have "
            f"the same weights, but their last bits depend on which GPU has which rows"
        )
    if network.block_rows is None:
        print(
            "a GPU's sums depend on how rows are cut, so the last bits of the weights depend on the number of ranks; "
            "--checkpoint micro:N has row blocks that do not"
        )


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
