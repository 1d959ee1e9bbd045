"""A chain: what a planner needs to know of a network and a mini-batch. No arrays here: layers are integers and bytes.

It says how many bytes each array of a step takes, and how many floating-point operations each layer. The bytes are
exact: every buffer of a step is counted, rounded up to the backend's unit of allocation.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from backend.facts import FACTS, HALF_BYTES, NAMES, padded
from backend.nearest import meant
from checkpoint.arguments import whole_number
from mlp.arguments import check_momentum
from mlp.errors import NetworkError
from mlp.pieces import error_piece_rows, forward_piece_rows, gradient_piece_rows, half_values
from mlp.precision import FULL, precision_of
from mlp.sizes import check_sizes, format_sizes
from mlp.uptake import IN_PIECES, ONTO_VELOCITY, ONTO_WEIGHTS, fits_onto_weights, possible_uptake

MAX_ROWS = 2**31 - 1
"""The largest mini-batch: BLAS libraries count rows in 32 bits, and a schedule writes them in ten digits."""

ITEM_BYTES = {"float32": 4, "float64": 8}


@dataclass(frozen=True, slots=True)
class Chain:
    """Layers 1 .. L between activations a_0 .. a_L. `widths` are n_0 .. n_L; a value takes `item_bytes`.

    `pieces`, "large" or "small", are those that backward steps work in, small ones being sized for `planned_rows` rows
    (None: for those at hand); see `mlp.pieces`. With `error_in_place` an activation becomes the error without a buffer
    beside it; with `adds_up` this mini-batch is one of several whose gradients are added up elsewhere. Row blocks that
    begin at multiples of `sum_rows` rows leave gradients bit-identical to those of the whole mini-batch; None where
    none do. `uptake` is how gradients are taken up, and what is held of them: see `mlp.uptake`. With `whole_gradients`
    a layer's gradient is not made in pieces, as an optimizer that clips it needs. With `halves` a_1 .. a_{L-1} are kept
    in two bytes a value, and their errors are in arrays of their own; see `mlp.precision`.
    """

    widths: tuple[int, ...]
    batch_size: int
    item_bytes: int = 4
    allocation_bytes: int = 1
    pieces: str = "large"
    error_in_place: bool = False
    adds_up: bool = False
    sum_rows: int | None = None
    planned_rows: int | None = None
    uptake: str = IN_PIECES
    whole_gradients: bool = False
    halves: bool = False

    @property
    def n_layers(self) -> int:
        """L."""
        return len(self.widths) - 1

    @property
    def title(self) -> str:
        """What it is, for reports and pictures."""
        return f"{format_sizes(self.widths)}, batch {self.batch_size}"

    def in_pieces(self, pieces: str) -> "Chain":
        """This chain with backward steps in such pieces; small ones are sized for its mini-batch unless it says so."""
        planned_rows = (self.planned_rows or self.batch_size) if pieces == "small" else None
        return replace(self, pieces=pieces, planned_rows=planned_rows)

    def micro_batch(self, rows: int) -> "Chain":
        """The chain of `rows` rows of this mini-batch, whose gradients are added up elsewhere."""
        return replace(self, batch_size=rows, adds_up=True)

    def array_bytes(self, values: int) -> int:
        """The bytes that an array of `values` values takes from the allocator."""
        unit = self.allocation_bytes
        return -(-values * self.item_bytes // unit) * unit

    def placed_bytes(self, values: int) -> int:
        """The bytes that an array of `values` values takes in the arena, where large ones are padded to cache lines."""
        return padded(self.array_bytes(values))

    def activation_bytes(self, layer: int, rows: int | None = None) -> int:
        """The bytes of a_layer, or of `rows` rows of it. The input a_0 is held between steps and costs nothing."""
        return self.array_bytes(self.activation_values(layer, rows)) if layer else 0

    def activation_values(self, layer: int, rows: int | None = None) -> int:
        """The values that the array of a_layer, or of `rows` rows of it, has room for; two halves make one."""
        values = (self.batch_size if rows is None else rows) * self.widths[layer]
        return half_values(values) if self.is_half(layer) else values

    def is_half(self, layer: int) -> bool:
        """Whether a_layer is kept in two bytes a value: not the input, and not the output."""
        return self.halves and 0 < layer < self.n_layers

    def kept_bytes(self, layer: int, rows: int | None = None) -> int:
        """The bytes that the error of a layer takes beyond those of a_layer: none, unless that is kept in halves."""
        if not self.is_half(layer):
            return 0
        wide = self.array_bytes((self.batch_size if rows is None else rows) * self.widths[layer])
        return wide - self.activation_bytes(layer, rows)

    def error_bytes(self, layer: int, rows: int | None = None) -> int:
        """The bytes that the error of a layer takes until its backward step, with those of a_layer that stay."""
        return self.activation_bytes(layer, rows) + self.kept_bytes(layer, rows)

    def forward_bytes(self, layer: int, rows: int | None = None) -> int:
        """The bytes that a layer works in when it runs forward, beside its input and its output.

        None, unless activations are kept in halves: then some rows of both in the dtype that is computed in.
        """
        return self.array_bytes(self.forward_values(layer, self.batch_size if rows is None else rows))

    def forward_values(self, layer: int, rows: int) -> int:
        """The values of what a layer works in when it runs forward on `rows` rows."""
        if not self.halves:
            return 0
        below, here = ((self.is_half(number), self.widths[number]) for number in (layer - 1, layer))
        return forward_piece_rows(rows) * sum(width for half, width in (below, here) if half)

    def shape(self, layer: int) -> object:
        """What tells a layer from those that take other bytes."""
        return self.widths[layer - 1], self.widths[layer]

    def host_bytes(self, layer: int) -> int:
        """The bytes of a copy of a_layer on the host: those of its values, not rounded up."""
        return self.batch_size * self.widths[layer] * (HALF_BYTES if self.is_half(layer) else self.item_bytes)

    def gradient_bytes(self, layer: int) -> int:
        """The bytes of a layer's gradient held whole: the weight's and the bias's."""
        n_in, n_out = self.widths[layer - 1], self.widths[layer]
        return self.array_bytes(n_in * n_out) + self.array_bytes(n_out)

    @property
    def works_in_pieces(self) -> bool:
        """Whether pieces are made at all, so that small ones are of use."""
        return not (self.error_in_place and self.uptake == ONTO_VELOCITY)

    def sum_bytes(self, layer: int) -> int:
        """The bytes of a layer's gradient as row blocks add it up: none where they add onto the velocity."""
        return 0 if self.uptake == ONTO_VELOCITY else self.gradient_bytes(layer)

    def piece_rows(self, layer: int, rows: int) -> tuple[int, int]:
        """The rows of a block of the weight gradient and of a piece of the error, in a backward step on `rows` rows."""
        n_in, n_out, pieces, planned_rows = self.widths[layer - 1], self.widths[layer], self.pieces, self.planned_rows
        whole = self.whole_gradients
        return (
            gradient_piece_rows(
                rows=rows, n_in=n_in, n_out=n_out, pieces=pieces, planned_rows=planned_rows, whole=whole
            ),
            error_piece_rows(rows=rows, n_in=n_in, n_out=n_out, pieces=pieces, planned_rows=planned_rows, whole=whole),
        )

    def workspace_bytes(self, layer: int, rows: int | None = None) -> int:
        """The bytes that a layer's backward step holds beside a_{layer-1} and delta_layer, which it starts from.

        What `backward_values` says: a piece of the weight gradient, the bias gradient, a piece of the error below. An
        a_{layer-1} in halves stays beside its error for the step.
        """
        beside = self.activation_bytes(layer - 1, rows) if self.is_half(layer - 1) else 0
        return beside + self.step_bytes(layer, self.batch_size if rows is None else rows)

    def step_bytes(self, layer: int, rows: int) -> int:
        """The bytes of what `backward_values` says."""
        return sum(map(self.array_bytes, self.backward_values(layer, rows)))

    def backward_values(self, layer: int, rows: int) -> tuple[int, int, int]:
        """The values of what a backward step on `rows` rows works in: bias gradient, weight gradient, error below.

        0 for an array that there is none of. There are no gradients for a row block, which adds to the layer's gradient
        where that is held, nor where the weights or the velocity take them up at once; and no error in layer 1 and
        where errors are made in place. The error below is whole where the weights change by what it is made of.
        """
        n_out, whole = self.widths[layer], rows == self.batch_size and not self.adds_up
        block, error_rows = self.piece_rows(layer, rows)
        held = whole and self.uptake != ONTO_VELOCITY
        onto_weights = whole and self.uptake == ONTO_WEIGHTS
        if onto_weights and fits_onto_weights(layer, rows=rows, n_out=n_out, error_rows=error_rows):
            held, error_rows = False, rows
        apart = 0 if layer == 1 or self.error_in_place else error_rows * block
        return (n_out, block * n_out, apart) if held else (0, 0, apart)

    def forward_flops(self, layer: int, rows: int | None = None) -> int:
        """Floating-point operations of running a layer forward: two for each weight and row."""
        return 2 * (self.batch_size if rows is None else rows) * self.widths[layer - 1] * self.widths[layer]

    def backward_flops(self, layer: int, rows: int | None = None) -> int:
        """Those of its backward step: two products as large as the forward one, one for layer 1."""
        return self.forward_flops(layer, rows) * (2 if layer > 1 else 1)

    @property
    def total_forward_flops(self) -> int:
        """Floating-point operations of one whole forward pass."""
        return sum(self.forward_flops(layer) for layer in range(1, self.n_layers + 1))


def chain_of(
    sizes: Iterable[int],
    *,
    batch_size: int,
    dtype: str = "float32",
    backend: str = "numpy",
    momentum: float = 0.0,
    optimizer: object = None,
    precision: str = FULL,
) -> Chain:
    """The chain of a network of `sizes` trained on mini-batches of `batch_size` rows.

    `backend` is a name, and nothing is loaded for it: a plan for a GPU can be made where there is none. `momentum` and
    `optimizer` are the network's, or such an object: what a step holds of gradients follows from them. `precision` is
    the network's too, see `mlp.precision`.
    Raises `NetworkError` for sizes that make no network, a batch size below 1, an unknown dtype, backend or optimizer.

    >>> chain_of([784, 100, 10], batch_size=100).activation_bytes(1)
    40000
    """
    rows = whole_number("the batch size", batch_size, most=MAX_ROWS, error=NetworkError)
    for name, value, known, offered in (
        ("dtype", dtype, ITEM_BYTES, tuple(ITEM_BYTES)),
        ("backend", backend, FACTS, NAMES),
    ):
        if not (isinstance(value, str) and value in known):
            raise NetworkError(f"unknown {name} {value!r}; choose {' or '.join(offered)}{meant(value, offered)}")
    facts = FACTS[backend]
    wanted, clips = ONTO_VELOCITY if check_momentum(momentum) else ONTO_WEIGHTS, False
    if optimizer is not None:
        wanted, clips = _needs_of(optimizer, momentum)
    return Chain(
        check_sizes(sizes),
        rows,
        ITEM_BYTES[dtype],
        facts.allocation_bytes,
        error_in_place=facts.error_in_place,
        sum_rows=facts.chunk_rows,
        uptake=possible_uptake(wanted, facts),
        whole_gradients=clips,
        halves=precision_of(precision, dtype=dtype, backend=backend).stored is not None,
    )


def state_arrays(*, momentum: float = 0.0, optimizer: object = None) -> int:
    """How many arrays of its shape each parameter has beside it between steps, with such an optimizer."""
    if optimizer is None:
        return 1 if momentum else 0
    from mlp.optimizers import Ruled, optimizer_of  # which load an array library

    if isinstance(optimizer, str | Ruled):
        optimizer = optimizer_of(optimizer, momentum=momentum)
    return len(getattr(optimizer, "state_names", ()))


def _needs_of(optimizer: object, momentum: float) -> tuple[str, bool]:
    """The uptake that an optimizer can do with, and whether it clips gradients."""
    from mlp.optimizers import Ruled, optimizer_of, simplest  # which load an array library

    if isinstance(optimizer, str | Ruled):
        optimizer = simplest(optimizer_of(optimizer, momentum=momentum))
    return getattr(optimizer, "uptake", IN_PIECES), getattr(optimizer, "clip", None) is not None
