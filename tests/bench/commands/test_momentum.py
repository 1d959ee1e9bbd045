"""The least bytes with momentum are found by bisection."""

from pathlib import Path

import pytest

from bench import momentum
from bench.steps.cases import CASES, Case
from checkpoint import BudgetError, plan_chain
from tests.bench.commands.reports import rows_of


def test_momentum_finds_the_least_bytes_of_one_extra_forward_pass(
    monkeypatch: pytest.MonkeyPatch, report: Path
) -> None:
    monkeypatch.setitem(CASES, "deep", Case("tiny", "a test", (12, *[64] * 11, 3), 512, 3, None))
    assert momentum.main(["--case", "deep", "--steps", "1", "--json", str(report)]) == 0
    (row,) = rows_of(report, "momentum")
    assert row["recompute_fraction"] <= 1
    chain = momentum.chain_with(CASES["deep"])
    try:
        smaller = plan_chain(chain, budget_bytes=row["promised_bytes"] - momentum.PRECISION_BYTES)
    except BudgetError:
        return
    assert smaller.recompute_fraction > 1
