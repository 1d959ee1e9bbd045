"""The columns of a picture of a step: one for each action that is counted, or for some in a row where they are many."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from checkpoint.schedule.actions import Action, Release
from checkpoint.schedule.spans import Span, Walk


class Column(NamedTuple):
    """The actions from `first` to `last`, both included, releases among them; `kind` is what most of them are."""

    first: int
    last: int
    kind: str
    name: str


def counted_actions(actions: Iterable[Action]) -> list[int]:
    """The positions of the actions that texts and pictures count: all but releases, which are no work."""
    return [position for position, action in enumerate(actions) if not isinstance(action, Release)]


def columns_of(actions: Sequence[Action], kinds: Sequence[str], *, most: int) -> list[Column]:
    """At most `most` columns for `actions`, which are of these `kinds`; a release belongs to the action before it.

    >>> from checkpoint.schedule.actions import Backward, Forward
    >>> kinds = ("forward", "release", "forward", "backward")
    >>> [column[:2] for column in columns_of((Forward(1), Release(1), Forward(1), Backward(1)), kinds, most=9)]
    [(0, 1), (2, 2), (3, 3)]
    """
    counted = counted_actions(actions)
    together = max(1, -(-len(counted) // most))
    columns = []
    for start in range(0, len(counted), together):
        places = counted[start : start + together]
        last = counted[start + together] - 1 if start + together < len(counted) else len(actions) - 1
        kind = Counter(kinds[place] for place in places).most_common(1)[0][0]
        name = str(actions[places[0]])
        if len(places) > 1:
            name += f" to {actions[places[-1]]}, {len(places)} actions"
        columns.append(Column(places[0], last, kind, name))
    return columns


class Cell(NamedTuple):
    """a_layer is held in the columns from `left` to before `right`; `kind` is its span's."""

    layer: int
    left: int
    right: int
    kind: str


def cells_of(columns: Sequence[Column], spans: Iterable[Span]) -> list[Cell]:
    """The spans in columns, layer by layer, none over another: where two share a column the later one has it.

    Neighbours of a kind are one cell, so that many short spans in wide columns make few.
    """
    column_of = {at: place for place, column in enumerate(columns) for at in range(column.first, column.last + 1)}
    by_layer: dict[int, list[Cell]] = {}
    for span in spans:
        cell = Cell(span.layer, column_of[span.first], column_of[span.last] + 1, span.kind)
        before = by_layer.setdefault(span.layer, [])
        if before and before[-1].right > cell.left:
            before[-1] = before[-1]._replace(right=cell.left)
            if before[-1].left == cell.left:
                before.pop()
        if before and before[-1].right == cell.left and before[-1].kind == cell.kind:
            cell = before.pop()._replace(right=cell.right)
        before.append(cell)
    return [cell for layer in sorted(by_layer) for cell in by_layer[layer]]


def columns_and_cells(
    actions: Sequence[Action], found: Walk, *, most_columns: int, most_cells: int
) -> tuple[list[Column], list[Cell]]:
    """The columns of `actions`, which `walk` made `found` of, and their cells: fewer columns where cells are many."""
    while True:
        columns = columns_of(actions, found.kinds, most=most_columns)
        cells = cells_of(columns, found.spans)
        if len(cells) <= most_cells or most_columns < 2:
            return columns, cells
        most_columns //= 2
