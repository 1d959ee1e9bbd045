"""What ranks pass on: a layer's gradient in items, and which rank owns which layer. Plain numbers; no arrays here."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from checkpoint.arguments import whole_number
from checkpoint.schedule.chain import Chain
from mlp.pieces import gradient_piece_rows


class Item(NamedTuple):
    """Rows `first` to `first + rows` of a layer's weight gradient, and with the first of them the bias gradient.

    `values` are all of them; `last` says whether the layer has no further item.
    """

    layer: int
    first: int
    rows: int
    values: int
    last: bool

    def __str__(self) -> str:
        return f"{self.layer}[{self.first}:{self.first + self.rows}]"


def items_of(widths: Sequence[int], *, rows: int, item_rows: int | None = None) -> tuple[Item, ...]:
    """The items of a step, in the order in which backpropagation makes them: layers L to 1, each from its first row.

    They are as small pieces are for `rows` rows, the most that a rank has (`mlp.pieces`), or of `item_rows` rows.

    >>> [str(item) for item in items_of((4, 3, 2), rows=5, item_rows=2)]
    ['2[0:2]', '2[2:3]', '1[0:2]', '1[2:4]']
    """
    found = []
    for layer in range(len(widths) - 1, 0, -1):
        n_in, n_out = widths[layer - 1], widths[layer]
        at_once = gradient_piece_rows(rows=rows, n_in=n_in, n_out=n_out, pieces="small")
        if item_rows is not None:
            at_once = min(n_in, whole_number("item_rows", item_rows))
        for first in range(0, n_in, at_once):
            count = min(at_once, n_in - first)
            values = count * n_out + (0 if first else n_out)
            found.append(Item(layer, first, count, values, first + count == n_in))
    return tuple(found)


def items_in(chain: Chain, rows: int) -> tuple[Item, ...]:
    """The items of steps on `chain` where a row block has at most `rows` rows.

    They are whole layers for an optimizer that needs whole gradients, and where errors are made apart: there a layer's
    step makes the products that it makes in one process.
    """
    whole = chain.whole_gradients or not chain.error_in_place
    return items_of(chain.widths, rows=rows, item_rows=max(chain.widths) if whole else None)


def owners_of(widths: Sequence[int], ranks: int) -> tuple[int, ...]:
    """The rank that owns each layer, first layer first: it alone has the layer's optimizer state and applies gradients.

    Layers go from the largest to the smallest to whoever has the fewest values.

    >>> owners_of((784, 100, 30, 10), 2)
    (0, 1, 1)
    """
    sizes = [n_in * n_out + n_out for n_in, n_out in pairwise(widths)]
    owned, owners = [0] * ranks, [0] * len(sizes)
    for k in sorted(range(len(sizes)), key=lambda k: -sizes[k]):
        owners[k] = min(range(ranks), key=lambda rank: owned[rank])
        owned[owners[k]] += sizes[k]
    return tuple(owners)
