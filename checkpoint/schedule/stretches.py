"""Actions that row blocks repeat, said once. No arrays here.

A schedule with row blocks does the same on one block of rows after another, so that nearly all of its actions follow
from a few. A stretch is what is done on one block, with the blocks that it is done on in turn; a schedule is a sequence
of stretches, and those that plans are written in are short.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from checkpoint.schedule.actions import Action, Fetch, Forward, Offload, Rows

Blocks = tuple[Rows | None, ...]


class Turn(NamedTuple):
    """A block, and how many of the same size in a row it stands for, itself the first of them."""

    rows: Rows | None
    times: int = 1


class Stretch(NamedTuple):
    """`body` on each of `blocks` in turn: actions whose `rows` are None, and the rows that they are for."""

    body: tuple[Action, ...]
    blocks: Blocks = (None,)

    def turns(self, *, briefly: bool = True) -> list[Turn]:
        """Its blocks. `briefly`: those between the first and the last one, of one size, as one `Turn`.

        >>> Stretch((), ((0, 2), (2, 4), (4, 6), (6, 8), (8, 9))).turns()
        [Turn(rows=(0, 2), times=1), Turn(rows=(2, 4), times=3), Turn(rows=(8, 9), times=1)]
        """
        blocks = self.blocks
        if not briefly or len(blocks) < 4 or not _follow(blocks[1:-1]):
            return [Turn(rows) for rows in blocks]
        return [Turn(blocks[0]), Turn(blocks[1], len(blocks) - 2), Turn(blocks[-1])]

    def for_batch(self, batch_size: int) -> "Stretch":
        """The stretch on the first `batch_size` rows alone."""
        rows = (block for block in self.blocks if block is None or block[0] < batch_size)
        return Stretch(self.body, tuple(block and (block[0], min(block[1], batch_size)) for block in rows))

    @property
    def n_actions(self) -> int:
        """How many actions it is."""
        return len(self.body) * len(self.blocks)


def _follow(blocks: Blocks) -> bool:
    """Whether the blocks are of one size, and each begins where the one before it ends."""
    starts = [rows[0] for rows in blocks if rows is not None]
    stops = [rows[1] for rows in blocks if rows is not None]
    return len(starts) == len(blocks) and starts[1:] == stops[:-1] and len({*map(int.__sub__, stops, starts)}) == 1


def written(stretches: Iterable[Stretch]) -> Iterator[Action]:
    """The actions. Those that are alike are one object, as there may be millions.

    >>> from checkpoint.schedule.actions import Backward
    >>> print(*written([Stretch((Forward(1), Backward(1)), ((0, 3), (3, 5)))]))
    F1[0:3] B1[0:3] F1[3:5] B1[3:5]
    """
    known: dict[Rows, dict[tuple[type, int, bool], Action]] = {}
    for body, blocks in stretches:
        kinds = [(type(action), action.layer, isinstance(action, Forward) and action.whole) for action in body]
        for rows in blocks:
            if rows is None:
                yield from body
                continue
            made = known.setdefault(rows, {})
            for kind, action in zip(kinds, body, strict=True):
                if kind not in made:
                    made[kind] = in_rows(action, rows)
                yield made[kind]


def in_rows(action: Action, rows: Rows | None) -> Action:
    """The action on these rows; `Offload` and `Fetch`, which are for all, as they are."""
    if isinstance(action, Offload | Fetch):
        return action
    return (
        Forward(action.layer, rows, action.whole) if isinstance(action, Forward) else type(action)(action.layer, rows)
    )


def stretches_of(actions: Iterable[Action]) -> tuple[Stretch, ...]:
    """The stretches that `written` makes these actions of; what is repeated is found where blocks come one by one.

    >>> blocks = [Forward(1, (0, 3)), Forward(1, (3, 5)), Forward(2), Forward(3)]
    >>> [(len(stretch.body), stretch.blocks) for stretch in stretches_of(blocks)]
    [(1, ((0, 3), (3, 5))), (2, (None,))]
    """
    found: list[tuple[list[tuple[type, int, bool]], tuple[Action, ...], list[Rows | None]]] = []
    for rows, group in groupby(actions, key=attrgetter("rows")):
        together = tuple(group)
        kinds = [(type(action), action.layer, isinstance(action, Forward) and action.whole) for action in together]
        if rows is not None and found and found[-1][2][-1] is not None and found[-1][0] == kinds:
            found[-1][2].append(rows)
        else:
            found.append((kinds, together if rows is None else tuple(in_rows(a, None) for a in together), [rows]))
    return tuple(Stretch(body, tuple(blocks)) for _, body, blocks in found)
