"""All ranks' schedules: written without deadlock, and a judge that refuses wrong ones."""

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoint import Chain, ScheduleError, every_nth, micro_batches, simulate, store_all
from checkpoint.ranks.actions import Add, Apply, Broadcast, Merge, Receive, Send
from checkpoint.ranks.cutting import blocks_of, check_block_rows, groups_of, own_blocks
from checkpoint.ranks.distribution import distribute
from checkpoint.ranks.groups import most_held, spans_of, sums_of_groups
from checkpoint.ranks.items import items_of, owners_of
from checkpoint.ranks.replay import replay
from checkpoint.ranks.slots import slots_of
from checkpoint.ranks.wave import Wave
from checkpoint.schedule.actions import Backward, Forward
from tests.checkpoint.schedules import persistent_tree


@st.composite
def waves(draw):
    """A wave on up to 9 ranks, some without rows, whatever owns the layers, and its chain."""
    widths = tuple(draw(st.lists(st.integers(1, 5), min_size=2, max_size=6)))
    ranks, slots, rows = draw(st.integers(2, 9)), draw(st.integers(1, 3)), draw(st.integers(1, 1500))
    in_turns, sum_groups = draw(st.sampled_from(((False, None), (True, None), (False, 3), (False, 7))))
    ranks = draw(st.integers(1, 9)) if sum_groups else ranks
    blocks = blocks_of(rows, ranks, 128 if in_turns else None, sum_groups=sum_groups)
    items = items_of(widths, rows=rows, item_rows=draw(st.integers(1, 5)))
    n_layers = len(widths) - 1
    random = Random(draw(st.integers(0, 99)))
    schedule = draw(
        st.sampled_from(
            (
                store_all(n_layers=n_layers),
                every_nth(n_layers=n_layers, n=2),
                persistent_tree(n_layers, lambda n: random.randrange(n + 1)),
            )
        )
    )
    owners = tuple(random.randrange(ranks) for _ in range(n_layers))
    if sum_groups is not None:  # fewer would lock
        of = {"owns": True, "rank": 0, "ranks": ranks, "block_rows": None}
        slots = len(slots_of(items, sum_groups=sum_groups, **of).ring) - 2
    n_slots = len(items) if in_turns else slots
    wave = Wave(schedule, ranks, blocks, items, owners, n_slots, groups=groups_of(rows, sum_groups))
    return wave, Chain(widths, rows, error_in_place=True)


@settings(max_examples=60)
@given(waves())
def test_every_rank_reaches_its_end_and_takes_what_its_blocks_take(drawn):
    wave, chain = drawn
    found = replay(wave, distribute(wave), chain)
    for rank, peak_bytes in enumerate(found.peak_bytes):
        blocks = own_blocks(wave.blocks, rank, wave.ranks)
        alone = [simulate(wave.schedule, chain.micro_batch(stop - start)).peak_bytes for start, stop in blocks]
        assert peak_bytes == max(alone, default=0)


@given(waves())
def test_each_sum_is_sent_once_and_each_weight_once(drawn):
    wave, chain = drawn
    values = sum(item.values for item in wave.items)
    leaving = sum(not span.stays for spans in wave.spans for span in spans)
    kept = sum(item.values for item in wave.items if wave.owner(item.layer) == wave.holder)
    sent = leaving * values - kept + (values if wave.ranks > 1 else 0)
    assert sum(replay(wave, distribute(wave), chain).sent_values) == sent
    if not wave.groups:
        assert leaving == len(wave.blocks)
        seeds = values - sum(item.values for item in wave.items if wave.owner(item.layer) == 0)
        wave = replace(wave, seeded=True)
        assert sum(replay(wave, distribute(wave), chain).sent_values) == sent + seeds


@given(waves(), st.randoms(use_true_random=False))
def test_sum_that_is_sent_before_it_is_made_is_refused(drawn, random):
    wave, chain = drawn
    lists = distribute(wave)
    sent = [(actions, at) for actions in lists for at, a in enumerate(actions) if isinstance(a, Send) and not a.total]
    if not sent:
        return
    actions, at = random.choice(sent)
    actions[at - 1 : at + 1] = actions[at], actions[at - 1]
    with pytest.raises(ScheduleError):
        replay(wave, lists, chain)


WAVE = Wave(
    store_all(n_layers=2), 3, ((0, 128), (128, 256), (256, 300)), items_of((2, 4, 3), rows=128, item_rows=1), (0, 1)
)
CHAIN = Chain((2, 4, 3), 300, error_in_place=True)
CHAIN_OF_GROUPS = replace(CHAIN, batch_size=500)


def changed(rank, kind, change):
    """The lists of `WAVE`, with the first action of a kind of one rank changed; None leaves it out."""
    lists = distribute(WAVE)
    at = next(at for at, action in enumerate(lists[rank]) if isinstance(action, kind))
    new = change(lists[rank][at])
    lists[rank][at : at + 1] = [] if new is None else new if isinstance(new, list) else [new]
    return lists


WRONG = {
    "a sum is never sent": (0, Send, lambda a: None, "is in hand still"),
    "a sum goes to another rank": (0, Send, lambda a: replace(a, peer=2), "deadlock: .*rank 1 waits at action"),
    "a sum is not received": (1, Receive, lambda a: None, "the sum to add onto has not been received"),
    "a sum begins anew": (1, Add, lambda a: replace(a, onto=False), "is in hand still"),
    "a block is left out": (1, Add, lambda a: None, "block 2 comes after 0 to 1"),
    "a block is added twice": (0, Add, lambda a: [a, replace(a, onto=True)], "block 0 comes after"),
    "a total is applied elsewhere": (2, Send, lambda a: Apply(a.item, received=False), "rank 1 owns layer 2"),
    "a total is applied twice": (1, Apply, lambda a: [a, a], "not in hand"),
    "weights come twice": (0, Broadcast, lambda a: [a, a], "one order, layer 1"),
    "weights do not come": (2, Broadcast, lambda a: None, "one order, layer 2"),
    "weights come too early": (0, Backward, lambda a: [Broadcast(2, 1), a], "layer 2 is still going backward"),
    "a layer runs after it has learned": (2, Broadcast, lambda a: [a, Forward(2)], "new weights of layer 2 have come"),
    "a layer never goes backward": (2, Backward, lambda a: None, "the error of layer 1 is not held|layer 2"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_lists_are_refused(name):
    rank, kind, change, problem = WRONG[name]
    with pytest.raises(ScheduleError, match=problem):
        replay(WAVE, changed(rank, kind, change), CHAIN)


GROUPED = replace(WAVE, ranks=2, blocks=((0, 256), (256, 500)), groups=((0, 128), (128, 256), (256, 384), (384, 500)))
WRONG_GROUPS = {
    "a group's sum is left out": (0, Merge, lambda a: None, r"its sum has blocks|waits in array 0 still"),
    "groups are added up in another order": (
        1,
        Merge,
        lambda a: [Merge(a.item, None), a] if a.held is not None else a,
        "the sums to add up are not there",
    ),
    "a sum that waits is written over": (0, Add, lambda a: [a, a], "waits in array 0 still"),
    "a group is added twice": (
        1,
        Add,
        lambda a: [a, replace(a, held=1)],
        "2 waits|not there|its sum|in array|have been added",
    ),
    "a sum is sent on another level": (0, Send, lambda a: replace(a, level=0), "deadlock"),
    "rows of no group": (0, Add, lambda a: replace(a, span=2), "has rows of 2 groups"),
}


@pytest.mark.parametrize("name", WRONG_GROUPS)
def test_wrong_lists_of_groups_are_refused(name):
    rank, kind, change, problem = WRONG_GROUPS[name]
    lists = distribute(GROUPED)
    at = next(at for at, action in enumerate(lists[rank]) if isinstance(action, kind))
    new = change(lists[rank][at])
    lists[rank][at : at + 1] = [] if new is None else new if isinstance(new, list) else [new]
    replay(GROUPED, distribute(GROUPED), CHAIN_OF_GROUPS)
    with pytest.raises(ScheduleError, match=problem):
        replay(GROUPED, lists, CHAIN_OF_GROUPS)


@given(ranks=st.integers(1, 9), sum_groups=st.integers(2, 20), rows=st.integers(1, 4000))
def test_slots_of_groups_are_enough_and_no_more(ranks, sum_groups, rows):
    items = items_of((2, 3), rows=128)
    groups = groups_of(rows, sum_groups)
    spans = spans_of(blocks_of(rows, ranks, sum_groups=sum_groups), groups)
    for block, own in enumerate(spans):
        sizes = slots_of(items, owns=False, rank=block, ranks=ranks, block_rows=None, sum_groups=sum_groups)
        assert sum(not span.stays for span in own) <= len(sizes.ring) - 2
        assert most_held(own) <= len(sizes.held)
        assert sizes.merged or not any(span.arrivals for span in own)


@given(st.integers(1, 200))
def test_sums_of_groups_are_a_tree_of_neighbours(groups):
    def leaves(node):
        return [node] if isinstance(node, int) else leaves(node[0]) + leaves(node[1])

    def depth(node):
        return 0 if isinstance(node, int) else 1 + max(map(depth, node))

    tree = sums_of_groups(range(groups))
    assert leaves(tree) == list(range(groups))
    assert depth(tree) <= max(0, groups - 1).bit_length() + (groups & (groups - 1) != 0)


def test_owner_that_waits_for_totals_before_its_own_part_is_a_deadlock():
    lists = distribute(WAVE)
    received = next(a for a in lists[1] if isinstance(a, Receive) and a.total)
    lists[1].remove(received)
    lists[1].insert(0, received)
    with pytest.raises(ScheduleError, match=r"deadlock: rank 0 waits .*rank 1 waits at action 0"):
        replay(WAVE, lists, CHAIN)


def test_owner_that_takes_totals_when_a_layer_is_over_locks_where_items_are_more_than_slots():
    lists = distribute(replace(WAVE, slots=1))
    totals = [a for a in lists[1] if (isinstance(a, Receive) and a.total) or isinstance(a, Apply)]
    rest = [a for a in lists[1] if a not in totals]
    at = max(at for at, a in enumerate(rest) if isinstance(a, Add)) + 1
    lists[1] = rest[:at] + totals + rest[at:]
    with pytest.raises(ScheduleError, match=r"deadlock: .*rank 2 waits"):
        replay(replace(WAVE, slots=1), lists, CHAIN)


def test_wave_refuses_row_blocks_of_the_schedule_s_own():
    with pytest.raises(ScheduleError, match="without row blocks of its own"):
        replace(WAVE, schedule=micro_batches(n_layers=2, batch_size=300, rows=128))


# Cutting


@given(rows=st.integers(1, 5000), ranks=st.integers(1, 40), block=st.sampled_from((None, 128, 384)))
def test_blocks_are_all_rows_in_order_and_begin_at_chunks(rows, ranks, block):
    blocks = blocks_of(rows, ranks, block)
    assert blocks[0][0] == 0
    assert blocks[-1][1] == rows
    assert all(a[1] == b[0] for a, b in pairwise(blocks))
    assert all(start % 128 == 0 and start < stop for start, stop in blocks)
    assert max(stop - start for start, stop in blocks) == blocks[0][1] - blocks[0][0]


@pytest.mark.parametrize("rows", [0, 100, 129, True, "128", None])
def test_row_blocks_that_would_change_bits_are_refused(rows):
    with pytest.raises(ValueError, match=r"row block|multiple of 128"):
        check_block_rows(rows)


@given(widths=st.lists(st.integers(1, 50), min_size=2, max_size=9), ranks=st.integers(1, 9))
def test_no_rank_owns_more_than_its_part_and_a_layer(widths, ranks):
    sizes = [a * b + b for a, b in pairwise(widths)]
    owned = [0] * ranks
    for size, owner in zip(sizes, owners_of(widths, ranks), strict=True):
        owned[owner] += size
    assert max(owned) <= sum(sizes) / ranks + max(sizes)
