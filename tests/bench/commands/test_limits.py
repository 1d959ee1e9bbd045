"""The smallest limits of ours; peers are not asked here. Nothing here asserts a size."""

import sys
from pathlib import Path

import pytest

from bench import limits
from bench.machine.child import ChildError, ChildLate
from bench.machine.least import NoLimit, least_limit
from bench.steps import within
from bench.steps.cases import MIB, Case
from bench.steps.ways import Way
from bench.steps.within import Taken, taken_by
from tests.bench.commands.reports import rows_of

TINY = Case("tiny", "a test", (12, *[16] * 11, 3), 256, every=3, row_block_mib=1, one_extra_mib=1)


def test_each_way_has_a_process_of_its_own(
    monkeypatch: pytest.MonkeyPatch, report: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(limits.CASES, "ragged", TINY)
    monkeypatch.setattr(limits, "absent_peers", lambda: dict.fromkeys(limits.PEERS, "not asked"))
    assert limits.main(["--case", "ragged", "--steps", "1", "--no-limits", "--json", str(report)]) == 0
    rows = rows_of(report, "limits")
    assert [row["way"] for row in rows] == ["ours, the smallest plan", "ours, in twice its bytes"]
    assert all(row["peak_bytes"] > 2**24 for row in rows)
    assert all(row["limit_bytes"] is None for row in rows)
    assert "PyTorch eager is left out: not asked" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts private memory on Linux alone")
def test_the_system_enforces_the_limits_that_are_tried() -> None:
    way = Way("plain", "ours", key="plain")
    taken = taken_by(way, TINY, steps=1)
    assert taken.private_bytes is not None
    assert 2**22 < taken.private_bytes < 2**30
    assert taken_by(way, TINY, steps=1, limit_bytes=2 * taken.private_bytes).peak_bytes > 2**24
    with pytest.raises(ChildError):
        taken_by(way, TINY, steps=1, limit_bytes=taken.private_bytes // 2)
    with pytest.raises(ChildLate, match="had not ended after"):
        taken_by(way, TINY, steps=1, within_seconds=1e-3)


def test_a_process_without_an_answer_is_not_one_that_the_limit_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below 150 MiB it fails, below 151 MiB it is late each time, and so is every first try."""
    asked: list[int] = []

    def taken(way: Way, case: Case, *, steps: int, limit_bytes: int | None = None, within_seconds: float = 0) -> Taken:
        if limit_bytes is None:
            return Taken(200 * MIB, 140 * MIB)
        asked.append(limit_bytes)
        if limit_bytes < 150 * MIB:
            raise ChildError("MemoryError")
        if limit_bytes < 151 * MIB or asked.count(limit_bytes) == 1:
            raise ChildLate("late")
        return Taken(190 * MIB, limit_bytes)

    monkeypatch.setattr(within, "taken_by", taken)
    monkeypatch.setattr(sys, "platform", "linux")
    found = limits.limit_of(Way("plain", "ours"), TINY, steps=1, enforce=True)
    assert (found.limit_bytes, found.certain, found.limited_peak_bytes) == (151 * MIB, False, 190 * MIB)
    assert f"{151} or less" in limits.table([found])


@pytest.mark.parametrize("least", [1, 9, 10, 11, 777, 5000, 19_990])
@pytest.mark.parametrize("guess", [1, 100, 777, 20_000])
def test_the_least_limit_is_found_from_any_guess(least: int, guess: int) -> None:
    found = least_limit(lambda limit: limit >= least, guess=guess, step=10, most=10**6)
    assert (found.limit, found.certain) == (-(-least // 10) * 10, True)


def test_where_no_limit_is_kept_to_it_is_said() -> None:
    with pytest.raises(NoLimit, match="up to"):
        least_limit(lambda limit: False, guess=500, step=10, most=10_000)
