"""Nested segments to choose from: planned ones, and the equal splits of `checkpoint_sequential`. Plain numbers.

Plans are made on a general chain, in which a layer's output takes what autograd holds of it; each is then judged by
`checkpoint.torch.model`, which knows PyTorch's rules, and the fastest within the budget is taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from checkpoint.errors import CheckpointError
from checkpoint.planning.costs import Flops
from checkpoint.planning.search import Search
from checkpoint.schedule.layers import GeneralChain, Layer, general_chain
from checkpoint.schedule.nested import Interval, nested
from checkpoint.schedule.schedule import Schedule
from checkpoint.torch.model import LayerTrace, Predicted, predict

POINTS, HALVINGS = 8, 4
"""So many budgets each chain is planned in; between two of them that is halved so often whose one alone fits."""
NANOSECONDS = 1e9


@dataclass(frozen=True, slots=True)
class Candidate:
    """Nested segments of layers, by name, and what a step of them takes. `segments`: of an equal split, else None."""

    name: str
    whole: Interval
    predicted: Predicted
    segments: int | None = None

    @property
    def order(self) -> tuple[float, int]:
        """What is better comes first: fewer seconds, then fewer bytes."""
        return self.predicted.seconds, self.predicted.peak_bytes


def equal_splits(traces: Sequence[LayerTrace], *, segment_bytes: int) -> Iterator[Candidate]:
    """Those of `checkpoint_sequential`, from one segment, which is no checkpoint, to one for each layer.

    A split whose segments would begin with a layer that changes its input in place is left out: PyTorch refuses it.
    """
    n = len(traces)
    for segments in range(1, n + 1):
        size = n // segments
        starts = [size * number for number in range(segments)]
        if any(traces[start].in_place for start in starts):
            continue
        parts = [Interval(a, b) for a, b in pairwise(starts)]
        last = starts[-1]
        whole = Interval(0, n, (*parts, *(Interval(at, at + 1) for at in range(last, n)))) if parts else Interval(0, n)
        name = "store all" if segments == 1 else f"checkpoint_sequential, {segments} segments"
        yield Candidate(name, whole, predict(traces, whole, segment_bytes=segment_bytes), segments)


def planned(traces: Sequence[LayerTrace], budget_bytes: int, *, segment_bytes: int) -> Iterator[Candidate]:
    """Planned ones, of budgets evenly spaced in their logarithm, and closer where one fits and the next does not."""
    for places, chain in chains(traces):
        search = Search(chain, Flops(chain), 1, persistent=True)
        least, most = search.smallest.need_bytes, search.store_all.need_bytes
        ratio = max(1, most) / max(1, least)
        waiting = [least * ratio ** (point / (POINTS - 1)) for point in range(POINTS)]
        fits = exceeds = 0.0
        halvings = HALVINGS
        while waiting:
            budget = waiting.pop(0)
            found = search.best(int(budget))
            whole = None if found is None else _nested(search.schedule(found), places)
            if whole is not None:
                predicted = predict(traces, whole, segment_bytes=segment_bytes)
                yield Candidate("planned", whole, predicted)
                if predicted.peak_bytes <= budget_bytes:
                    fits = max(fits, budget)
                else:
                    exceeds = min(exceeds or budget, budget)
            if not waiting and halvings and 0 < fits < exceeds:
                waiting, halvings = [(fits + exceeds) / 2], halvings - 1


def _nested(schedule: Schedule, places: Sequence[int]) -> Interval | None:
    """The intervals of layers of a schedule on a chain; None where it is no nested one, as a smallest peak's may be."""
    try:
        return _of_layers(nested(schedule), places)
    except CheckpointError:
        return None


def chains(traces: Sequence[LayerTrace]) -> list[tuple[list[int], GeneralChain]]:
    """Chains to plan on, with the places in `traces` where their layers begin, and the end.

    In the first two, segments begin where a backward step needs what lies there: an output takes all that is held of
    its layer, or its own bytes. In the third they begin where none needs it, as between a linear layer and its sigmoid:
    a segment that ends there need not run its last linear layer again, and a layer's output stands for what the next
    one saves.
    """
    n = len(traces)
    needed, other = [0], [0]
    for at in range(1, n):
        if not traces[at].in_place:
            (needed if traces[at - 1].needs_output or traces[at].needs_input else other).append(at)
    found: list[tuple[list[int], GeneralChain]] = []
    for places, held in ((needed, "whole"), (needed, "own"), (other, "next")):
        pairs = list(pairwise([*places, n]))
        saved = [_saved(traces[a:b]) for a, b in pairs]
        layers = [
            _unit(traces[a:b], held=held, saved=own, after=after)
            for (a, b), own, after in zip(pairs, saved, [*saved[1:], 0], strict=True)
        ]
        chain = general_chain(layers, name="measured")
        if len(pairs) > 1 and all(chain != known for _, known in found):
            found.append(([*places, n], chain))
    return found or [([0, n], general_chain([_unit(traces, held="own", saved=0, after=0)], name="measured"))]


def _saved(traces: Sequence[LayerTrace]) -> int:
    """The bytes that layers which run as one save beside the input of the first and the output of the last."""
    inner = sum(trace.inner_bytes for trace in traces)
    return inner + sum(
        below.output_bytes for below, above in pairwise(traces) if below.needs_output or above.needs_input
    )


def _unit(traces: Sequence[LayerTrace], *, held: str, saved: int, after: int) -> Layer:
    """Layers that run as one, which save `saved` bytes, as the next ones do `after`; for `held` see `chains`."""
    last, first = traces[-1], traces[0]
    output = {"whole": last.output_bytes + saved, "own": last.output_bytes, "next": max(last.output_bytes, after)}
    working = max(max(0, trace.backward_bytes - trace.error_bytes) for trace in traces)
    needs = "both" if first.needs_input and last.needs_output else "output" if last.needs_output else "input"
    return Layer(
        output[held],
        round(NANOSECONDS * sum(trace.forward_seconds for trace in traces)),
        round(NANOSECONDS * sum(trace.backward_seconds for trace in traces)),
        max(0, max(trace.dropping_bytes for trace in traces) - last.output_bytes),
        working + (saved if held == "own" else 0),
        needs,
        ", ".join(trace.name for trace in traces),
    )


def _of_layers(interval: Interval, places: Sequence[int]) -> Interval:
    """An interval of units as one of layers; a unit of several layers that is not run again is single layers."""
    parts: list[Interval] = []
    for part in interval.parts or tuple(Interval(at, at + 1) for at in range(interval.start, interval.stop)):
        if part.stop > part.start + 1:
            parts.append(_of_layers(part, places))
        else:
            parts += [Interval(at, at + 1) for at in range(places[part.start], places[part.stop])]
    return Interval(places[interval.start], places[interval.stop], tuple(parts))
