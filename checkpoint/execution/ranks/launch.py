"""Whether a launcher such as mpiexec has started this process among others. Loads nothing."""

import os
from collections.abc import Mapping

from checkpoint.errors import CheckpointError

_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
"""The variables by which launchers tell a process how many of them there are."""

_RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID")


def launched(environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """(rank, ranks) that the launcher of this process says; (0, 1) where there is none.

    >>> launched({"PMI_RANK": "2", "PMI_SIZE": "4"}), launched({})
    ((2, 4), (0, 1))
    """
    sizes = [environment[name] for name in _SIZES if environment.get(name, "").isdecimal()]
    ranks = [environment[name] for name in _RANKS if environment.get(name, "").isdecimal()]
    return (int(ranks[0]), int(sizes[0])) if ranks and sizes and int(sizes[0]) > 1 else (0, 1)


def check_launch(*, ranks: bool) -> None:
    """Raise `CheckpointError` where several processes were started and would all do the same: without `ranks`."""
    started = launched()[1]
    if started > 1 and not ranks:
        raise CheckpointError(
            f"a launcher has started {started} processes, which would all do the same; train on them together with "
            f"train --ranks, or start one"
        )
