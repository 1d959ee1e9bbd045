"""The records of a step: what each layer does, as rows of the table that `Backend.whole_steps` runs.

Operations are noted one by one, a few whole numbers each, and become columns of the table together. What is placed in
the arena is said by its offset in bytes, of the first row that is used; X and y by rows. NumPy backends only.
"""

from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from backend import Backend

ARENA, WEIGHTS, BIASES, INPUTS, TARGETS, COST_TOTAL, ROW_WEIGHTS, KEPT = range(1, 9)
"""The arrays that offsets count in, in the order in which a program is given them. From `KEPT` on are those that the
optimizer keeps, by kind: the weights' and then the biases'. Row weights are read where samples have weights."""

_OFFSET_BITS = 48
_ABSENT = -1
_FIELDS = ("kind", "layer", "start", "rows", "first", "width", "a", "out", "weight", "bias", "onto")


class Parameters(Protocol):
    """The layers whose steps are written down."""

    sizes: tuple[int, ...]
    dtype: str
    backend: Backend

    @property
    def n_layers(self) -> int: ...

    @property
    def error_activation(self) -> str: ...

    @property
    def cost(self) -> str: ...

    @property
    def dropped_below(self) -> tuple[int, ...]: ...

    def layer_activation(self, layer: int) -> str: ...


class Update(NamedTuple):
    """How a step changes parameters: the `kind` of its records, and the slots of the arrays that are kept for it."""

    kind: str
    kept: tuple[str, ...] = ()


class Table(NamedTuple):
    """Operations as rows, and those that are repeated, as `Backend.whole_steps` takes them."""

    rows: np.ndarray
    repeats: Sequence[tuple[int, int, int]] = ()


class Records:
    """The operations of one step of `layers`, whose parameters and what is kept lie at `offsets` in their bases.

    `leadings`: how many values lie from one row of X, and of y, to the next. `weighted`: whether samples have weights.
    """

    def __init__(
        self,
        layers: Parameters,
        offsets: Sequence[Sequence[int]],
        leadings: tuple[int, int],
        update: Update,
        *,
        weighted: bool = False,
    ) -> None:
        self._layers, self._offsets, self._leadings, self._kept = layers, offsets, leadings, update.kept
        self._engine = layers.backend.whole_steps
        kinds = self._engine.kinds
        self._forward, self._error, self._backward = (kinds[k] for k in ("forward", "output_error", "backward"))
        self._cost, self._scale_rows, self._weighted = kinds["cost"], kinds["scale_rows"], weighted
        self._backward_update, self._backward_momentum = kinds["backward_update"], kinds["backward_momentum"]
        self._add_velocity, self._check = kinds["add_velocity"], kinds["check_inputs"]
        self._update, self._fused = kinds[update.kind], update.kind == "update"
        self._noted = array("q")  # their fields, one after the other
        self._repeats: list[tuple[int, int, int]] = []

    def __len__(self) -> int:
        return len(self._noted) // len(_FIELDS)

    def repeat(self, first: int, times: int) -> None:
        """What is noted from operation `first` on, for one row block and then the next, is for `times` of them."""
        length, rest = divmod(len(self) - first, 2)
        if rest:
            raise AssertionError("two row blocks take as many operations")
        if length:
            self._repeats.append((first, length, times))

    def check_inputs(self, rows: int) -> None:
        """Whether X is finite: the program ends here where it is not."""
        self._noted.extend((self._check, 1, 0, rows, 0, self._layers.sizes[0], 0, 0, _ABSENT, _ABSENT, 0))

    def forward(self, layer: int, start: int, rows: int, a: int, out: int) -> None:
        """out := activation(a W + b) for some rows, the first of which is row `start` of the mini-batch."""
        self._noted.extend((self._forward, layer, start, rows, 0, 0, a, out, _ABSENT, _ABSENT, 0))

    def cost(self, start: int, rows: int, out: int) -> None:
        """The cost of the output at `out` is added to the total."""
        last = self._layers.n_layers
        self._noted.extend((self._cost, last, start, rows, 0, 0, 0, out, _ABSENT, _ABSENT, 0))

    def output_error(self, start: int, rows: int, out: int) -> None:
        """The output at `out` becomes its error, times the weights of the samples if they have any."""
        last = self._layers.n_layers
        for kind in (self._error, self._scale_rows) if self._weighted else (self._error,):
            self._noted.extend((kind, last, start, rows, 0, 0, 0, out, _ABSENT, _ABSENT, 0))

    def add_backward(
        self, layer: int, start: int, rows: int, a: int, delta: int, weight: int, bias: int, *, onto: bool
    ) -> None:
        """`Backward.add_backward_layer`: a row block's gradient, written to `weight` and `bias` or added onto them."""
        width = self._layers.sizes[layer - 1]
        self._noted.extend((self._backward, layer, start, rows, 0, width, a, delta, weight, bias, int(onto)))

    def update(self, layer: int, weight: int, bias: int) -> None:
        """Apply a layer's whole gradient."""
        self._noted.extend((self._update, layer, 0, 0, 0, self._layers.sizes[layer - 1], 0, 0, weight, bias, 0))

    def backward(self, layer: int, rows: int, a: int, delta: int, weight: int, bias: int, piece_rows: int) -> None:
        """`Backward.backward_layer` for the whole mini-batch, with each piece of the gradient applied at once."""
        n_in = self._layers.sizes[layer - 1]
        if self._fused:
            self._noted.extend((self._backward_update, layer, 0, rows, 0, n_in, a, delta, weight, bias, piece_rows))
            return
        for first in range(0, n_in, piece_rows):
            width = min(piece_rows, n_in - first)
            summed, applied = (_ABSENT if first else bias), (bias if first + width == n_in else _ABSENT)
            self._noted.extend((self._backward, layer, 0, rows, first, width, a, delta, weight, summed, 0))
            self._noted.extend((self._update, layer, 0, 0, first, width, 0, 0, weight, applied, 0))

    def add_onto_velocity(self, layer: int, start: int, rows: int, a: int, delta: int, *, begins: bool) -> None:
        """`Updated.backward_onto` for the velocity, and some rows, the first ones where it `begins` with them."""
        noted = (self._backward_momentum, layer, start, rows, 0, self._layers.sizes[layer - 1], a, delta)
        self._noted.extend((*noted, _ABSENT, _ABSENT, int(not begins)))

    def add_velocity(self, layer: int) -> None:
        """The weights and the bias of a layer change by their velocity."""
        n_in = self._layers.sizes[layer - 1]
        self._noted.extend((self._add_velocity, layer, 0, 0, 0, n_in, 0, 0, _ABSENT, _ABSENT, 0))

    def table(self) -> Table:
        """The table of all operations noted; none are left."""
        noted = np.frombuffer(self._noted, np.int64).reshape(-1, len(_FIELDS)).T
        repeats, self._repeats, self._noted = self._repeats, [], array("q")
        kind, layer, start, rows, first, width, a, out, weight, bias, onto = noted
        item = np.dtype(self._layers.dtype).itemsize
        table: np.ndarray = self._engine.records(len(kind))
        widths, L = np.array(self._layers.sizes, np.int64), self._layers.n_layers
        codes = np.array([0, *(self._engine.activations[self._layers.layer_activation(k)] for k in range(1, L + 1))])
        is_forward, is_error, is_update = kind == self._forward, kind == self._error, kind == self._update
        is_cost, is_scaled = kind == self._cost, kind == self._scale_rows
        of_output = is_cost | is_error
        is_fused, in_first = kind == self._backward_update, layer == 1
        is_onto, is_added = kind == self._backward_momentum, kind == self._add_velocity
        is_backward = (kind == self._backward) | is_fused | is_onto
        multiplies, is_check = is_forward | is_backward, kind == self._check
        n_in, n_out = np.where(is_forward, widths[layer - 1], width), np.where(is_check, 1, widths[layer])
        x_leading, y_leading = self._leadings

        table["kind"], table["rows"], table["n_in"], table["n_out"] = kind, rows, n_in, n_out
        table["layer"] = np.where(is_forward | is_check | (is_backward & (first == 0)), layer, 0)
        below = np.where(in_first, -1, codes[layer - 1])  # the input has no activation
        table["activation"] = np.where(is_forward, codes[layer], np.where(is_backward, below, 0))
        table["activation"] += np.where(is_error, self._engine.activations[self._layers.error_activation], 0)
        table["a_leading"] = np.where(multiplies | is_check, np.where(in_first, x_leading, widths[layer - 1]), 0)
        table["onto"], table["block_rows"] = np.where(is_fused, 0, onto), np.where(is_fused, onto, 0)
        below_of = np.array([0, *self._layers.dropped_below], np.int64)
        masked = np.where(is_forward, layer, np.where(is_backward, layer - 1, 0))  # the layer whose output is dropped
        table["dropped_below"] = below_of[masked]
        dropping = table["dropped_below"] > 0
        table["dropped_layer"], table["first_row"] = np.where(dropping, masked, 0), np.where(dropping, start, 0)
        table["first_unit"] = np.where(dropping & is_backward, first, 0)
        table["y_leading"] = np.where(of_output, y_leading, 0)
        table["cost"] = np.where(is_cost, self._engine.costs[self._layers.cost], 0)

        def put(name: str, where: Any, base: int, offset: Any) -> None:
            table[name] += np.where(where, base << _OFFSET_BITS | offset, 0)

        put("a", (multiplies | is_check) & in_first, INPUTS, (start * x_leading + first) * item)
        put("a", multiplies & ~in_first, ARENA, a + first * item)
        put("total", is_cost, COST_TOTAL, 0)
        if self._weighted:
            put("row_weights", is_cost | is_scaled, ROW_WEIGHTS, start * item)
        put("y", of_output, TARGETS, start * y_leading * item)
        put("out", is_forward | of_output | is_scaled, ARENA, out)
        put("delta", is_backward, ARENA, out)
        with_weight, with_bias = weight != _ABSENT, bias != _ABSENT
        put("weight_gradient", with_weight, ARENA, weight)
        put("bias_gradient", with_bias, ARENA, bias)
        places = [np.array([0, *offsets], np.int64) for offsets in self._offsets]
        of_piece = first * n_out * item
        needs_W = is_forward | (is_backward & ~in_first) | is_fused | (is_update & with_weight) | is_added
        put("W", needs_W, WEIGHTS, places[0][layer] + of_piece)
        put("b", is_forward | is_fused | (is_update & with_bias) | is_added, BIASES, places[1][layer])
        whole = is_onto | is_added
        for number, slot in enumerate(self._kept):
            base = KEPT + 2 * number
            put(f"weight_{slot}", (is_update & with_weight) | whole, base, places[2 + 2 * number][layer] + of_piece)
            put(f"bias_{slot}", (is_update & with_bias) | whole, base + 1, places[3 + 2 * number][layer])
        return Table(table, repeats)
