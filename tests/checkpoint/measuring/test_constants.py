"""A machine's constants: found from the layers that are timed, kept, and what they make of a plan."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from backend import select_backend
from checkpoint import CheckpointError, MachineConstants, MachineCost, chain_of, plan_chain
from checkpoint.measuring import constants
from checkpoint.planning.costs import cost_of

KNOWN = MachineConstants(
    forward_flops=1e11,
    backward_flops=8e10,
    half_rows=16.0,
    call_seconds=5e-6,
    value_seconds=4e-10,
    bytes_per_second=1e10,
    cache_bytes=2.0**25,
)


def seconds_on(machine: MachineConstants, direction: str, n_in: int, n_out: int, rows: int, first: bool) -> float:
    """What a layer takes on a machine of these constants."""
    chain = replace(chain_of([1, n_in, n_out], batch_size=rows), pieces="large")
    cost = MachineCost(chain, replace(machine, cache_bytes=1.0 if n_in == constants.WIDE else 1e15))
    return cost.forward(2, rows) if direction == "forward" else cost.backward(2, rows)


@pytest.mark.parametrize("half_rows", [0.0, 8.0, 16.0])
def test_the_constants_of_a_machine_are_found_from_what_it_takes(half_rows: float) -> None:
    machine = replace(KNOWN, half_rows=half_rows)
    found = constants.measured(
        lambda *layer: seconds_on(machine, *layer), item_bytes=4, cache_bytes=int(machine.cache_bytes)
    )
    for name, value in asdict(machine).items():
        assert getattr(found, name) == pytest.approx(value, rel=0.05, abs=1e-3), name


def test_any_timings_make_constants() -> None:
    """Those of a busy machine too: few rows may take longer than many."""
    for odd in (1e-9, 1e-3, 5.0):
        found = constants.measured(lambda *layer, odd=odd: odd * (1 + layer[3] % 7), item_bytes=4, cache_bytes=2**20)
        assert found.forward_flops > 0


def test_constants_are_measured_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def timed(direction: str, n_in: int, n_out: int, rows: int, first: bool, dtype: str, backend: object) -> float:
        asked.append(dtype)
        return seconds_on(KNOWN, direction, n_in, n_out, rows, first)

    monkeypatch.setattr(constants, "time_layer", timed)
    backend, path = select_backend("numpy"), tmp_path / "timings.json"
    found = constants.constants_of(backend, "float32", path=path)
    count = len(asked)
    assert count <= 8
    assert constants.constants_of(backend, "float32", path=path) == found
    assert len(asked) == count
    record = json.loads(path.read_text())
    record["machines"][0]["timings"]["constants float32"]["forward_flops"] = "fast"
    path.write_text(json.dumps(record))
    assert constants.constants_of(backend, "float32", path=path) == found  # what is no constant is measured again
    assert len(asked) == 2 * count


def test_constants_are_numbers_above_0() -> None:
    for value in (0, -1.0, float("nan"), float("inf"), "1"):
        with pytest.raises(CheckpointError, match="call_seconds of a machine"):
            replace(KNOWN, call_seconds=value)  # type: ignore[arg-type]


def test_the_cache_is_the_largest_that_is_listed(tmp_path: Path) -> None:
    for index, size in enumerate(("32K", "1024K", "16M", "odd")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(size)
    assert constants.last_level_cache_bytes(tmp_path) == 2**24
    assert constants.last_level_cache_bytes(tmp_path / "none") == constants.DEFAULT_CACHE_BYTES


def test_row_blocks_pay_for_the_weights_that_they_read_again() -> None:
    """Weights that the cache does not hold: a block's cost does not fall below reading them."""
    chain = chain_of([2048] * 9, batch_size=1024)
    cost = MachineCost(chain, replace(KNOWN, cache_bytes=2.0**20))
    weights = 2048 * 2048 * 4 * (1 - 2**20 / (8 * 2048 * 2048 * 4)) / 1e10
    assert cost.forward(3, 16) > weights
    cached = MachineCost(chain, replace(KNOWN, cache_bytes=2.0**40))
    assert cached.forward(3, 16) < cost.forward(3, 16)


def test_a_plan_by_constants_takes_no_longer_by_them_and_equal_inputs_give_equal_plans() -> None:
    chain = chain_of([784, *[256, 32] * 8, 10], batch_size=2048)
    cost = MachineCost(chain, KNOWN)
    for budget in ("40%", "15%"):
        ours = plan_chain(chain, budget_bytes=budget, cost=cost)
        assert ours.schedule == plan_chain(chain, budget_bytes=budget, cost=MachineCost(chain, KNOWN)).schedule
        counted = plan_chain(chain, budget_bytes=budget)
        assert cost_of(ours.schedule, chain, cost) <= 1.0001 * cost_of(counted.schedule, chain, cost)
