"""How an acceptance run times and judges: turns, sizes by memory and rates, the part of copies that hides."""

import math
import time

import pytest

from backend.cupy.backend import CupyBackend
from bench.gpu_acceptance.checks import launches as gpu_launches
from bench.gpu_acceptance.checks.copies import Rates, copies
from bench.gpu_acceptance.checks.launches import UNCOUNTED, launches
from bench.gpu_acceptance.checks.overlap import BESIDE, PLAIN, WAITED, judged, overlap_of, shape_for
from bench.gpu_acceptance.checks.steps import ALIVE, PRODUCTS, case_in, steps
from bench.gpu_acceptance.rows import FAILED, LEFT_OUT, OK
from bench.gpu_acceptance.setting import Setting
from bench.gpu_acceptance.shapes import FULL, FULL_BYTES, QUICK, shapes_in
from bench.gpu_acceptance.torch_ways import WAYS, torch_on_gpu
from bench.gpu_acceptance.turns import Seconds, seconds_of
from tests.backend.cupy.saying import device_or_skip


@pytest.fixture(scope="module")
def timed() -> Setting:
    """A setting that is timed, whatever the device: one turn; its figures mean nothing."""
    device_or_skip()
    return Setting(CupyBackend(), quick=True, timed=True, deadline=-math.inf)


@pytest.mark.gpu
def test_steps_are_timed_beside_the_products(timed: Setting) -> None:
    rows = [*steps("deep", timed)]
    assert [row.verdict for row in rows if row.name.endswith(": bytes")] == [OK] * 4
    times = [row for row in rows if row.name.endswith(": time")]
    assert [row.name for row in times][:2] == [f"{PRODUCTS}: time", "plain: time"]
    assert len(times) == 5
    assert all(row.figures["of_products"] > 0 for row in times)
    assert all(row.figures["driver_bytes"] > row.figures["peak_bytes"] for row in rows if row not in times)


@pytest.mark.gpu
def test_copies_are_timed_in_each_direction(timed: Setting) -> None:
    rows = [*copies(timed)]
    assert [row.name for row in rows[:3]] == ["device to host", "host to device", "both at once, together"]
    assert all(row.figures["bytes_per_second"] > 0 for row in rows[:3])


@pytest.mark.gpu
def test_offloading_is_timed_beside_the_computing_and_not(timed: Setting) -> None:
    rows = [*overlap_of(timed.backend, QUICK.deep, deadline=time.monotonic())]
    assert [row.name.partition(", ")[2] for row in rows[:3]] == [PLAIN, BESIDE, WAITED]
    assert all(row.figures["seconds"] > 0 for row in rows[:3])


@pytest.mark.gpu
def test_host_s_part_of_a_step_is_measured(timed: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_launches, "TURNS", 1)
    if torch_on_gpu() is not None:
        pytest.skip("here PyTorch counts kernels too")
    rows = [*launches(timed)]
    assert [row.name for row in rows] == ["classic, plain", "classic, sqrt", "deep, plain", "deep, sqrt"]
    assert all(0 < row.figures["host_seconds"] <= row.figures["seconds"] for row in rows)
    assert all(UNCOUNTED in row.detail for row in rows)


def turns(plain: float, beside: float, waited: float, *, noise: float = 0.0) -> dict[str, Seconds]:
    """Seven turns of each, which vary by `noise`."""
    return {
        name: Seconds(tuple(value * (1 + noise * turn / 6) for turn in range(7)))
        for name, value in ((PLAIN, plain), (BESIDE, beside), (WAITED, waited))
    }


@pytest.mark.parametrize(
    ("plain", "beside", "waited", "hidden", "verdict"),
    [
        (10, 10, 18, 1.0, OK),
        (10, 13, 18, 0.625, OK),
        (10, 15, 18, 0.375, FAILED),
        (10, 18, 18, 0.0, FAILED),
        (10, 20, 30, 1.0, OK),  # copies take twice as long as computing: no more than the computing hides
    ],
)
def test_the_part_that_hides_is_judged(plain: float, beside: float, waited: float, hidden: float, verdict: str) -> None:
    row = judged(turns(plain, beside, waited))
    assert row.verdict == verdict
    assert row.figures["hidden"] == pytest.approx(hidden)


def test_busy_gpu_is_not_judged() -> None:
    row = judged(turns(10, 18, 18, noise=0.5))
    assert row.verdict == LEFT_OUT
    assert "the GPU is busy" in row.detail


def test_copies_too_small_to_hide_are_not_judged() -> None:
    assert judged(turns(10, 10.4, 10.5)).verdict == LEFT_OUT


def test_network_of_the_overlap_is_as_wide_as_rates_and_memory_say() -> None:
    rates = Rates(to_host=25e9, to_device=25e9, both=40e9, flops=50e12)
    assert shape_for(rates, 2**40).sizes == (784, *[4096] * 8, 10)
    assert shape_for(Rates(1e9, 1e9, 1e9, 50e12), 2**40).sizes[1] == 8192
    assert shape_for(rates, 2**30).sizes[1] == 2048


def test_one_turn_is_taken_when_it_is_late() -> None:
    taken = []
    found = seconds_of({"a": lambda: taken.append(1)}, deadline=time.monotonic() - 1)
    assert (len(taken), len(found["a"].turns)) == (1, 1)
    assert found["a"].median > 0


def test_spread_passes_over_one_outlier() -> None:
    assert Seconds((1.0, 1.0, 1.0, 1.0, 9.0)).is_quiet
    assert not Seconds((1.0, 1.0, 1.0, 9.0, 9.0)).is_quiet


@pytest.mark.parametrize("gib", [16, 40, 80, 141])
def test_cases_are_as_large_as_free_memory_holds(gib: int) -> None:
    free = gib * 2**30
    for name in ("deep", "long"):
        case = case_in(name, free, quick=False)
        activations = 4 * case.batch_size * sum(case.sizes[1:])
        assert ALIVE * activations <= free * 1.001
        assert activations >= free / 19 or name == "deep"


@pytest.mark.parametrize("name", ["deep", "long"])
def test_no_case_is_made_for_a_gpu_that_is_full(name: str) -> None:
    with pytest.raises(MemoryError, match="fits in 1,000 bytes 9 times"):
        case_in(name, 1000, quick=False)


def test_shapes_are_as_large_as_free_memory_holds() -> None:
    assert shapes_in(FULL_BYTES, quick=False) is FULL
    assert shapes_in(FULL_BYTES, quick=True) is QUICK
    assert shapes_in(FULL_BYTES - 1, quick=False) is QUICK
    with pytest.raises(MemoryError, match="1,000 are free"):
        shapes_in(1000, quick=True)


def test_what_may_break_a_process_comes_last() -> None:
    assert [way.compiled for way in WAYS] == [None, None, None, "default", "reduce-overhead", "reduce-overhead"]
    assert {way.tf32 for way in WAYS} == {False, True}
