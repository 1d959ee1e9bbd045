"""A chain of layers of any kind, given as numbers: bytes, costs and what each backward step needs. No arrays here.

An MLP's chain follows from its widths; this one is for networks that are not ours. A layer is whatever runs as one: a
convolution with its activation, a residual block, a transformer's layer. `GeneralChain` is read where a `Chain` is:
schedules for it are planned, simulated, placed, drawn and exported. It has whole mini-batches only.

What is held, l = 1 .. L, a_l having `output_bytes` and so its error delta_l:

    F_l  a_{l-1}, a_l and the layer's `forward_bytes`
    B_l  a_{l-1}, delta_l, the layer's `backward_bytes`, delta_{l-1} (none for l = 1) and, if B_l needs its output, a_l

After B_l delta_{l-1} is in the place of a_{l-1}, unless B_{l-1} needs its output: then a_{l-1} stays beside it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from checkpoint.arguments import whole_number
from checkpoint.errors import CheckpointError
from checkpoint.schedule.chain import Chain

FORMAT = "mlp-checkpointing chain 1"
MAX_LAYERS = 100_000
MAX_NUMBER = 2**62
NEEDS = ("input", "output", "both")
_NUMBERS = ("output_bytes", "forward_bytes", "backward_bytes", "forward_cost", "backward_cost")


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: bytes of its output, and of its workspace forward and backward; costs in any one unit.

    All are whole numbers of 0 or more. `needs` says what its backward step uses beside the error above: its "input",
    its "output" or "both". Workspaces count neither of these, nor the errors above and below. Raises `CheckpointError`
    for anything else.
    """

    output_bytes: int
    forward_cost: int = 1
    backward_cost: int = 2
    forward_bytes: int = 0
    backward_bytes: int = 0
    needs: str = "input"
    name: str = ""

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            value = whole_number(name, getattr(self, name), least=0, most=MAX_NUMBER)
            object.__setattr__(self, name, value)
        if self.needs not in NEEDS:
            raise CheckpointError(f"needs must be {', '.join(NEEDS[:-1])} or {NEEDS[-1]}; got {repr(self.needs)[:40]}")
        if not isinstance(self.name, str):
            raise CheckpointError(f"a layer's name must be a string; got {repr(self.name)[:40]}")


@dataclass(frozen=True, slots=True)
class GeneralChain(Chain):
    """Layers 1 .. L as numbers; `general_chain` makes one. A value is a byte, and the mini-batch one row."""

    layers: tuple[Layer, ...] = ()
    name: str = ""

    @property
    def title(self) -> str:
        """What it is, for reports and pictures."""
        return f"{self.name or 'a chain'}, {self.n_layers} layers"

    def in_pieces(self, pieces: str) -> "GeneralChain":
        """Itself: what a backward step works in is given."""
        return self

    def gradient_bytes(self, layer: int) -> int:
        """None: a gradient that is held from step to step is rest, and one for a step is workspace."""
        return 0

    def forward_bytes(self, layer: int, rows: int | None = None) -> int:
        """The bytes that a layer works in when it runs forward, beside its input and its output."""
        return self.layers[layer - 1].forward_bytes

    def workspace_bytes(self, layer: int, rows: int | None = None) -> int:
        """The bytes that a backward step holds beside what it starts from: its own, and the error below."""
        return self.layers[layer - 1].backward_bytes + self.activation_bytes(layer - 1) - self.kept_bytes(layer - 1)

    def forward_values(self, layer: int, rows: int) -> int:
        """The same: a value is a byte."""
        return self.forward_bytes(layer)

    def kept_bytes(self, layer: int, rows: int | None = None) -> int:
        """The bytes of a_layer that stay beside its error, as the layer's backward step needs its output."""
        return self.activation_bytes(layer) if layer and self.layers[layer - 1].needs != "input" else 0

    def forward_flops(self, layer: int, rows: int | None = None) -> int:
        """The cost of running a layer forward."""
        return self.layers[layer - 1].forward_cost

    def backward_flops(self, layer: int, rows: int | None = None) -> int:
        """The cost of a layer's backward step."""
        return self.layers[layer - 1].backward_cost

    def shape(self, layer: int) -> object:
        """What tells a layer from those that take other bytes."""
        own = self.layers[layer - 1]
        below = (self.widths[layer - 1], self.kept_bytes(layer - 1))
        return own.output_bytes, own.forward_bytes, own.backward_bytes, own.needs, below

    def as_record(self) -> dict[str, Any]:
        """What `to_json` writes, as a dictionary."""
        return {"format": FORMAT, "name": self.name, "layers": [asdict(layer) for layer in self.layers]}

    def to_json(self) -> str:
        """A JSON object that `from_json` reads back."""
        return json.dumps(self.as_record())

    @classmethod
    def from_json(cls, text: str) -> "GeneralChain":
        """The chain that a JSON object names. Raises `CheckpointError` for any other text.

        >>> text = '{"format": "mlp-checkpointing chain 1", "layers": [{"output_bytes": 8}, {"output_bytes": 4}]}'
        >>> GeneralChain.from_json(text).n_layers
        2
        """
        try:
            record = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            raise CheckpointError("a chain is a JSON object; this text is not JSON") from None
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise CheckpointError(f"a chain is a JSON object with format {FORMAT!r}; this is something else")
        layers, name = record.get("layers"), record.get("name", "")
        if not isinstance(layers, list) or not isinstance(name, str):
            raise CheckpointError("a chain has a list of layers, and its name is a string")
        return general_chain((_layer(number, item) for number, item in enumerate(layers, 1)), name=name)


def general_chain(layers: Iterable[Layer], *, name: str = "") -> GeneralChain:
    """The chain of these layers, the first of which runs from the input a_0. Raises `CheckpointError` where it's none.

    >>> block = Layer(output_bytes=4096, forward_cost=5, backward_cost=9, backward_bytes=512, needs="both")
    >>> general_chain([block] * 12).activation_bytes(3)
    4096
    """
    found = tuple(layers)
    if not 1 <= len(found) <= MAX_LAYERS or not all(isinstance(layer, Layer) for layer in found):
        raise CheckpointError(f"a chain has 1 to {MAX_LAYERS} layers, each of them a Layer; got {repr(found)[:60]}")
    return GeneralChain((0, *(layer.output_bytes for layer in found)), 1, 1, layers=found, name=name)


def _layer(number: int, item: object) -> Layer:
    known = {field.name for field in fields(Layer)}
    if not isinstance(item, Mapping) or not set(item) <= known or "output_bytes" not in item:
        raise CheckpointError(f"layer {number} must have output_bytes, and of {', '.join(sorted(known))} what it needs")
    try:
        return Layer(**item)
    except CheckpointError as error:
        raise CheckpointError(f"layer {number}: {error}") from None
