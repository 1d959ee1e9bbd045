"""What copies to the host and back add to the cost of a step. Plain numbers; no arrays here.

A step is two queues, one that computes and one that copies, each of which takes its actions in order. A copy begins
when the computing queue has reached its action; the computing queue waits for a copy at the release of what went out,
and at the first use of what came back. Where copies aren't overlapped, it waits for each at once.
"""

from dataclasses import dataclass
from math import isfinite
from numbers import Real

from checkpoint.errors import CheckpointError
from checkpoint.planning.costs import Cost, Flops
from checkpoint.schedule.actions import Backward, Fetch, Forward, Offload, Release
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Offloading:
    """How fast activations go to the host or to a file, and come back: `seconds_per_copy` and `bytes_per_second`.

    `flops_per_second` is what operations are converted to seconds with, where a plan counts operations; a plan in
    seconds doesn't need it. `overlapped` says whether copies run beside the computing.
    `checkpoint.measuring.bandwidth` measures all of it. Raises `CheckpointError` for a rate that isn't positive.

    >>> Offloading(bytes_per_second=1e9).seconds(5 * 10**8)
    0.5
    """

    bytes_per_second: float
    flops_per_second: float | None = None
    seconds_per_copy: float = 0.0
    overlapped: bool = True

    def __post_init__(self) -> None:
        for name in ("bytes_per_second", "flops_per_second"):
            rate = getattr(self, name)
            if not (rate is None and name == "flops_per_second") and not (_finite(rate) and rate > 0):
                raise CheckpointError(f"{name} must be above 0 and finite; got {rate!r}")
        if not (_finite(self.seconds_per_copy) and self.seconds_per_copy >= 0):
            raise CheckpointError(f"seconds_per_copy must be 0 or more and finite; got {self.seconds_per_copy!r}")

    def seconds(self, size: int) -> float:
        """The seconds that a copy of `size` bytes takes, one way."""
        return self.seconds_per_copy + size / self.bytes_per_second

    def copy_cost(self, size: int, cost: Cost) -> float:
        """The same in the unit of `cost`: in operations for `Flops`, in seconds for anything else."""
        if not isinstance(cost, Flops):
            return self.seconds(size)
        if self.flops_per_second is None:
            raise CheckpointError("a plan that counts operations needs flops_per_second to weigh copies with; give it")
        return self.seconds(size) * self.flops_per_second


def _finite(value: object) -> bool:
    return isinstance(value, Real) and isfinite(value)


def cost_with_copies(
    schedule: Schedule, chain: Chain, cost: Cost, offloading: Offloading, *, slower: float = 1
) -> float:
    """The cost of a step that follows `schedule`, until both queues are through; computing is `slower` times `cost`."""
    now: float = 0
    copied: float = 0  # when the copying queue has done all that it was asked to
    out: dict[int, float] = {}
    back: dict[int, float] = {}
    for action in schedule.actions:
        layer = action.layer
        if isinstance(action, Offload | Fetch):
            copied = max(now, copied) + offloading.copy_cost(chain.host_bytes(layer), cost)
            (out if isinstance(action, Offload) else back)[layer] = copied
            if not offloading.overlapped:
                now = copied
            continue
        if isinstance(action, Release):
            now = max(now, out.pop(layer, 0), back.pop(layer, 0))
            continue
        needed = (layer - 1,) if isinstance(action, Forward) else (layer - 1, layer)
        now = max([now, *(back.pop(number, 0) for number in needed)])
        start, stop = action.rows or (0, chain.batch_size)
        run = cost.backward if isinstance(action, Backward) else cost.forward
        now += run(layer, stop - start) * slower
    return now
