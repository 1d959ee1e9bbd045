"""What ranks find out of each other before they train: that they are about to do the same, on cores that they share."""

import os
import socket
from collections.abc import Mapping

from backend import Backend
from backend.limits import cores, requested_threads
from checkpoint.errors import CheckpointError
from checkpoint.execution.ranks.links.base import Link
from mlp.saving import environment

ALIKE = ("mlp-checkpointing", "python", "numpy", "kernels", "cupy")
"""What of the environment has to be the same on all ranks. Processors may differ: the kernels' sums do not."""


def share_cores(link: Link, backend: Backend) -> None:
    """Have the kernels run on this rank's part of the cores that it shares with others, unless OMP_NUM_THREADS says."""
    engine = getattr(backend, "engine", None)
    if engine is None or requested_threads(os.environ) is not None:
        return
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    place = f"{socket.gethostname()} {allowed}"
    together = link.exchange(place).count(place)
    engine.threads = max(1, min(engine.threads, cores() // together))


def check_alike(link: Link, backend: Backend, facts: Mapping[str, str]) -> None:
    """Raise `CheckpointError` unless versions and `facts` are the same on all ranks, naming the first that is not."""
    here = environment(backend)
    facts = {name: here.get(name, "") for name in ALIKE} | dict(facts)
    told = link.exchange("\0".join(f"{name}\1{value}" for name, value in facts.items()))
    first = told[0].split("\0")
    for rank, text in enumerate(told):
        for ours, theirs in zip(first, text.split("\0"), strict=False):
            if ours != theirs:
                (name, value), (_, other) = ours.split("\1"), theirs.split("\1")
                raise CheckpointError(
                    f"{name} is {other[:60]} on rank {rank} and {value[:60]} on rank 0; all ranks need the same"
                )
