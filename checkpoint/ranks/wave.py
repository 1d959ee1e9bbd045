"""A wave: what all ranks of a step have to agree on. No arrays here."""

from dataclasses import dataclass, field

from checkpoint.arguments import whole_number
from checkpoint.errors import ScheduleError
from checkpoint.ranks.groups import Span, spans_of, sums_of_groups
from checkpoint.ranks.items import Item
from checkpoint.schedule.actions import Rows
from checkpoint.schedule.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Wave:
    """What all ranks have to agree on: the schedule of a row block, and who does what.

    `blocks` are the mini-batch's, block k of rank k mod `ranks`; `items` those of `checkpoint.ranks.items`; `owners`
    the rank that owns each layer, first layer first; `slots` how many arrays for items each rank has, used in turn.
    Where they are `seeded`, owners send what sums begin with to rank 0, which has the first block. `groups` are those
    of the rows, where sums are made of groups; there are then no more blocks than ranks.
    Raises `ScheduleError` for what makes no wave; one rank alone needs none, unless there are groups.
    """

    schedule: Schedule
    ranks: int
    blocks: tuple[Rows, ...]
    items: tuple[Item, ...]
    owners: tuple[int, ...]
    slots: int = 3
    seeded: bool = False
    groups: tuple[Rows, ...] = ()
    spans: tuple[tuple[Span, ...], ...] = field(init=False, repr=False, compare=False)
    """The spans of each block: one, or one for each group that it has rows of."""
    makers: dict[int, int] = field(init=False, repr=False, compare=False)
    """The number of the span that makes the sum that is named by a group."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "spans", spans_of(self.blocks, self.groups))
        makers = {span.group: span.number for spans in self.spans for span in spans if span.ends}
        object.__setattr__(self, "makers", makers)
        whole_number("ranks", self.ranks, least=1 if self.groups else 2, error=ScheduleError)
        whole_number("slots", self.slots, error=ScheduleError)
        if self.schedule.row_block is not None:
            raise ScheduleError("ranks follow a schedule for whole row blocks; give one without row blocks of its own")
        if len(self.owners) != self.schedule.n_layers or not all(0 <= owner < self.ranks for owner in self.owners):
            raise ScheduleError(f"each layer must have an owner among {self.ranks} ranks; got {self.owners}")

    @property
    def holder(self) -> int:
        """The rank that has the last block, and so the totals."""
        return (len(self.blocks) - 1) % self.ranks

    @property
    def whole_sum(self) -> object:
        """How the spans are added up: those of a group in order, and groups in nested pairs."""
        of_groups: dict[int, list[int]] = {}
        for span in (span for spans in self.spans for span in spans):
            of_groups.setdefault(span.group, []).append(span.number)
        return sums_of_groups([tuple(numbers) for numbers in of_groups.values()])

    def source(self, block: int) -> int:
        """The rank that has `block`."""
        return block % self.ranks

    def owner(self, layer: int) -> int:
        """The rank that owns `layer`."""
        return self.owners[layer - 1]
