"""Every array of a step and how long it lives, from a schedule and a chain. No arrays here: bytes and positions.

An array lives from the action that takes it to the last action that it is used in, both included: within an action all
takes come before all returns, so whole actions are exact, and the sums of what lives are `simulate`'s bytes. The order
is the one in which the executor takes them, and the program places them: the first array listed is the first taken.

Source of what each action takes: `checkpoint.execution.step` and `mlp.steps`, which run them on arrays.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from checkpoint.schedule.actions import Action, Backward, Fetch, Forward, Release
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.layers import GeneralChain
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.stretches import Stretch, Turn

ACTIVATION, WEIGHT_GRADIENT, BIAS_GRADIENT, ERROR_PIECE = "a", "dW", "db", "piece"
"""The kinds of arrays. An activation becomes the error in its place; a gradient is a block, or a sum of row blocks."""
FORWARD, ERROR = "forward", "delta"
"""What a layer works in forward, and an error that has an array of its own: where activations are kept in halves."""
WORKSPACE, KEPT = "work", "kept"
"""In a `GeneralChain`: what a layer works in on the way back, and what stays of an activation beside its error."""


class StepArray(NamedTuple):
    """An array of layer `layer`, of `values` values: it lives from action `first` to action `last`, both included."""

    kind: str
    layer: int
    values: int
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.kind}{self.layer}"


class Repeat(NamedTuple):
    """The arrays from `first` to before `stop` of one row block, which stand for those of `times` blocks in a row."""

    first: int
    stop: int
    times: int


@dataclass(slots=True)
class Columns:
    """The arrays of a step, column by column, and those that stand for others."""

    kinds: list[str] = field(default_factory=list)
    layers: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)
    repeats: list[Repeat] = field(default_factory=list)

    def arrays(self) -> list[StepArray]:
        """The arrays one by one."""
        columns = self.kinds, self.layers, self.values, self.firsts, self.lasts
        return list(map(StepArray._make, zip(*columns, strict=True)))


def lifetimes(schedule: Schedule, chain: Chain, *, gradients: bool = True) -> list[StepArray]:
    """The arrays of a step of `schedule` on `chain`, in the order in which they are taken.

    The schedule is taken to be one that `simulate` accepts for this chain. `gradients` False leaves out the gradients,
    which then are whole and belong to whoever asked for them; the chain's uptake is then "in pieces".

    >>> from checkpoint.schedule.chain import chain_of
    >>> actions = (Forward(1), Forward(2), Backward(2), Backward(1))
    >>> arrays = lifetimes(Schedule(2, actions), chain_of([4, 3, 2], batch_size=5))
    >>> [f"{array} {array.first}-{array.last}" for array in arrays]
    ['a1 0-3', 'a2 1-2', 'db2 2-2', 'dW2 2-2', 'db1 3-3', 'dW1 3-3']
    """
    return columns_of(schedule, chain, gradients=gradients).arrays()


def columns_of(schedule: Schedule, chain: Chain, *, gradients: bool = True, briefly: bool = False) -> Columns:
    """The same in columns. `briefly`: of row blocks between the first and the last of a stretch, those of one alone.

    Positions are then those of the actions that are left. Whether what one block takes lies where that of the next one
    does is for `checkpoint.schedule.placement` to see.
    """
    step = _Step(replace(chain, pieces=schedule.pieces, planned_rows=schedule.planned_rows), gradients)
    position, columns = 0, step.columns
    for stretch in schedule.for_batch(chain.batch_size).stretches:
        for rows, times in turns_of(stretch, (end for _, _, end in step.held.values()), chain, briefly):
            start, stop = rows or (0, chain.batch_size)
            first = len(columns.kinds)
            for action in stretch.body:
                step.run(position, action, start, stop)
                position += 1
            if times > 1:
                columns.repeats.append(Repeat(first, len(columns.kinds), times))
    return columns


def turns_of(stretch: Stretch, ends: Iterable[int], chain: Chain, briefly: object) -> list[Turn]:
    """The blocks of a stretch: one for many, if `briefly`, where what is held ends with the mini-batch.

    `ends`: the row after the last one of each activation that is held. One that is held for some rows might end among
    those of the blocks, so that they would not all do the same.
    """
    return stretch.turns(briefly=bool(briefly) and all(end == chain.batch_size for end in ends))


class _Step:
    """The arrays so far, with the activations and the sums of gradients that are held."""

    def __init__(self, chain: Chain, gradients: bool) -> None:
        self.chain, self.gradients = chain, gradients
        self.columns = Columns()
        self.held: dict[int, tuple[int, int, int]] = {}  # layer -> index of its array, the first row, the one after
        self.errors: dict[int, int] = {}  # layer -> index of its error, which its activation in halves stays beside
        self.sums: dict[int, int] = {}  # layer -> index of its weights' sum, which the biases' follows

    def run(self, position: int, action: Action, start: int, stop: int) -> None:
        kind = type(action)
        if kind is Forward:
            self.forward(position, action.layer, start, stop, whole=action.whole)  # type: ignore[union-attr]
        elif kind is Backward:
            self.backward(position, action.layer, start, stop)
        elif kind is Release:
            self.drop(position, action.layer)
        elif kind is Fetch:
            self.hold(position, action.layer, start, stop)

    def take(self, position: int, kind: str, layer: int, values: int) -> int:
        columns = self.columns
        columns.kinds.append(kind)
        columns.layers.append(layer)
        columns.values.append(values)
        columns.firsts.append(position)
        columns.lasts.append(position)
        return len(columns.kinds) - 1

    def hold(self, position: int, layer: int, start: int, stop: int) -> None:
        values = self.chain.activation_values(layer, stop - start)
        self.held[layer] = self.take(position, ACTIVATION, layer, values), start, stop

    def drop(self, position: int, layer: int) -> None:
        self.columns.lasts[self.held.pop(layer)[0]] = position

    def forward(self, position: int, layer: int, start: int, stop: int, *, whole: bool) -> None:
        if working := self.chain.forward_values(layer, stop - start):
            self.take(position, FORWARD, layer, working)
        if not whole:
            self.hold(position, layer, start, stop)
        elif start == 0:
            self.hold(position, layer, 0, self.chain.batch_size)

    def backward(self, position: int, layer: int, start: int, stop: int) -> None:
        if isinstance(self.chain, GeneralChain):
            self.backward_of_any(position, layer, self.chain)
            return
        chain, rows = self.chain, stop - start
        n_in, n_out, whole = chain.widths[layer - 1], chain.widths[layer], rows == chain.batch_size
        bias, weight, error = chain.backward_values(layer, rows)
        if chain.is_half(layer - 1):
            self.turn(position, layer - 1, start, stop)
        if whole and not self.gradients:
            bias, weight, error = 0, 0, error and chain.piece_rows(layer, rows)[1] * n_in
        if weight:
            self.take(position, BIAS_GRADIENT, layer, bias)
            self.take(position, WEIGHT_GRADIENT, layer, weight)
        elif self.gradients and not whole and layer not in self.sums and chain.sum_bytes(layer):
            self.sums[layer] = self.take(position, WEIGHT_GRADIENT, layer, n_in * n_out)
            self.take(position, BIAS_GRADIENT, layer, n_out)
        if error:
            self.take(position, ERROR_PIECE, layer, error)
        if stop == self.held[layer][2]:
            self.drop(position, layer)
        if layer in self.sums and stop == chain.batch_size:
            index = self.sums.pop(layer)
            self.columns.lasts[index] = self.columns.lasts[index + 1] = position

    def turn(self, position: int, layer: int, start: int, stop: int) -> None:
        """Rows of an activation in halves become the error in an array apart; that takes its place with the last."""
        index, first, end = self.held[layer]
        if start == first:
            self.errors[layer] = self.take(position, ERROR, layer, (end - first) * self.chain.widths[layer])
        if stop == end:
            self.columns.lasts[index] = position
            self.held[layer] = self.errors.pop(layer), first, end

    def backward_of_any(self, position: int, layer: int, chain: GeneralChain) -> None:
        """A backward step of a layer that is given as numbers."""
        stays = (layer, layer - 1) if layer == chain.n_layers else (layer - 1,)
        for number in stays:
            if kept := chain.kept_bytes(number):
                self.sums[number] = self.take(position, KEPT, number, kept)
        if working := chain.workspace_bytes(layer):
            self.take(position, WORKSPACE, layer, working)
        self.drop(position, layer)
        if layer in self.sums:
            self.columns.lasts[self.sums.pop(layer)] = position
