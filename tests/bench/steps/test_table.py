"""Tables and records show what was timed."""

import pytest

from bench.steps.cases import CASES, MIB, Case
from bench.steps.resident import Resident
from bench.steps.roofline import Roofline
from bench.steps.table import record, table
from bench.steps.timing import Timed
from bench.steps.ways import CONTROL, EAGER, JIT, PLAIN, PRODUCTS, SEQUENTIAL, ways
from tests.bench.steps.rows import TINY, rows, timed


def cells(text: str, name: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(name)).removeprefix(name).split()


def test_table_has_time_and_bytes_as_ratios_to_each_that_is_compared_with() -> None:
    text = table(TINY, rows())
    assert cells(text, "sqrt") == ["20.00", "2.00", "1.33", "0.67", "2.00", "1.33", "25.0", "0.250", "0.88"]
    assert cells(text, "plain")[-5:] == ["100.0", "1.000", "120", "200", "0.00"]
    assert cells(text, CONTROL) == ["10.00", "1.00", "0.67", "0.33", "1.00"]


def test_peers_are_compared_with_their_own_products_and_their_own_eager_step() -> None:
    text = table(TINY, rows())
    assert cells(text, SEQUENTIAL)[:6] == ["40.00", "4.00", "2.67", "1.33", "2.67", "1.33"]
    assert cells(text, EAGER)[4:6] == ["2.00", "1.00"]
    assert cells(text, PRODUCTS["torch"]) == ["15.00", "1.50", "1.00", "0.50", "1.00"]
    assert cells(text, JIT)[:5] == ["50.00", "5.00", "3.33", "1.67", "1.00"]


def test_table_has_the_roofline_and_its_memory_bound_part() -> None:
    limits = {PLAIN: Roofline(10**9, 2**20, 0.010, 0.25), "sqrt": Roofline(10**9, 2**20, 0.012, 0.5)}
    text = table(TINY, rows(), limits)
    assert "at least 10.00 ms: 1 Gflop, 1 MiB from and to memory, 25% of the time" in text
    assert cells(text, "sqrt")[6:8] == ["2.00", "50%"]
    assert cells(text, PLAIN)[6:8] == ["1.50", "25%"]
    assert cells(text, EAGER)[6:8] == ["3.00", "125.0"]


def test_table_without_peers_or_resident_sets_has_no_empty_columns() -> None:
    text = table(TINY, [rows()[0], timed(PLAIN, 0.02, peak_mib=4, recompute_fraction=0.0)])
    assert "PyTorch" not in text
    assert "RSS" not in text
    assert "own" not in text
    assert "memory" not in text
    assert cells(text, "plain") == ["20.00", "2.00", "1.00", "4.0", "1.000", "0.00"]


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_table_is_at_most_150_columns_wide(case: Case) -> None:
    found = [Timed(way, (12.3456,), 2**30, Resident(2**31, 2**32, True)) for way in ways(case, front=True)]
    limits = {way.name: Roofline(10**12, 2**33, 1.0, 1.0) for way in ways(case, front=True)}
    assert max(map(len, table(case, found, limits).splitlines())) <= 150


def test_record_has_bytes_seconds_and_every_turn() -> None:
    found = record(rows()[1], rows())
    assert found["seconds"] == 0.015
    assert found["turn_seconds"] == [0.015]
    assert found["peak_bytes"] == 100 * MIB
    assert found["resident"] == {"above_start_bytes": 120 * MIB, "peak_bytes": 200 * MIB, "own_peak": True}
    assert found["time_ratios"] == {CONTROL: 1.5, PLAIN: 1.0, EAGER: 0.5, SEQUENTIAL: 0.375, JIT: pytest.approx(0.3)}
