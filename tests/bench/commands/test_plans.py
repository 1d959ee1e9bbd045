"""Plans are judged against others in the same budget. Nothing here asserts a speed."""

from pathlib import Path

import pytest

from bench.plans import __main__ as plans
from bench.plans import rivals
from bench.plans.cases import drawn
from bench.steps.cases import Case
from bench.steps.promised import promised_bytes
from checkpoint import chain_of, simulate
from tests.bench.commands.reports import rows_of

TINY = Case("tiny", "a test", (12, *[16] * 11, 3), 256, every=3, row_block_mib=1, one_extra_mib=1)


@pytest.mark.parametrize("share", [0.6, 0.3])
def test_rivals_keep_to_the_budget_and_are_not_alike(share: float) -> None:
    chain = chain_of([784, *[96] * 20, 10], batch_size=4096)
    budget = int(share * promised_bytes(None, chain))
    choice = rivals.chosen("chosen", chain, budget_bytes=budget)
    assert choice.schedule is not None
    found = rivals.rivals(chain, budget_bytes=budget, but=[choice.schedule])
    assert 3 <= len(found) <= rivals.MOST
    assert any(not way.planned for way in found)
    schedules = [(way.schedule.actions, way.schedule.pieces) for way in [choice, *found] if way.schedule]
    assert len(set(schedules)) == len(found) + 1
    assert all(simulate(way.schedule, chain).peak_bytes <= budget for way in found if way.schedule)


def test_drawn_chains_are_the_same_each_time() -> None:
    assert drawn(3) == drawn(3) != drawn(4)
    assert 10 <= drawn(3).n_layers <= 60


def test_plans_are_judged_against_the_fastest(
    monkeypatch: pytest.MonkeyPatch, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(plans.CASES, "ragged", TINY)
    options = ["--case", "ragged", "--share", "0.6", "--share", "0.001", "--turns", "1", "--json", str(report)]
    assert plans.main([*options, "--cost", "default", "--cost", "operations"]) == 0
    rows = rows_of(report, "plans")
    assert [row["cost"] for row in rows] == ["default", "operations"]
    printed = capsys.readouterr().out
    assert "tiny at 0% is left out: budget" in printed
    for row in rows:
        seconds = {way["name"]: way["seconds"] for way in row["ways"]}
        others = {name: taken for name, taken in seconds.items() if name != row["chosen"]}
        assert row["fastest"] == min(others, key=lambda name: others[name])
        assert row["ratio"] == seconds[row["chosen"]] / others[row["fastest"]]
        assert all(way["peak_bytes"] <= row["budget_bytes"] for way in row["ways"])
        assert f"{row['cost']}: median {row['ratio']:.3f}" in printed
