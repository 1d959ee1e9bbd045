"""The reader of schedules that asks what they would cost. No arrays here: it counts bytes and operations.

It is also the judge: a schedule that it accepts computes every layer's gradient exactly once, from activations and
errors that are held when they are needed. At its end nothing is held. `checkpoint.schedule.holding` has the rules.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from checkpoint.errors import ScheduleError
from checkpoint.schedule.actions import Action
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.holding import Holding, Refused
from checkpoint.schedule.schedule import Schedule


@dataclass(frozen=True, slots=True, repr=False)
class Simulation:
    """What a schedule costs on a chain. Bytes are array bytes above rest, and exact.

    At rest are the parameters and the mini-batch, with the weights of its rows where it has such: a plain array of
    weights that `update_mini_batch` has to convert is beyond these bytes.

    `peak_bytes` is the most at any moment. `bytes_after[i]` are held after action i, `peaks[i]` is the most while it
    runs. `recomputed[i]` says whether it runs a layer forward that has run before. `recomputed_layers` counts such
    runs in whole mini-batches, `recomputed_flops` their operations. `offloaded_bytes` are copied to the host in a step,
    and back; `host_peak_bytes` are the most that the host holds at any moment.
    """

    peak_bytes: int
    bytes_after: tuple[int, ...]
    peaks: tuple[int, ...]
    recomputed: tuple[bool, ...]
    recomputed_layers: int
    recomputed_flops: int
    forward_flops: int
    offloaded_bytes: int
    host_peak_bytes: int

    def __repr__(self) -> str:
        """The totals, without the figures of each action."""
        return (
            f"<Simulation: {len(self.peaks):,} actions, peak_bytes={self.peak_bytes}, recomputed_layers="
            f"{self.recomputed_layers}, recompute_fraction={self.recompute_fraction:.4g}, offloaded_bytes="
            f"{self.offloaded_bytes}>"
        )

    @property
    def recompute_fraction(self) -> float:
        """Recomputed forward operations over those of one forward pass."""
        return self.recomputed_flops / self.forward_flops if self.forward_flops else 0.0


def simulate(schedule: Schedule, chain: Chain) -> Simulation:
    """What `schedule` costs on `chain`; raises `ScheduleError` if it cannot be run there, naming the action.

    >>> from checkpoint.schedule.actions import Backward, Forward
    >>> from checkpoint.schedule.chain import chain_of
    >>> actions = (Forward(1), Forward(2), Backward(2), Backward(1))
    >>> simulate(Schedule(2, actions), chain_of([4, 3, 2], batch_size=5)).recomputed_layers
    0
    """
    holding = _checked(schedule, chain)
    bytes_after, peaks, recomputed = [], [], []
    recomputed_rows = recomputed_flops = 0
    for action, peak, again in _taken(schedule.for_batch(chain.batch_size), holding):
        bytes_after.append(holding.bytes)
        peaks.append(peak)
        recomputed.append(again)
        if again:
            start, stop = action.rows or (0, chain.batch_size)
            recomputed_rows += stop - start
            recomputed_flops += chain.forward_flops(action.layer, stop - start)
    return Simulation(
        peak_bytes=max(peaks),
        bytes_after=tuple(bytes_after),
        peaks=tuple(peaks),
        recomputed=tuple(recomputed),
        recomputed_layers=-(-recomputed_rows // chain.batch_size),
        recomputed_flops=recomputed_flops,
        forward_flops=chain.total_forward_flops,
        offloaded_bytes=holding.host.copied_bytes,
        host_peak_bytes=holding.host.peak_bytes,
    )


def judge(schedule: Schedule, chain: Chain) -> None:
    """Raise the error that `simulate` raises, if it does; nothing is noted of what `schedule` costs."""
    holding = _checked(schedule, chain)
    for _ in _taken(schedule.for_batch(chain.batch_size), holding):
        pass


def _checked(schedule: Schedule, chain: Chain) -> Holding:
    """What a step holds before its first action. Raises `ScheduleError` where the two do not go together."""
    if not isinstance(schedule, Schedule):
        own = "; give its .schedule" if hasattr(schedule, "schedule") else ""
        raise ScheduleError(f"simulate takes a Schedule, such as a plan's; got {repr(schedule)[:60]}{own}")
    if not isinstance(chain, Chain):
        raise ScheduleError(f"simulate takes a Chain, such as chain_of makes; got {repr(chain)[:60]}")
    if schedule.n_layers != chain.n_layers:
        raise ScheduleError(f"the schedule is for {schedule.n_layers} layers, the chain has {chain.n_layers}")
    if schedule.batch_size is None and schedule.row_block is not None:
        raise ScheduleError("a schedule with row blocks must say for how many rows it is; give it a batch_size")
    return Holding(replace(chain, pieces=schedule.pieces, planned_rows=schedule.planned_rows))


def _taken(schedule: Schedule, holding: Holding) -> Iterator[tuple[Action, int, bool]]:
    """Each action once it is taken, with the most bytes while it ran and whether it ran a layer again."""
    for position, action in enumerate(schedule):
        try:
            peak, again = holding.take(action)
        except Refused as refusal:
            raise ScheduleError(str(refusal), position=position, action=action) from None
        yield action, peak, again
    unfinished = holding.unfinished_layer()
    if unfinished is not None:
        raise ScheduleError(f"layer {unfinished} has not gone backward at the end; its gradient is missing")
