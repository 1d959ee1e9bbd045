"""Tables and records show what was timed."""

import pytest

from bench.steps.cases import CASES, MIB, Case
from bench.steps.resident import Resident
from bench.steps.table import record, table
from bench.steps.timing import Timed
from bench.steps.ways import CONTROL, EAGER, JIT, PLAIN, SEQUENTIAL, ways
from tests.bench.steps.rows import TINY, rows, timed


def cells(text: str, name: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(name)).removeprefix(name).split()


def test_table_has_time_and_bytes_as_ratios_to_each_that_is_compared_with() -> None:
    text = table(TINY, rows())
    times = ["20.00", "2.00", "1.33", "0.67", "0.50", "0.40"]
    assert cells(text, "sqrt") == [*times, "25.0", "0.250", "0.200", "0.88"]
    assert cells(text, "plain")[-6:] == ["100.0", "1.000", "0.800", "120", "200", "0.00"]
    assert cells(text, CONTROL) == ["10.00", "1.00", "0.67", "0.33", "0.25", "0.20"]


def test_table_without_peers_or_resident_sets_has_no_empty_columns() -> None:
    text = table(TINY, [rows()[0], timed(PLAIN, 0.02, peak_mib=4, recompute_fraction=0.0)])
    assert "PyTorch" not in text
    assert "resident" not in text
    assert cells(text, "plain") == ["20.00", "2.00", "1.00", "4.0", "1.000", "0.00"]


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_table_is_at_most_150_columns_wide(case: Case) -> None:
    found = [Timed(way, (12.3456,), 2**30, Resident(2**31, 2**32, True)) for way in ways(case, front=True)]
    assert max(map(len, table(case, found).splitlines())) <= 150


def test_record_has_bytes_seconds_and_every_turn() -> None:
    found = record(rows()[1], rows())
    assert found["seconds"] == 0.015
    assert found["turn_seconds"] == [0.015]
    assert found["peak_bytes"] == 100 * MIB
    assert found["resident"] == {"above_start_bytes": 120 * MIB, "peak_bytes": 200 * MIB, "own_peak": True}
    assert found["time_ratios"] == {CONTROL: 1.5, PLAIN: 1.0, EAGER: 0.5, SEQUENTIAL: 0.375, JIT: pytest.approx(0.3)}
