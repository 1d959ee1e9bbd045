"""The reader of schedules that asks what they would cost. No arrays here: it counts bytes and operations.

It is also the judge: a schedule that it accepts computes every layer's gradient exactly once, from activations and
errors that are held when they are needed. At its end nothing is held: each layer's backward step lets go of its error,
and what was copied to the host has come back.
"""

from dataclasses import dataclass, field, replace

from checkpoint.errors import ScheduleError
from checkpoint.schedule.actions import Action, Backward, Fetch, Forward, Offload
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a schedule costs on a chain. Bytes are array bytes above rest, and exact.

    `peak_bytes` is the most at any moment. `bytes_after[i]` are held after action i, `peaks[i]` is the most while it
    runs. `recomputed[i]` says whether it runs a layer forward that has run before. `recomputed_layers` counts such
    runs, whole mini-batches each, and `recomputed_flops` their operations. `offloaded_bytes` are copied to the host in
    all, and back; `host_peak_bytes` are the most that it holds at any moment.
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

    @property
    def recompute_fraction(self) -> float:
        """Recomputed forward operations over those of one forward pass."""
        return self.recomputed_flops / self.forward_flops


def simulate(schedule: Schedule, chain: Chain) -> Simulation:
    """What `schedule` costs on `chain`; raises `ScheduleError` if it cannot be run there, naming the action.

    >>> from checkpoint.schedule.chain import chain_of
    >>> actions = (Forward(1), Forward(2), Backward(2), Backward(1))
    >>> simulate(Schedule(2, actions), chain_of([4, 3, 2], batch_size=5)).recomputed_layers
    0
    """
    if schedule.n_layers != chain.n_layers:
        raise ScheduleError(f"the schedule is for {schedule.n_layers} layers, the chain has {chain.n_layers}")
    if schedule.batch_size is None and any(action.rows is not None for action in schedule.actions):
        raise ScheduleError("a schedule with row blocks must say for how many rows it is; give it a batch_size")
    schedule = schedule.for_batch(chain.batch_size)
    state = _State(replace(chain, pieces=schedule.pieces, planned_rows=schedule.planned_rows))
    bytes_after, peaks, recomputed = [], [], []
    recomputed_rows = recomputed_flops = 0
    for position, action in enumerate(schedule.actions):
        try:
            peak, again = state.take(action)
        except _Refused as refusal:
            raise ScheduleError(str(refusal), position=position, action=action) from None
        bytes_after.append(state.bytes)
        peaks.append(peak)
        recomputed.append(again)
        if again:
            start, stop = action.rows or (0, chain.batch_size)
            recomputed_rows += stop - start
            recomputed_flops += chain.forward_flops(action.layer, stop - start)
    state.check_finished()
    return Simulation(
        peak_bytes=max(peaks),
        bytes_after=tuple(bytes_after),
        peaks=tuple(peaks),
        recomputed=tuple(recomputed),
        recomputed_layers=-(-recomputed_rows // chain.batch_size),
        recomputed_flops=recomputed_flops,
        forward_flops=chain.total_forward_flops,
        offloaded_bytes=state.host.copied_bytes,
        host_peak_bytes=state.host.peak_bytes,
    )


class _Refused(Exception):
    """Why an action cannot be taken; `simulate` adds which one it was."""


@dataclass(slots=True)
class _Held:
    """Rows `start` to `stop` of a layer's activation, made up to `made`; those below `turned` have become the error."""

    start: int
    stop: int
    bytes: int
    turned: int
    made: int


@dataclass(slots=True)
class _Host:
    """The activations on the host, by layer, with the bytes of their values: it rounds nothing up."""

    held: dict[int, int] = field(default_factory=dict)
    copied_bytes: int = 0
    peak_bytes: int = 0

    def take(self, layer: int, size: int) -> None:
        self.held[layer] = size
        self.copied_bytes += size
        self.peak_bytes = max(self.peak_bytes, sum(self.held.values()))


@dataclass(slots=True)
class _State:
    chain: Chain
    bytes: int = 0
    held: dict[int, _Held] = field(default_factory=dict)
    run_rows: dict[int, int] = field(default_factory=dict)  # rows 0 to here of a layer have run forward
    done_rows: dict[int, int] = field(default_factory=dict)  # rows 0 to here of a layer have gone backward
    host: _Host = field(default_factory=_Host)

    def __post_init__(self) -> None:
        self.held[0] = _Held(0, self.chain.batch_size, 0, 0, self.chain.batch_size)

    def take(self, action: Action) -> tuple[int, bool]:
        """Take one action; the most bytes while it ran, and whether it ran a layer again."""
        if not 1 <= action.layer <= self.chain.n_layers:
            raise _Refused(f"there is no layer {action.layer}, only 1 to {self.chain.n_layers}")
        start, stop = action.rows or (0, self.chain.batch_size)
        if not 0 <= start < stop <= self.chain.batch_size:
            raise _Refused(f"rows {start}:{stop} are not rows of a mini-batch of {self.chain.batch_size}")
        if isinstance(action, Forward):
            return self._forward(action.layer, start, stop, whole=action.whole)
        if isinstance(action, Backward):
            return self._backward(action.layer, start, stop), False
        if isinstance(action, Offload):
            return self._offload(action.layer), False
        if isinstance(action, Fetch):
            return self._fetch(action.layer), False
        return self._release(action.layer, start, stop), False

    def _forward(self, layer: int, start: int, stop: int, *, whole: bool) -> tuple[int, bool]:
        if self.done_rows.get(layer, 0) == self.chain.batch_size:
            raise _Refused(f"layer {layer} has gone backward and its weights have changed; it must not run again")
        filling = whole and start > 0
        if filling and (layer not in self.held or self.held[layer].made != start):
            raise _Refused(f"rows {start}:{stop} of a_{layer} do not follow those made of it before, from row 0 on")
        if layer in self.held and not filling:
            raise _Refused(f"a_{layer} is held already; release it before running layer {layer} again")
        self._need(layer - 1, start, stop)
        again = start < self.run_rows.get(layer, 0)
        self.run_rows[layer] = max(stop, self.run_rows.get(layer, 0))
        if filling:
            self.held[layer].made = stop
            return self.bytes, again
        end = self.chain.batch_size if whole else stop
        taken = self.chain.activation_bytes(layer, end - start)
        self.held[layer] = _Held(start, end, taken, start, stop)
        self.bytes += taken
        return self.bytes, again

    def _release(self, layer: int, start: int, stop: int) -> int:
        held = self._find(layer, start, stop)
        if (held.start, held.stop) != (start, stop):
            raise _Refused(f"rows {held.start}:{held.stop} of a_{layer} are held; they can only be released together")
        before = self.bytes
        self._drop(layer)
        return before

    def _offload(self, layer: int) -> int:
        self._need(layer, 0, self.chain.batch_size)
        if layer in self.host.held:
            raise _Refused(f"a_{layer} is on the host already; fetch it before copying it there again")
        self.host.take(layer, self.chain.batch_size * self.chain.widths[layer] * self.chain.item_bytes)
        return self.bytes

    def _fetch(self, layer: int) -> int:
        batch = self.chain.batch_size
        if layer not in self.host.held:
            names = ", ".join(f"a_{number}" for number in sorted(self.host.held)[:8]) or "none"
            raise _Refused(f"a_{layer} is not on the host (there: {names}); the schedule must offload it first")
        if layer in self.held:
            raise _Refused(f"a_{layer} is held already; release it before fetching it from the host")
        del self.host.held[layer]
        taken = self.chain.activation_bytes(layer)
        self.held[layer] = _Held(0, batch, taken, 0, batch)
        self.bytes += taken
        return self.bytes

    def _backward(self, layer: int, start: int, stop: int) -> int:
        batch, n_layers = self.chain.batch_size, self.chain.n_layers
        done = self.done_rows.get(layer, 0)
        if start < done:
            raise _Refused(f"rows up to {done} of layer {layer} have gone backward before; a gradient counts once")
        if start > done:
            raise _Refused(f"rows {done}:{start} of layer {layer} must go backward first")
        if layer == n_layers:
            self._need(layer, start, stop)
            self.held[layer].turned = stop
        elif self._find(layer, start, stop).turned < stop:
            raise _Refused(f"the error of layer {layer} isn't there; layer {layer + 1} must go backward first")
        self._need(layer - 1, start, stop)
        # So nothing is left on the host at the end, where every layer has gone backward.
        for turned in (layer - 1, layer) if layer == n_layers else (layer - 1,):
            if turned in self.host.held:
                raise _Refused(
                    f"a_{turned} is on the host as well, and may be on its way there; release it and fetch it"
                )
        if start == 0 and stop < batch:
            self.bytes += self.chain.gradient_bytes(layer)
        peak = self.bytes + self.chain.workspace_bytes(layer, stop - start)
        self.done_rows[layer] = stop
        if layer > 1:
            self.held[layer - 1].turned = stop
        if self.held[layer].stop == stop:
            self._drop(layer)
        if start > 0 and stop == batch:
            self.bytes -= self.chain.gradient_bytes(layer)
        return peak

    def _find(self, layer: int, start: int, stop: int) -> _Held:
        held = self.held.get(layer)
        if held is None or not held.start <= start < stop <= held.stop:
            names = ", ".join(f"a_{number}" for number in sorted(self.held)[:8])
            raise _Refused(f"a_{layer} is not held (held: {names}); the schedule must recompute it first")
        if held.made < stop:
            raise _Refused(f"rows {held.made}:{held.stop} of a_{layer} have not been made yet")
        return held

    def _need(self, layer: int, start: int, stop: int) -> None:
        """Refuse unless the activation, not yet the error, is held in these rows."""
        if layer and self._find(layer, start, stop).turned > start:
            raise _Refused(f"a_{layer} has become the error of layer {layer}; it must be used before")

    def _drop(self, layer: int) -> None:
        self.bytes -= self.held.pop(layer).bytes

    def check_finished(self) -> None:
        for layer in range(1, self.chain.n_layers + 1):
            if self.done_rows.get(layer, 0) < self.chain.batch_size:
                raise ScheduleError(f"layer {layer} has not gone backward at the end; its gradient is missing")
