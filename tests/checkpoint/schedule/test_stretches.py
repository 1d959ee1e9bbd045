"""Row blocks said once: the actions are those written out, and one block lies where the others do."""

from copy import deepcopy
from random import Random

import pytest

from checkpoint import Schedule, chain_of, micro_batches, simulate
from checkpoint.schedule.placement import Placement, arena_bytes, place
from checkpoint.schedule.stretches import stretches_of, written
from checkpoint.schedule.text import read_action
from tests.checkpoint.schedules import KINDS, a_chain, a_schedule

SEEDS = range(40)


def written_out(schedule: Schedule) -> Schedule:
    """The schedule with its actions one by one, as anybody may make it."""
    return Schedule(
        schedule.n_layers,
        tuple(schedule),
        schedule.name,
        schedule.batch_size,
        schedule.pieces,
        schedule.planned_rows,
    )


def all_of(placement: Placement) -> list[tuple[str, int, int, int]]:
    """What each array is, how large and where, as often as it is taken."""
    columns = placement.columns
    rows = list(zip(columns.kinds, columns.layers, columns.values, placement.offsets, strict=True))
    found, at = [], 0
    for first, stop, times in columns.repeats:
        found += rows[at:first] + rows[first:stop] * times
        at = stop
    return found + rows[at:]


@pytest.mark.parametrize("kind", KINDS)
def test_stretches_found_in_actions_write_the_same_actions(kind: str) -> None:
    for seed in SEEDS:
        random = Random(f"{kind} {seed}")
        chain = a_chain(random)
        schedule = a_schedule(random, chain, kind)
        flat = written_out(schedule)
        assert flat == schedule == deepcopy(schedule)
        assert tuple(written(stretches_of(flat.actions))) == flat.actions == tuple(written(schedule.stretches))
        assert (len(flat), flat.row_block, flat.offloads) == (len(schedule), schedule.row_block, schedule.offloads)
        assert Schedule.from_json(schedule.to_json()) == schedule
        fewer = random.randint(1, chain.batch_size)
        assert flat.for_batch(fewer) == schedule.for_batch(fewer)


@pytest.mark.parametrize("kind", ["micro-batches", "planned in blocks"])
def test_one_block_lies_where_the_others_do(kind: str) -> None:
    shorter = 0
    for seed in SEEDS:
        random = Random(f"{kind} {seed}")
        chain = a_chain(random, most_layers=9, most_rows=24)
        for schedule in (a_schedule(random, chain, kind), written_out(a_schedule(random, chain, kind))):
            briefly, fully = place(schedule, chain, briefly=True), place(schedule, chain)
            assert not fully.columns.repeats
            assert all_of(briefly) == all_of(fully)
            assert briefly.arena_bytes == fully.arena_bytes == arena_bytes(schedule, chain)
            shorter += len(briefly.offsets) < len(fully.offsets)
    assert shorter > len(SEEDS) // 4  # as plans prefer large blocks, of which few mini-batches have four


def test_blocks_among_which_something_ends_are_taken_one_by_one() -> None:
    """a_1 is held for four rows of eight, and goes back in blocks of one: the fourth of them lets it go."""
    text = "F1[0:4] F2[0:4] B2[0:4] B1[0:1] B1[1:2] B1[2:3] B1[3:4] F1[4:8] F2[4:8] B2[4:8] B1[4:8]"
    actions = [read_action(position, action) for position, action in enumerate(text.split())]
    schedule, chain = Schedule(2, tuple(actions), batch_size=8), chain_of([3, 5, 2], batch_size=8)
    simulate(schedule, chain)
    assert [len(stretch.turns()) for stretch in schedule.stretches] == [1, 3, 1]
    assert place(schedule, chain, briefly=True).offsets == place(schedule, chain).offsets


def test_actions_that_are_alike_are_one_object() -> None:
    schedule = micro_batches(n_layers=3, batch_size=1024, rows=128)
    again = Schedule.in_stretches(3, schedule.stretches * 2, "", 1024)
    assert len(again.actions) == 2 * len({id(action) for action in again.actions})
