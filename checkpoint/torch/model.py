"""What a step of nested checkpoints takes in PyTorch, from what each layer takes. No arrays here: numbers alone.

The rules are those of `torch.utils.checkpoint` where it is not re-entrant. A segment's forward run holds its input
alone. Once the error arrives it runs again, and everything that its layers save is held until their backward steps; it
stops early, as soon as the last saved tensor exists. A segment within a segment saves its input there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from checkpoint.schedule.nested import Interval


@dataclass(frozen=True, slots=True)
class LayerTrace:
    """What one layer takes, measured: bytes and seconds.

    `output_bytes` are those of its output's memory, which is its input's if it `shares` it; with `in_place` it changes
    its input. `inner_bytes` are what it saves for its backward step beside input and output, each of which it may need.
    Above those at the start, `dropping_bytes` are the most of a forward run that saves nothing, `saving_bytes` of one
    that saves, and `backward_bytes` of its backward step, the error above being there; it leaves `gradient_bytes` of
    parameters, and an error of `error_bytes` for the layer below.
    """

    name: str
    output_bytes: int
    inner_bytes: int
    needs_input: bool
    needs_output: bool
    shares: bool
    in_place: bool
    dropping_bytes: int
    saving_bytes: int
    backward_bytes: int
    gradient_bytes: int
    error_bytes: int
    forward_seconds: float
    backward_seconds: float

    @property
    def saves(self) -> bool:
        """Whether its backward step needs anything of the forward pass."""
        return self.needs_input or self.needs_output or self.inner_bytes > 0


@dataclass(frozen=True, slots=True)
class Predicted:
    """A step's peak above parameters and mini-batch, its seconds, and those of them that run layers again."""

    peak_bytes: int
    seconds: float
    recomputed_seconds: float


def parts_of(interval: Interval) -> tuple[Interval, ...]:
    """The segments and single layers of an interval, in order."""
    return interval.parts or tuple(Interval(at, at + 1) for at in range(interval.start, interval.stop))


def is_segment(part: Interval) -> bool:
    """Whether a part of an interval is run again, being of several layers."""
    return part.stop > part.start + 1


def segments_in(interval: Interval) -> int:
    """The number of calls of `checkpoint`, at all depths."""
    return sum(1 + segments_in(part) for part in interval.parts if is_segment(part))


def predict(traces: Sequence[LayerTrace], whole: Interval, *, segment_bytes: int = 0) -> Predicted:
    """What a step takes. The output is held by the caller; gradients do not exist before it, as PyTorch advises.

    `segment_bytes` are what each call of `checkpoint` keeps beside its input: a state of random numbers.
    """
    step = _Step(traces)
    x = _Tensor(0)
    output, records = step.forward(whole, x, saving=True, again=False)
    error = step.new(traces[-1].output_bytes)
    step.touch(0)
    step.backward(records, error)
    step.drop(output)
    once = sum(trace.forward_seconds for trace in traces)
    return Predicted(step.peak + segment_bytes * segments_in(whole), step.seconds, step.forward_seconds - once)


class _Tensor:
    """Memory with the number of those that hold it."""

    __slots__ = ("nbytes", "references")

    def __init__(self, nbytes: int) -> None:
        self.nbytes, self.references = nbytes, 1


@dataclass(slots=True)
class _Record:
    """What waits for the backward pass: a layer with what it saved, or a segment with its input."""

    part: Interval
    held: list[_Tensor]


class _Step:
    """A step as it goes: live bytes, their peak, seconds."""

    def __init__(self, traces: Sequence[LayerTrace]) -> None:
        self.traces = traces
        self.live = self.peak = 0
        self.seconds = self.forward_seconds = 0.0

    def touch(self, more: int) -> None:
        self.peak = max(self.peak, self.live + more)

    def new(self, nbytes: int) -> _Tensor:
        self.live += nbytes
        return _Tensor(nbytes)

    def hold(self, tensor: _Tensor) -> _Tensor:
        tensor.references += 1
        return tensor

    def drop(self, tensor: _Tensor) -> None:
        tensor.references -= 1
        if not tensor.references:
            self.live -= tensor.nbytes

    def forward(self, interval: Interval, x: _Tensor, *, saving: bool, again: bool) -> tuple[_Tensor, list[_Record]]:
        """Run an interval from `x`; `again` in the backward pass, where it stops as soon as all that is saved exists.

        Returns the last activation, which has one holder more, and the records.
        """
        self.hold(x)
        records: list[_Record] = []
        parts = parts_of(interval)
        last = max((at for at, part in enumerate(parts) if self._saves(part)), default=-1) if again else len(parts)
        for at, part in enumerate(parts):
            if at > last:
                break
            if is_segment(part):
                if saving:
                    records.append(_Record(part, [self.hold(x)]))
                if at == last:
                    break
                y, _ = self.forward(part, x, saving=False, again=False)
            else:
                trace = self.traces[part.start]
                if at == last and not trace.needs_output and not trace.inner_bytes:
                    records.append(_Record(part, [self.hold(x)]))
                    break
                y, record = self._layer(part, trace, x, saving=saving)
                records += record
            self.drop(x)
            x = y
        return x, records

    def _saves(self, part: Interval) -> bool:
        return is_segment(part) or self.traces[part.start].saves

    def _layer(self, part: Interval, trace: LayerTrace, x: _Tensor, *, saving: bool) -> tuple[_Tensor, list[_Record]]:
        self.touch(trace.saving_bytes if saving else trace.dropping_bytes)
        self.seconds += trace.forward_seconds
        self.forward_seconds += trace.forward_seconds
        y = self.hold(x) if trace.shares else self.new(trace.output_bytes)
        if not saving:
            return y, []
        held = [self.hold(x)] if trace.needs_input else []
        held += [self.hold(y)] if trace.needs_output else []
        held += [self.new(trace.inner_bytes)]
        return y, [_Record(part, held)]

    def backward(self, records: list[_Record], error: _Tensor) -> _Tensor:
        """Take the error back through what is recorded, last first; returns the error below."""
        while records:
            record = records.pop()
            if is_segment(record.part):
                y, inner = self.forward(record.part, record.held[0], saving=True, again=True)
                self.drop(y)
                error = self.backward(inner, error)
            else:
                trace = self.traces[record.part.start]
                self.touch(trace.backward_bytes)
                self.seconds += trace.backward_seconds
                self.live += trace.gradient_bytes
                self.drop(error)
                error = self.new(trace.error_bytes)
            for tensor in record.held:
                self.drop(tensor)
        return error
