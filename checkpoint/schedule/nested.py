"""A schedule as nested calls of a function that checkpoints, such as PyTorch's. Plain text; no arrays here.

`torch.utils.checkpoint.checkpoint(f, x)` keeps x, runs f and holds nothing of it, and runs f again when the error
arrives. So a run from a_i to a checkpoint a_k is a call of it on the layers i + 1 .. k, and what is done with them in
the backward pass is in f: nested calls. That is the class of persistent schedules: what is kept stays until its own
backward step, and each interval is taken back from its own start.
"""

from dataclasses import dataclass
from itertools import pairwise

from checkpoint.errors import CheckpointError
from checkpoint.schedule.actions import Action, Backward, Forward, Release
from checkpoint.schedule.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Interval:
    """Layers start + 1 .. stop: held at once, or in `parts`, those of several layers being run again from their starts.

    Neighbouring single layers are parts of their own, as nothing between them is run again.
    """

    start: int
    stop: int
    parts: "tuple[Interval, ...]" = ()


def nested(schedule: Schedule) -> Interval:
    """The intervals of a persistent schedule for whole mini-batches, which `simulate` accepts.

    Raises `CheckpointError` for any other schedule: no nested calls do the same.
    """
    if any(action.rows is not None or not isinstance(action, Forward | Backward | Release) for action in schedule):
        raise CheckpointError("nested calls have no row blocks and no offload; plan without them to export a schedule")
    reader, last = _Reader(schedule.actions), schedule.n_layers
    whole = reader.interval(0, last, top=last)
    if reader.at < len(schedule):
        raise _other()
    return whole


def to_torch(schedule: Schedule) -> str:
    """A module of Python whose `forward(layers, x)` runs a list of `n_layers` modules with PyTorch's checkpoints.

    Gradients are those of `for layer in layers: x = layer(x)`. Layers that change when they run, as BatchNorm does,
    change twice.

    >>> from checkpoint.strategies import every_nth
    >>> print(to_torch(every_nth(n_layers=4, n=2)).split("def ")[-1].strip())
    forward(layers, x):
        x = kept(run, layers[0:2], x)
        return run(layers[2:4], x)
    """
    definitions: list[str] = []
    waiting = [("forward", nested(schedule))]
    while waiting:
        name, interval = waiting.pop()
        lines = [f"def {name}(layers, x):"]
        single = interval.start  # single layers from here on are not written yet
        for part in interval.parts:
            if part.stop > part.start + 1:
                if single < part.start:
                    lines.append(f"    x = run(layers[{single}:{part.start}], x)")
                single = part.stop
                inner, layers = "run", f"layers[{part.start}:{part.stop}]"
                if part.parts:
                    inner, layers = f"_{part.start}_to_{part.stop}", "layers"
                    waiting.append((inner, part))
                lines.append(f"    x = kept({inner}, {layers}, x)")
        if single < interval.stop:
            lines.append(f"    x = run(layers[{single}:{interval.stop}], x)")
        lines[-1] = lines[-1].replace("x =", "return", 1)
        definitions.append("\n".join(lines))
    head = _HEAD.format(n=schedule.n_layers, name=schedule.name or "a schedule")
    return "\n\n\n".join([head, *reversed(definitions)]) + "\n"


_HEAD = '''\
"""{name}: layers 1 to {n} of a network, as nested checkpoints. `layers` is a list of modules, or a Sequential."""

from functools import partial

from torch.utils.checkpoint import checkpoint

kept = partial(checkpoint, use_reentrant=False)


def run(layers, x):
    for layer in layers:
        x = layer(x)
    return x'''


class _Reader:
    """Reads intervals from the actions: a run in which some activations are kept, then the parts from last to first."""

    def __init__(self, actions: tuple[Action, ...]) -> None:
        self.actions = actions
        self.at = 0

    def interval(self, start: int, stop: int, *, top: int) -> Interval:
        """The interval whose actions begin here; `top` is the last layer that runs, below it but in the first run."""
        kept = set(range(start + 1, top + 1))
        for layer in range(start + 1, top + 1):
            if not self._takes(Forward(layer)):
                raise _other()
            if layer - 1 in kept and self._takes(Release(layer - 1)):
                kept.remove(layer - 1)
        places = [start, *sorted(kept | {stop})]
        parts: list[Interval] = []
        for before, after in reversed(list(pairwise(places))):
            if after > before + 1:
                parts.append(self.interval(before, after, top=after - 1))
            elif self._takes(Backward(after)):
                parts.append(Interval(before, after))
            else:
                raise _other()
        return Interval(start, stop, tuple(parts[::-1])) if len(kept) < top - start else Interval(start, stop)

    def _takes(self, action: Action) -> bool:
        taken = self.at < len(self.actions) and self.actions[self.at] == action
        self.at += taken
        return taken


def _other() -> CheckpointError:
    return CheckpointError(
        "nested calls cannot say this schedule: it is not persistent, as an activation is kept for a time alone; plan "
        "for a little more or less, or export it to checkpoint-schedules"
    )
