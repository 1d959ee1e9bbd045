"""The actions that a schedule is made of. No arrays here: layers are integers, rows are pairs of them.

Layer l = 1 .. L lies between the activations a_{l-1} and a_l; a_0 is the input and is always held. An action is for the
whole mini-batch (`rows` is None) or for its rows `(start, stop)`. Three actions say everything that is done on the
device, two more what crosses between it and the host. Each docstring states what the action needs and leaves;
`checkpoint.schedule.simulation` judges it.
"""

from dataclasses import dataclass
from typing import ClassVar

Rows = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Forward:
    """Run layer `layer`: make a_layer, which is held from now on, from a_{layer-1}, which stays.

    With `rows`, only those rows of a_layer are made and held. With `whole` too, they go to their place in an a_layer
    for the whole mini-batch, which is held from the first of these blocks on; the blocks come in order from row 0.
    """

    layer: int
    rows: Rows | None = None
    whole: bool = False

    def __str__(self) -> str:
        return f"F{self.layer}{_rows_text(self.rows)}{'+' if self.whole else ''}"


@dataclass(frozen=True, slots=True)
class Release:
    """Let go of the activation a_layer, or of those rows of it that are held."""

    layer: int
    rows: Rows | None = None

    def __str__(self) -> str:
        return f"D{self.layer}{_rows_text(self.rows)}"


@dataclass(frozen=True, slots=True)
class Backward:
    """Take the error back through layer `layer`, and make the layer's gradient.

    Needs a_{layer-1} and the error delta_layer; the last layer's is made from a_L, in its place. a_{layer-1} becomes
    delta_{layer-1} in its place, and delta_layer is let go.

    With `rows`, the blocks of a layer come in order from row 0 to the last and add up to the layer's gradient, which
    is held until the last block has been added.
    """

    layer: int
    rows: Rows | None = None

    def __str__(self) -> str:
        return f"B{self.layer}{_rows_text(self.rows)}"


@dataclass(frozen=True, slots=True)
class Offload:
    """Begin to copy the activation a_layer, held for the whole mini-batch, to the host.

    It stays on the device until its `Release`; layers may run from it meanwhile, but it cannot become an error.
    """

    layer: int
    rows: ClassVar[None] = None

    def __str__(self) -> str:
        return f"O{self.layer}"


@dataclass(frozen=True, slots=True)
class Fetch:
    """Hold an activation a_layer that is on the host on the device again, and begin to copy it back.

    Its first use waits for the copy. The host's copy is freed.
    """

    layer: int
    rows: ClassVar[None] = None

    def __str__(self) -> str:
        return f"P{self.layer}"


Action = Forward | Release | Backward | Offload | Fetch


def _rows_text(rows: Rows | None) -> str:
    return "" if rows is None else f"[{rows[0]}:{rows[1]}]"
