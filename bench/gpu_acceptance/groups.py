"""The groups of checks of an acceptance run, in their order, and how long each may take."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from bench.gpu_acceptance.checks.array_bytes import bytes_as_predicted
from bench.gpu_acceptance.checks.copies import copies
from bench.gpu_acceptance.checks.environment import environment
from bench.gpu_acceptance.checks.launches import launches
from bench.gpu_acceptance.checks.limit import fits_under_a_budget
from bench.gpu_acceptance.checks.offload import offload
from bench.gpu_acceptance.checks.overlap import overlap
from bench.gpu_acceptance.checks.parity import parity
from bench.gpu_acceptance.checks.promise import promise
from bench.gpu_acceptance.checks.small_pieces import small_pieces
from bench.gpu_acceptance.checks.steps import CASES, steps
from bench.gpu_acceptance.checks.torch_steps import torch_steps
from bench.gpu_acceptance.rows import Row
from bench.gpu_acceptance.setting import Setting

ALL_SECONDS = 450
"""No group goes on after this long: half a minute less than the eight minutes promised."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group of checks: what makes its rows, and the seconds after which its process is killed.

    A `timed` group is of timings alone, and is left out where they mean nothing.
    """

    rows: Callable[[Setting], Iterator[Row]]
    seconds: float
    timed: bool = False


ENVIRONMENT = "environment"
"""The group that comes first, and without which there is no other."""

GROUPS = {
    ENVIRONMENT: Group(environment, 60),
    "parity": Group(parity, 60),
    "bytes": Group(bytes_as_predicted, 60),
    "promise": Group(promise, 60),
    "limit": Group(fits_under_a_budget, 40),
    "offload": Group(offload, 60),
    "small pieces": Group(small_pieces, 30),
    "copies": Group(copies, 30, timed=True),
    "overlap": Group(overlap, 45, timed=True),
    **{f"{case}, ours": Group(partial(steps, case), 60) for case in CASES},
    "launches": Group(launches, 45, timed=True),
    **{f"{case}, PyTorch": Group(partial(torch_steps, case), 90, timed=True) for case in CASES},
}
"""By name. What has most to lose in what comes after it is first; another library's steps are last."""
