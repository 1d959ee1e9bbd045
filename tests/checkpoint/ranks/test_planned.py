"""What ranks are planned to take: the figures of the judge, and of the network itself."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import chain_of, every_nth
from checkpoint.commands.program import main
from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.ranks.cutting import blocks_of, groups_of
from checkpoint.ranks.distribution import distribute
from checkpoint.ranks.items import items_of, owners_of
from checkpoint.ranks.model import efficiency, most_well_used
from checkpoint.ranks.planned import figures
from checkpoint.ranks.replay import replay
from checkpoint.ranks.slots import slots_of
from checkpoint.ranks.wave import Wave
from checkpoint.runs.record import rest_bytes
from checkpoint.strategies.offloaded import every_nth_offloaded
from tests.checkpoint.ranks.threads import on_threads
from tests.checkpoint.reports import described, keys_of
from tests.conftest import compiled_only

CUTS = st.sampled_from(({}, {"block_rows": 128}, {"block_rows": 256}, {"sum_groups": 2}, {"sum_groups": 5}))


@given(
    widths=st.lists(st.integers(1, 40), min_size=2, max_size=6).map(tuple),
    rows=st.integers(1, 1500),
    ranks=st.integers(2, 6),
    cut=CUTS,
    offloads=st.booleans(),
)
def test_figures_are_those_that_the_judge_counts(widths, rows, ranks, cut, offloads):
    chain = chain_of(widths, batch_size=rows)
    schedule = (every_nth_offloaded if offloads else every_nth)(n_layers=len(widths) - 1, n=2)
    blocks, groups = blocks_of(rows, ranks, **cut), groups_of(rows, cut.get("sum_groups"))
    items = items_of(widths, rows=max(stop - start for start, stop in blocks))
    of = {"block_rows": None, "sum_groups": None, **cut}
    slots = slots_of(items, owns=True, rank=0, ranks=ranks, **of)
    owners = owners_of(widths, ranks)
    wave = Wave(schedule, ranks, blocks, items, owners, len(slots.ring), groups=groups)
    found, judged = figures(schedule, chain, ranks, **cut), replay(wave, distribute(wave), chain)
    assert tuple(rank.peak_bytes for rank in found) == judged.peak_bytes
    assert tuple(rank.host_bytes for rank in found) == judged.host_bytes
    assert tuple(rank.sent_bytes for rank in found) == tuple(4 * values for values in judged.sent_values)


@compiled_only
@pytest.mark.parametrize("cut", [{}, {"block_rows": 128}, {"sum_groups": 5}])
def test_figures_are_those_of_the_network(cut):
    sizes, rows, ranks = (20, 30, 30, 10), 700, 3
    schedule = every_nth(n_layers=3, n=2)

    def work(link):
        network = NetworkOnRanks(sizes, link=link, schedule=schedule, momentum=0.5, **cut)
        state = sum(int(array.nbytes) for pair in network.velocities for array in pair)
        own = network.own_rows(rows)
        return own, rest_bytes(network, rows, own), state, network.predicted_peak_bytes(rows)

    planned = figures(schedule, chain_of(sizes, batch_size=rows), ranks, **cut)
    for rank, (own, rest, state, peak) in zip(planned, on_threads(ranks, work), strict=True):
        assert (rank.rows, rank.rest_bytes + rank.state_bytes, rank.state_bytes) == (own, rest, state)
        assert rank.peak_bytes == peak


def test_efficiency_is_that_of_the_formula_where_shares_are_equal():
    chain = chain_of([512] * 17, batch_size=1024)
    schedule = every_nth(n_layers=16, n=1)
    n_items = len(items_of(chain.widths, rows=256))
    backward = n_items / (n_items + 3)
    forward, back = 16, 31  # operations of layers, of which the first has no error to pass on
    expected = (forward + back) / (forward + back / backward)
    assert efficiency(schedule, chain, 4) == pytest.approx(expected)
    assert efficiency(schedule, chain, 1) == 1
    assert efficiency(schedule, chain, most_well_used(schedule, chain)) >= 0.9


def test_groups_of_rows_shorten_the_line():
    """A deep network in small pieces has 520 items; of 1,024 ranks, 31 wait in line for each of 32 groups."""
    chain = chain_of([512] * 66, batch_size=1024 * 256)
    schedule = every_nth(n_layers=65, n=1)
    assert len(items_of(chain.widths, rows=256)) == 520
    forward, back = 65, 129
    for groups, in_line in ((None, 1023), (32, 31 + 5)):
        expected = (forward + back) / (forward + back * (1 + in_line / 520))
        assert efficiency(schedule, chain, 1024, sum_groups=groups) == pytest.approx(expected)


def test_groups_gain_what_the_text_says():
    chain = chain_of([784, *[512] * 64, 10], batch_size=512_000)
    schedule = every_nth(n_layers=65, n=1)
    found = [f"{efficiency(schedule, chain, 1000, sum_groups=groups):.2f}" for groups in (None, 40)]
    text = " ".join((Path(__file__).parents[3] / "checkpoint" / "README.md").read_text(encoding="utf-8").split())
    assert "computes {} of the time, and {} with 40 groups".format(*found) in text


HOW = [(), ("--budget", "60%"), ("--checkpoint", "micro:128"), ("--checkpoint", "every:2"), ("--sum-groups", "4")]
HOW += [("--backend", "cupy", "--offload", "host", "--checkpoint", "every:2"), ("--backend", "cupy", "--budget", "60%")]


@pytest.mark.parametrize("how", HOW)
def test_command_shows_each_rank_and_the_model(capsys, tmp_path, how):
    status = main(
        [*("plan", "--ranks", "3", "--sizes", "60,50x6,10", "--batch-size", "700"), *how, "--json", str(tmp_path / "p")]
    )
    report, shown = json.loads((tmp_path / "p").read_text()), capsys.readouterr().out
    assert status == 0
    assert keys_of(report) == described("plan --ranks")
    assert [rank["rank"] for rank in report["ranks"]] == [0, 1, 2]
    assert sum(rank["rows"] for rank in report["ranks"]) == 700
    assert "By a model" in shown
    assert "1000" in shown


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--ranks", "0"), "--ranks must be a whole number from 1"),
        (("--ranks", "2", "--sum-groups", "1"), "from 2 to 1024; got 1"),
        (("--ranks", "2", "--sum-groups", "2", "--checkpoint", "micro:128"), "sums of groups are for one share"),
        (("--sum-groups", "2", "--budget", "50%"), "add --ranks P"),
        (("--ranks", "2", "--front"), "--front is of one process"),
        (("--ranks", "2", "--checkpoint", "micro:100"), "multiple of 128"),
        (("--ranks", "2", "--budget", "1KiB"), "is a rank's, and .* are for sums"),
    ],
)
def test_wrong_wishes_are_refused(capsys, options, problem):
    assert main(["plan", *options]) == 2
    assert re.search(problem, capsys.readouterr().err)
