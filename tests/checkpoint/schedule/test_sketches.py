"""What a notebook shows of a schedule and of a plan: what is held when, as the simulator has it, and not too long."""

import xml.etree.ElementTree as ElementTree
from collections import Counter
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import Backward, Forward, Release, Schedule, chain_of, every_nth, offloaded, plan, simulate, store_all
from checkpoint.palette import OF_KINDS
from checkpoint.schedule.columns import cells_of, columns_and_cells, columns_of, counted_actions
from checkpoint.schedule.spans import walk
from checkpoint.schedule.svg import MOST_CELLS
from tests.checkpoint.drawing.looking import least_step

SIZES = [6, 8, 7, 8, 6, 2]
CHAIN = chain_of(SIZES, batch_size=64)
SCHEDULES = [
    store_all(n_layers=5),
    every_nth(n_layers=5, n=2),
    offloaded(n_layers=5, checkpoints=(2, 4)),
    plan(SIZES, batch_size=64, budget_bytes="50%", minimum_block_rows=4).schedule,
    plan(SIZES, batch_size=64, budget_bytes="75%", row_blocks=False, pieces="small").schedule,
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.name)
def test_spans_hold_what_the_simulator_counts(schedule):
    """After each action, the bytes of the spans that go on are the simulator's, sums of gradients apart."""
    found, simulation = walk(schedule.actions, CHAIN), simulate(schedule, CHAIN)
    for position in range(len(schedule)):
        layers = {span.layer for span in found.spans if span.first <= position < span.last}
        assert len(layers) <= found.most_held
        if schedule.row_block is None:
            assert sum(CHAIN.activation_bytes(layer) for layer in layers) == simulation.bytes_after[position]
    assert [kind == "recompute" for kind in found.kinds] == list(simulation.recomputed)


def test_activation_becomes_the_error_of_its_layer():
    found = walk(every_nth(n_layers=3, n=2).actions, CHAIN.__class__((4, 3, 3, 2), 5))
    of_1 = [(span.kind, span.first, span.last) for span in found.spans if span.layer == 1]
    assert [kind for kind, _, _ in of_1] == ["forward", "recompute", "backward"]
    assert of_1[1][2] == of_1[2][1]  # in the action that makes the error in its place


@given(st.integers(1, 40), st.sampled_from(SCHEDULES))
def test_columns_cover_every_action_once(most, schedule):
    kinds = walk(schedule.actions, CHAIN).kinds
    columns = columns_of(schedule.actions, kinds, most=most)
    assert [at for column in columns for at in range(column.first, column.last + 1)] == list(range(len(schedule)))
    assert len(columns) <= most


@given(st.integers(1, 40), st.sampled_from(SCHEDULES))
def test_cells_of_a_layer_do_not_overlap(most, schedule):
    found = walk(schedule.actions, CHAIN)
    cells = cells_of(columns_of(schedule.actions, found.kinds, most=most), found.spans)
    taken = Counter((cell.layer, place) for cell in cells for place in range(cell.left, cell.right))
    assert set(taken.values()) == {1}
    assert {cell.layer for cell in cells} == {1, 2, 3, 4, 5}


def test_many_cells_make_fewer_columns():
    schedule = every_nth(n_layers=60, n=7)
    found = walk(schedule.actions, chain_of([2] * 61, batch_size=1))
    columns, cells = columns_and_cells(schedule.actions, found, most_columns=200, most_cells=100)
    assert len(cells) <= 100
    assert len(columns) < len(counted_actions(schedule))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.name)
def test_picture_is_sound_and_shows_each_activation(schedule):
    text = schedule._repr_html_()
    picture = ElementTree.fromstring(text[text.index("<svg") :])  # noqa: S314
    titles = [title.text or "" for title in picture.iter("{http://www.w3.org/2000/svg}title")]
    for layer in range(1, 6):
        assert any(title.startswith(f"a_{layer}, ") for title in titles)
    assert schedule.summary().splitlines()[0] in text


def test_plan_s_picture_has_the_bytes_of_each_action():
    found = plan(SIZES, batch_size=64, budget_bytes="75%", row_blocks=False)
    text = unescape(found._repr_html_())
    assert text.count(" KiB</title>") == len(counted_actions(found.schedule))
    for line in found.summary().splitlines()[1:]:
        assert line[12:].strip() in text


def test_schedule_that_cannot_be_run_says_why_instead():
    broken = Schedule(2, (Forward(1), Release(1), Forward(2), Backward(2), Backward(1)), "broken")
    assert "it cannot be run: a_1 is not held" in broken.summary()
    assert "it cannot be run: a_1 is not held" in broken._repr_html_()
    assert "<svg" not in broken._repr_html_()


@pytest.mark.parametrize("count", [0, 200_002])
def test_schedule_of_no_actions_or_of_very_many_is_shown_too(count):
    shown = Schedule(1, (Forward(1), Release(1)) * (count // 2))
    assert f"{count:,} actions" in shown.summary()
    assert ("too many" in shown._repr_html_()) == bool(count)


def test_what_a_notebook_keeps_of_a_long_schedule_is_bounded():
    found = plan([64] * 129, batch_size=2048, budget_bytes="4%", minimum_block_rows=32)
    assert len(found.schedule) > 5000
    for shown in (found._repr_html_(), found.schedule._repr_html_()):
        assert shown.count("<rect") < MOST_CELLS + 500
        assert len(shown) < 400_000
    assert len(repr(found)) < 600
    assert len(repr(found.schedule)) < 400


def test_kinds_are_told_apart_in_grey_and_without_red():
    colours = tuple(OF_KINDS[kind] for kind in ("forward", "recompute", "backward"))
    assert least_step(colours) > 20
    assert least_step(colours, protanopia=True) > 20
