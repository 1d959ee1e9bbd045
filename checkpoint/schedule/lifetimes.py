"""Every array of a step and how long it lives, from a schedule and a chain. No arrays here: bytes and positions.

An array lives from the action that takes it to the last action that it is used in, both included: within an action all
takes come before all returns, so whole actions are exact, and the sums of what lives are `simulate`'s bytes. The order
is the one in which the executor takes them, and the program places them: the first array listed is the first taken.

Source of what each action takes: `checkpoint.execution.step` and `mlp.steps`, which run them on arrays.
"""

from dataclasses import replace
from typing import NamedTuple

from checkpoint.schedule.actions import Backward, Fetch, Forward, Release
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.layers import GeneralChain
from checkpoint.schedule.schedule import Schedule

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
    step = _Step(replace(chain, pieces=schedule.pieces, planned_rows=schedule.planned_rows), gradients)
    for position, action in enumerate(schedule.for_batch(chain.batch_size).actions):
        start, stop = action.rows or (0, chain.batch_size)
        if isinstance(action, Forward):
            step.forward(position, action, start, stop)
        elif isinstance(action, Backward):
            step.backward(position, action.layer, start, stop)
        elif isinstance(action, Release):
            step.drop(position, action.layer)
        elif isinstance(action, Fetch):
            step.hold(position, action.layer, start, stop)
    return list(map(StepArray._make, zip(*step.columns, strict=True)))


class _Step:
    """The arrays so far, column by column, with the activations and the sums of gradients that are held."""

    def __init__(self, chain: Chain, gradients: bool) -> None:
        self.chain, self.gradients = chain, gradients
        self.kinds: list[str] = []
        self.layers: list[int] = []
        self.values: list[int] = []
        self.firsts: list[int] = []
        self.lasts: list[int] = []
        self.held: dict[int, tuple[int, int, int]] = {}  # layer -> index of its array, the first row, the one after
        self.errors: dict[int, int] = {}  # layer -> index of its error, which its activation in halves stays beside
        self.sums: dict[int, int] = {}  # layer -> index of its weights' sum, which the biases' follows

    @property
    def columns(self) -> tuple[list[str], list[int], list[int], list[int], list[int]]:
        return self.kinds, self.layers, self.values, self.firsts, self.lasts

    def take(self, position: int, kind: str, layer: int, values: int) -> int:
        self.kinds.append(kind)
        self.layers.append(layer)
        self.values.append(values)
        self.firsts.append(position)
        self.lasts.append(position)
        return len(self.kinds) - 1

    def hold(self, position: int, layer: int, start: int, stop: int) -> None:
        values = self.chain.activation_values(layer, stop - start)
        self.held[layer] = self.take(position, ACTIVATION, layer, values), start, stop

    def drop(self, position: int, layer: int) -> None:
        self.lasts[self.held.pop(layer)[0]] = position

    def forward(self, position: int, action: Forward, start: int, stop: int) -> None:
        if working := self.chain.forward_values(action.layer, stop - start):
            self.take(position, FORWARD, action.layer, working)
        if not action.whole:
            self.hold(position, action.layer, start, stop)
        elif start == 0:
            self.hold(position, action.layer, 0, self.chain.batch_size)

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
            self.lasts[index] = self.lasts[index + 1] = position

    def turn(self, position: int, layer: int, start: int, stop: int) -> None:
        """Rows of an activation in halves become the error in an array apart; that takes its place with the last."""
        index, first, end = self.held[layer]
        if start == first:
            self.errors[layer] = self.take(position, ERROR, layer, (end - first) * self.chain.widths[layer])
        if stop == end:
            self.lasts[index] = position
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
            self.lasts[self.sums.pop(layer)] = position
