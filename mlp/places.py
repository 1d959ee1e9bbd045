"""Where the arrays of a plain step lie in the arena, which keeps every activation. Plain numbers; no arrays here.

Plain backpropagation is a stack: activations are put one on another, and the last one is taken back first. A backward
step works above them, so the arena takes exactly the most bytes that live at once.
"""

from collections.abc import Callable, Sequence

from backend.facts import Facts
from mlp.buffers import Places

PieceRows = Callable[[int], tuple[int, int]]
"""The rows of a piece of a layer's weight gradient and those of a piece of the error, by layer."""


def stacked(
    widths: Sequence[int], rows: int, piece_rows: PieceRows, *, facts: Facts, item_bytes: int, in_pieces: bool
) -> Places:
    """The places of a step on `rows` rows, in the order in which `Network.backprop` takes them.

    `in_pieces` False leaves out the gradients, which then are whole and the caller's.
    """
    values: list[int] = []
    offsets: list[int] = []
    bottom = most = 0

    def put(size: int, offset: int) -> int:
        values.append(size)
        offsets.append(offset)
        return offset + facts.placed_bytes(size * item_bytes)

    tops = [0]
    for width in widths[1:]:
        bottom = put(rows * width, bottom)
        tops.append(bottom)
    for layer in range(len(widths) - 1, 0, -1):
        top, (gradient_rows, error_rows) = tops[layer], piece_rows(layer)
        width = gradient_rows if in_pieces else widths[layer - 1]
        if in_pieces:
            top = put(widths[layer], top)
            top = put(width * widths[layer], top)
        if layer > 1 and not facts.error_in_place:
            top = put(width * error_rows, top)
        most = max(most, top)
    return Places(values, offsets, most)
