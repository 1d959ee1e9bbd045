"""Whether MPI takes arrays of a GPU as they are. A process of its own tries, as it crashes where MPI does not."""

import os
import subprocess
import sys
from collections.abc import Mapping

LOOPBACK = "checkpoint.execution.ranks.links.loopback"

PROBED = 2**15
"""The values of an array that is sent to try: more than a library sends in one go with the message."""

SECONDS = 60.0
"""A probe that takes longer has failed."""

LINK_VARIABLE = "MLP_CHECKPOINTING_GPU_LINK"
"""The environment variable that says "staged" where arrays are to go by way of the host without a probe."""

LAUNCHERS = ("PMI_", "PMIX_", "OMPI_", "PRTE_", "SLURM_", "HYDI_", "MPI_LOCAL", "MV2_COMM_WORLD")
"""What the names of variables begin with by which a launcher tells processes that they are together."""


def takes_device_arrays(device: int) -> bool:
    """Whether a probe on the GPU of number `device` succeeds."""
    if os.environ.get(LINK_VARIABLE) == "staged":
        return False
    command = [sys.executable, "-m", LOOPBACK, str(device)]
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(  # noqa: S603
            command, env=alone(os.environ), stdin=quiet, stdout=quiet, stderr=quiet, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def alone(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a process that is none of a launcher's, so that its MPI begins by itself."""
    return {name: value for name, value in environment.items() if not name.startswith(LAUNCHERS)}
