"""A whole step in one call, where a backend can run one: the same bits as operation after operation.

A step that is not as `Network` has it, because a subclass or somebody else has changed one of its methods, because
somebody watches it or its bytes are measured, is taken operation after operation instead, with those methods called.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, is_
from typing import Any, Protocol

import numpy as np

from backend import Backend
from backend.numpy.kernels.engine import KEPT_SLOTS
from backend.numpy.kernels.program import BadNumber
from mlp.buffers import Buffers
from mlp.errors import inputs_not_finite, not_finite
from mlp.optimizers import Momentum, Optimizer, Ruled, StepFacts, is_known
from mlp.records import ARENA, INPUTS, ROW_WEIGHTS, TARGETS, Parameters, Records, Table, Update
from mlp.row_weights import RowWeights

MOST_SIZES = 4
"""The most sizes of mini-batches that programs are kept for: an operation takes 120 bytes in them."""

_is_writeable = attrgetter("flags.writeable")


@dataclass(slots=True)
class StepCount:
    """How a network's steps were taken: `actions` of theirs run one by one, and `calls` of programs."""

    actions: int = 0
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """The array that others are parts of, without gaps, and their `offsets` in it in bytes."""

    whole: np.ndarray
    offsets: list[int]


def block_of(arrays: Sequence[np.ndarray]) -> Block | None:
    """The one array that all of these are parts of; None where they are not."""
    whole = arrays[0].base
    if not isinstance(whole, np.ndarray) or not whole.flags.c_contiguous:
        return None
    if not all(a.base is whole and a.flags.c_contiguous for a in arrays):
        return None
    start = whole.ctypes.data
    return Block(whole, [a.ctypes.data - start for a in arrays])


def rows_apart(x: np.ndarray) -> int:
    """How many values lie from one row of a matrix to the next."""
    return int(x.strides[0] // x.itemsize) if x.shape[0] > 1 else int(x.shape[1])


def read_only(x: np.ndarray) -> np.ndarray:
    """A view of an array that nobody can write through."""
    view = x[:]
    view.flags.writeable = False
    return view


def _run(program: Any, bases: Sequence[np.ndarray], **numbers: Any) -> None:
    """Run a program of the engine's; raises `TrainingError`, with the layer, for a number that is not finite.

    Raises `NetworkError` where it is one of X.
    """
    try:
        program.run(bases, **numbers)
    except BadNumber as bad:
        if bad.kind == "check_inputs":
            raise inputs_not_finite() from None
        raise not_finite("output" if bad.kind == "forward" else "error", bad.layer) from None


@dataclass(slots=True)
class Written:
    """A step as programs in an arena of `arena_bytes`: run in turn, with `between[i]` called before program i + 1.

    What is to be done between programs gets the arena; there is nothing to be done where `between` is empty. `ended` is
    called however the step ends. `wholes`: the blocks of arrays that it was made for.
    """

    arena_bytes: int
    tables: list[Table]
    between: list[Callable[[np.ndarray], None]] = field(default_factory=list)
    ended: Callable[[], None] | None = None
    made_from: tuple[Any, ...] = ()
    programs: list[Any] = field(default_factory=list)
    wholes: list[np.ndarray] = field(default_factory=list)


class Stepped(Protocol):
    """What takes whole steps."""

    backend: Backend
    buffers: Buffers
    count: StepCount
    optimizer: Optimizer | Ruled
    seed: int
    cost_total: Any
    """What adds costs up; where there are whole steps, in its `array`."""
    row_weights: RowWeights | None

    @property
    def uptake(self) -> str: ...

    def steps_are_as_written(self) -> bool: ...

    def made_from(self, rows: int) -> tuple[Any, ...]: ...


class Stepper(Stepped, Parameters, Protocol):
    """What takes whole steps: layers with an optimizer, which can write a step of theirs down."""

    optimizer_state: dict[str, tuple[tuple[Any, Any], ...]]
    steps_trained: int

    @property
    def momentum(self) -> float: ...

    @property
    def weights(self) -> Sequence[Any]: ...

    @property
    def biases(self) -> Sequence[Any]: ...

    def write_step(self, rows: int, records: Records) -> Written: ...


class Kept:
    """The arrays that steps of a network write to, as they were found, and the blocks that they are parts of."""

    def __init__(self, network: Stepper) -> None:
        self.states = list(network.optimizer_state.values())
        kinds = [network.weights, network.biases]
        for pairs in self.states:
            kinds += zip(*pairs, strict=True)
        found = [block_of(list(arrays)) for arrays in kinds]
        self.blocks = None if None in found else [block for block in found if block]
        """Of weights, biases and what the optimizer keeps; None where an array is apart."""
        self._arrays = [array for arrays in kinds for array in arrays]
        self._arrays += [block.whole for block in self.blocks or ()]

    def is_of(self, network: Stepper) -> bool:
        """Whether the network has these arrays still."""
        states = network.optimizer_state.values()
        return len(states) == len(self.states) and all(map(is_, states, self.states))

    def are_writeable(self) -> bool:
        """Whether each may be written to."""
        return all(map(_is_writeable, self._arrays))


class Programs:
    """The programs of a network's steps, for the sizes of mini-batches that came last."""

    def __init__(self) -> None:
        self._written: dict[tuple[int | str, ...], Written] = {}
        self._kept: Kept | None = None

    def can_step(self, network: Stepper) -> bool:
        """Whether the network's next step can be taken by a program: what programs do is what it would do."""
        if network.backend.whole_steps is None or not is_whole(network):
            return False
        kept = self._kept
        if kept is None or not kept.is_of(network):
            kept = self._kept = Kept(network)
        return kept.blocks is not None and kept.are_writeable()

    def step(self, network: Stepper, X: Any, y: Any, rate: float, *, checked: bool) -> None:
        """Take one step by a program, for a network that `can_step`; X is looked at unless it is `checked`."""
        rows, weights = X.shape[0], network.row_weights
        written = self._written_for(network, rows, (rows_apart(X), rows_apart(y)), checked=checked)
        arena, total = network.buffers.reserve(written.arena_bytes), network.cost_total
        first, second, *others = written.wholes
        bases = [arena, first, second, X, y, total.array, total.array if weights is None else weights.values, *others]
        if not written.programs:
            self._make(network, written, bases, weighted=weights is not None)
        numbers = _numbers_of(network, rows, rate)
        try:
            for number, program in enumerate(written.programs):
                if number:
                    written.between[number - 1](arena)
                if len(program):
                    network.count.calls += 1
                    _run(program, bases, **numbers)
            total.weight += rows
        finally:
            if written.ended is not None:
                written.ended()

    def _written_for(self, network: Stepper, rows: int, leadings: tuple[int, int], *, checked: bool) -> Written:
        """The step on so many rows, written down anew where what it was made from is not what there is now."""
        blocks = self._kept.blocks if self._kept is not None else None
        assert blocks is not None  # noqa: S101
        weighted = network.row_weights is not None
        key = rows, *leadings, weighted, checked, network.uptake
        made_from = *network.made_from(rows), blocks
        written = self._written.pop(key, None)
        if written is None or not all(map(is_, written.made_from, made_from)):
            offsets = [block.offsets for block in blocks]
            records = Records(network, offsets, leadings, update_of(network.optimizer), weighted=weighted)
            if not checked:
                records.check_inputs(rows)
            written = network.write_step(rows, records)
            written.made_from, written.wholes = made_from, [block.whole for block in blocks]
        self._written[key] = written  # the last one now
        if len(self._written) > MOST_SIZES:
            del self._written[next(iter(self._written))]
        return written

    def _make(self, network: Stepper, written: Written, bases: Sequence[np.ndarray], *, weighted: bool) -> None:
        """Make the programs of a step that is written down."""
        others = {ARENA, INPUTS, TARGETS, *([ROW_WEIGHTS] if weighted else [])}  # other arrays may come next time
        own, bases = [k for k in range(len(bases)) if k + 1 not in others], list(bases)
        for number in others - {ARENA}:
            bases[number - 1] = read_only(bases[number - 1])
        arena = bases[ARENA - 1]  # of which the next one may have no more than this step takes
        bases[ARENA - 1] = arena[: max(1, -(-written.arena_bytes // arena.itemsize))]
        written.programs = [
            network.backend.whole_steps.program(
                table.rows, dtype=network.dtype, bases=bases, repeats=table.repeats, steady=own
            )
            for table in written.tables
        ]
        written.tables = []


def is_whole(network: Stepped) -> bool:
    """Whether a network's next step may be taken at once: nobody watches it, and it is as `Network` has it."""
    if network.backend.measuring or not network.buffers.is_free:
        return False
    return is_known(network.optimizer) and network.steps_are_as_written()


def update_of(optimizer: Optimizer | Ruled) -> Update:
    """How programs step by an optimizer whose steps are known."""
    if isinstance(optimizer, Ruled):
        return Update(f"rule_{optimizer.rule}", tuple(KEPT_SLOTS[name] for name in optimizer.state_names))
    return Update("update_momentum", ("velocity",)) if type(optimizer) is Momentum else Update("update")


def _numbers_of(network: Stepper, rows: int, rate: float) -> dict[str, Any]:
    """What a program of a step of `network` is run with."""
    optimizer, mask = network.optimizer, (network.seed % 2**64, network.steps_trained)
    if isinstance(optimizer, Ruled):
        return {"rule": optimizer.numbers(rate, StepFacts(rows, network.steps_trained + 1)), "mask": mask}
    return {"rate": rate, "momentum": network.momentum, "mask": mask}
