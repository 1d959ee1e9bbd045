"""A whole step in one call, where a backend can run one: the same bits as operation after operation.

A step that is not as `Network` has it, because a subclass or somebody else has changed one of its methods, because
somebody watches it or its bytes are measured, is taken operation after operation instead, with those methods called.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from backend.numpy.kernels.engine import KEPT_SLOTS, BadNumber
from mlp.buffers import Buffers
from mlp.errors import not_finite
from mlp.optimizers import OPTIMIZERS, GradientDescent, Momentum, Optimizer, Ruled, StepFacts
from mlp.records import INPUTS, ROW_WEIGHTS, TARGETS, Parameters, Records, Table, Update
from mlp.row_weights import RowWeights

MOST_SIZES = 4
"""The most sizes of mini-batches that programs are kept for: an operation takes 120 bytes in them."""


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
    """Run a program of the engine's; raises `TrainingError`, with the layer, for a number that is not finite."""
    try:
        program.run(bases, **numbers)
    except BadNumber as bad:
        raise not_finite("output" if bad.kind == "forward" else "error", bad.layer) from None


@dataclass(slots=True)
class Written:
    """A step as programs in an arena of `arena_bytes`: run in turn, with `between[i]` called before program i + 1.

    What is to be done between programs gets the arena; there is nothing to be done where `between` is empty. `ended` is
    called however the step ends.
    """

    arena_bytes: int
    tables: list[Table]
    between: list[Callable[[np.ndarray], None]] = field(default_factory=list)
    ended: Callable[[], None] | None = None
    made_from: Any = None
    programs: list[Any] = field(default_factory=list)


class Stepper(Parameters, Protocol):
    """What takes whole steps: layers with an optimizer, which can write a step of theirs down."""

    buffers: Buffers
    count: StepCount
    optimizer: Optimizer | Ruled
    optimizer_state: dict[str, tuple[tuple[Any, Any], ...]]
    steps_trained: int
    seed: int
    cost_total: Any
    """What adds costs up; where there are whole steps, in its `array`."""
    row_weights: RowWeights | None

    @property
    def momentum(self) -> float: ...

    @property
    def uptake(self) -> str: ...

    @property
    def weights(self) -> Sequence[Any]: ...

    @property
    def biases(self) -> Sequence[Any]: ...

    def steps_are_as_written(self) -> bool: ...

    def written_from(self, rows: int) -> Any: ...

    def write_step(self, rows: int, records: Records) -> Written: ...


class Programs:
    """The programs of a network's steps, for the sizes of mini-batches that came last."""

    def __init__(self) -> None:
        self._written: dict[tuple[int | str, ...], Written] = {}
        self._blocks: tuple[list[Any], list[Block] | None] = ([], None)

    def step(self, network: Stepper, X: Any, y: Any, rate: float) -> bool:
        """Take one step by a program; False, and nothing is done, where it has to be taken action by action."""
        engine = network.backend.whole_steps
        if engine is None or network.backend.measuring or not network.buffers.is_free:
            return False
        update = update_of(network.optimizer)
        if update is None or not network.steps_are_as_written():
            return False
        blocks = self._blocks_of(network)
        if blocks is None:
            return False
        numbers = _numbers_of(network, X.shape[0], rate)
        rows, leadings = X.shape[0], (rows_apart(X), rows_apart(y))
        made_from, weights = network.written_from(rows), network.row_weights
        key = rows, *leadings, int(weights is not None), network.uptake
        written = self._written.pop(key, None)
        if written is None or written.made_from is not made_from:
            records = Records(
                network, [block.offsets for block in blocks], leadings, update, weighted=weights is not None
            )
            written = network.write_step(rows, records)
            written.made_from = made_from
        self._written[key] = written  # the last one now
        if len(self._written) > MOST_SIZES:
            del self._written[next(iter(self._written))]
        arena = network.buffers.reserve(written.arena_bytes)
        total = network.cost_total
        bases = [arena, *(block.whole for block in blocks[:2]), X, y, total.array]
        bases.append(total.array if weights is None else weights.values)
        bases += (block.whole for block in blocks[2:])
        if not written.programs:
            for number in (INPUTS, TARGETS, *([ROW_WEIGHTS] if weights else [])):
                bases[number - 1] = read_only(bases[number - 1])
            written.programs = [
                engine.program(table.rows, dtype=network.dtype, bases=bases, repeats=table.repeats)
                for table in written.tables
            ]
            written.tables = []
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
        return True

    def _blocks_of(self, network: Stepper) -> list[Block] | None:
        """The blocks of weights, biases and what is kept; None where an array is apart, or may not be written to."""
        kept = list(network.optimizer_state.values())
        known, blocks = self._blocks
        if blocks is None or len(known) != len(kept) or any(a is not b for a, b in zip(known, kept, strict=True)):
            kinds = [network.weights, network.biases]
            for pairs in kept:
                kinds += zip(*pairs, strict=True)
            found = [block_of(list(arrays)) for arrays in kinds]
            self._blocks = kept, None if None in found else [block for block in found if block]
        arrays = (*network.weights, *network.biases, *(a for pairs in kept for pair in pairs for a in pair))
        return self._blocks[1] if all(a.flags.writeable for a in arrays) else None


def update_of(optimizer: Optimizer | Ruled) -> Update | None:
    """How programs step by an optimizer; None for one that they do not know."""
    kind = type(optimizer)
    if kind is GradientDescent:
        return Update("update")
    if kind is Momentum:
        return Update("update_momentum", ("velocity",))
    if isinstance(optimizer, Ruled) and OPTIMIZERS.get(optimizer.name) is kind:
        return Update(f"rule_{optimizer.rule}", tuple(KEPT_SLOTS[name] for name in optimizer.state_names))
    return None


def _numbers_of(network: Stepper, rows: int, rate: float) -> dict[str, Any]:
    """What a program of a step of `network` is run with."""
    optimizer, mask = network.optimizer, (network.seed % 2**64, network.steps_trained)
    if isinstance(optimizer, Ruled):
        return {"rule": optimizer.numbers(rate, StepFacts(rows, network.steps_trained + 1)), "mask": mask}
    return {"rate": rate, "momentum": network.momentum, "mask": mask}
