"""What a step holds on the device and on the host, and the rules by which actions change it. No arrays here."""

from dataclasses import dataclass, field

from checkpoint.schedule.actions import Action, Backward, Fetch, Forward, Offload
from checkpoint.schedule.chain import Chain


class Refused(Exception):
    """Why an action cannot be taken; whoever takes them adds which one it was."""


@dataclass(slots=True)
class _Held:
    """Rows `start` to `stop` of a layer's activation, made up to `made`; those below `turned` have become the error."""

    start: int
    stop: int
    bytes: int
    turned: int
    made: int


@dataclass(slots=True)
class _HostMemory:
    """The activations on the host, by layer, with the bytes of their values: it rounds nothing up."""

    held: dict[int, int] = field(default_factory=dict)
    copied_bytes: int = 0
    peak_bytes: int = 0

    def take(self, layer: int, size: int) -> None:
        self.held[layer] = size
        self.copied_bytes += size
        self.peak_bytes = max(self.peak_bytes, sum(self.held.values()))


@dataclass(slots=True)
class Holding:
    """What a step holds, action by action: `bytes` above rest."""

    chain: Chain
    bytes: int = 0
    held: dict[int, _Held] = field(default_factory=dict)
    run_rows: dict[int, int] = field(default_factory=dict)  # rows 0 to here of a layer have run forward
    done_rows: dict[int, int] = field(default_factory=dict)  # rows 0 to here of a layer have gone backward
    host: _HostMemory = field(default_factory=_HostMemory)

    def __post_init__(self) -> None:
        self.held[0] = _Held(0, self.chain.batch_size, 0, 0, self.chain.batch_size)

    def take(self, action: Action) -> tuple[int, bool]:
        """Take one action; the most bytes while it ran, and whether it ran a layer again."""
        if not 1 <= action.layer <= self.chain.n_layers:
            raise Refused(f"there is no layer {action.layer}, only 1 to {self.chain.n_layers}")
        start, stop = action.rows or (0, self.chain.batch_size)
        if not 0 <= start < stop <= self.chain.batch_size:
            raise Refused(f"rows {start}:{stop} are not rows of a mini-batch of {self.chain.batch_size}")
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
            raise Refused(f"layer {layer} has gone backward and its weights have changed; it must not run again")
        filling = whole and start > 0
        if filling and (layer not in self.held or self.held[layer].made != start):
            raise Refused(f"rows {start}:{stop} of a_{layer} do not follow those made of it before, from row 0 on")
        if filling and self.held[layer].stop < self.chain.batch_size:
            raise Refused(
                f"a_{layer} is held for rows {self.held[layer].start}:{start} alone; no others have a place there"
            )
        if layer in self.held and not filling:
            raise Refused(f"a_{layer} is held already; release it before running layer {layer} again")
        self._need(layer - 1, start, stop)
        again = start < self.run_rows.get(layer, 0)
        self.run_rows[layer] = max(stop, self.run_rows.get(layer, 0))
        working = self.chain.forward_bytes(layer, stop - start)
        if filling:
            self.held[layer].made = stop
            return self.bytes + working, again
        end = self.chain.batch_size if whole else stop
        taken = self.chain.activation_bytes(layer, end - start)
        self.held[layer] = _Held(start, end, taken, start, stop)
        self.bytes += taken
        return self.bytes + working, again

    def _release(self, layer: int, start: int, stop: int) -> int:
        held = self._find(layer, start, stop)
        if (held.start, held.stop) != (start, stop):
            raise Refused(f"rows {held.start}:{held.stop} of a_{layer} are held; they can only be released together")
        before = self.bytes
        self._drop(layer)
        return before

    def _offload(self, layer: int) -> int:
        self._need(layer, 0, self.chain.batch_size)
        if layer in self.host.held:
            raise Refused(f"a_{layer} is on the host already; fetch it before copying it there again")
        self.host.take(layer, self.chain.host_bytes(layer))
        return self.bytes

    def _fetch(self, layer: int) -> int:
        batch = self.chain.batch_size
        if layer not in self.host.held:
            names = ", ".join(f"a_{number}" for number in sorted(self.host.held)[:8]) or "none"
            raise Refused(f"a_{layer} is not on the host (it has: {names}); the schedule must offload it first")
        if layer in self.held:
            raise Refused(f"a_{layer} is held already; release it before fetching it from the host")
        del self.host.held[layer]
        taken = self.chain.activation_bytes(layer)
        self.held[layer] = _Held(0, batch, taken, 0, batch)
        self.bytes += taken
        return self.bytes

    def _backward(self, layer: int, start: int, stop: int) -> int:
        batch, n_layers = self.chain.batch_size, self.chain.n_layers
        done = self.done_rows.get(layer, 0)
        if start < done:
            raise Refused(f"rows up to {done} of layer {layer} have gone backward before; a gradient counts once")
        if start > done:
            raise Refused(f"rows {done}:{start} of layer {layer} must go backward first")
        if layer == n_layers:
            self._need(layer, start, stop)
            self.held[layer].turned = stop
        elif self._find(layer, start, stop).turned < stop:
            raise Refused(f"the error of layer {layer} is not held; layer {layer + 1} must go backward first")
        self._need(layer - 1, start, stop)
        below = self.held[layer - 1]
        if layer > 1 and below.turned < start:
            raise Refused(
                f"rows {below.turned}:{start} of a_{layer - 1} are held and can no longer become the error, as layer "
                f"{layer} has gone backward for them; hold rows from {start} on alone"
            )
        # So nothing is left on the host at the end, where every layer has gone backward.
        for turned in (layer - 1, layer) if layer == n_layers else (layer - 1,):
            if turned in self.host.held:
                raise Refused(
                    f"a_{turned} is on the host as well, and may be on its way there; release it and fetch it"
                )
        if start == 0 and stop < batch:
            self.bytes += self.chain.sum_bytes(layer)
        apart = self.chain.is_half(layer - 1)
        if apart:
            if start == below.start:
                self._take(below, self.chain.error_bytes(layer - 1, below.stop - below.start))
            peak = self.bytes + self.chain.step_bytes(layer, stop - start)
            if stop == below.stop:
                self._take(below, -self.chain.activation_bytes(layer - 1, below.stop - below.start))
        else:
            if layer == n_layers and stop == batch:
                self._stay(layer)
            if stop == batch:
                self._stay(layer - 1)
            peak = self.bytes + self.chain.workspace_bytes(layer, stop - start)
        self.done_rows[layer] = stop
        if layer > 1:
            self.held[layer - 1].turned = stop
        if self.held[layer].stop == stop:
            self._drop(layer)
        if start > 0 and stop == batch:
            self.bytes -= self.chain.sum_bytes(layer)
        return peak

    def _stay(self, layer: int) -> None:
        """Count what stays of an activation beside the error that it becomes."""
        self._take(self.held[layer], self.chain.kept_bytes(layer))

    def _take(self, held: _Held, size: int) -> None:
        self.bytes += size
        held.bytes += size

    def _find(self, layer: int, start: int, stop: int) -> _Held:
        held = self.held.get(layer)
        if held is None or not held.start <= start < stop <= held.stop:
            names = ", ".join(f"a_{number}" for number in sorted(self.held)[:8])
            raise Refused(f"a_{layer} is not held (held: {names}); the schedule must recompute it first")
        if held.made < stop:
            raise Refused(f"rows {held.made}:{held.stop} of a_{layer} have not been made yet")
        return held

    def _need(self, layer: int, start: int, stop: int) -> None:
        """Refuse unless the activation, not yet the error, is held in these rows."""
        if layer and self._find(layer, start, stop).turned > start:
            raise Refused(f"a_{layer} has become the error of layer {layer}; it must be used before")

    def _drop(self, layer: int) -> None:
        self.bytes -= self.held.pop(layer).bytes

    def unfinished_layer(self) -> int | None:
        """The first layer whose gradient is not complete; None where all are."""
        layers = range(1, self.chain.n_layers + 1)
        return next((layer for layer in layers if self.done_rows.get(layer, 0) < self.chain.batch_size), None)
