"""One limit for the whole process: its parts, what is left for a step, and the limit that would do."""

import re
from typing import Any

import pytest

from checkpoint import BudgetError, CheckpointError, chain_of, plan
from checkpoint.planning.plan import memory_for, search_of
from checkpoint.planning.process import PROCESS_BYTES, ProcessMemory, check_room, memory_within, parts_of
from checkpoint.schedule.chain import state_arrays

CHAIN = chain_of([784, *[128] * 24, 10], batch_size=1000)
MIB = 2**20


def test_the_parts_of_a_limit_add_up_to_it() -> None:
    memory = memory_within(100 * MIB, CHAIN, resident_bytes=40 * MIB, states=2)
    parts = (memory.resident_bytes, memory.rest_bytes, memory.data_bytes, memory.scratch_bytes, memory.margin_bytes)
    assert sum(parts) + memory.budget_bytes == 100 * MIB
    weights = 784 * 128 + 128 + 23 * (128 * 128 + 128) + 128 * 10 + 10
    assert memory.rest_bytes == 3 * 4 * weights
    assert memory.data_bytes == 4 * 1000 * (784 + 10)
    assert ProcessMemory(10, 20, 0, 0, 0).budget_bytes == 0


def test_one_byte_below_the_limit_that_would_do_is_refused_and_that_limit_is_named() -> None:
    search = search_of(CHAIN)
    with pytest.raises(BudgetError, match=r"0 B left for a step; .* would fit in --memory-limit \d+ ") as caught:
        check_room(memory_within(MIB, CHAIN, resident_bytes=40 * MIB), search)
    least = caught.value.minimum_bytes
    check_room(memory_within(least, CHAIN, resident_bytes=40 * MIB), search)
    with pytest.raises(BudgetError, match=f"--memory-limit {least} ") as caught:
        check_room(memory_within(least - 1, CHAIN, resident_bytes=40 * MIB), search)
    assert re.search("the largest part is what is resident", str(caught.value))


def test_a_plan_for_a_limit_is_within_what_is_left_of_it() -> None:
    found = plan([784, *[128] * 24, 10], batch_size=1000, memory_limit_bytes="4GiB")
    assert found.memory is not None
    assert found.budget_bytes == found.memory.budget_bytes
    assert found.memory.taken_bytes + found.budget_bytes == 4 * 2**30
    assert found.memory.resident_bytes > 0
    with pytest.raises(BudgetError, match="for the whole process"):
        plan([784, *[128] * 24, 10], batch_size=1000, memory_limit_bytes=1)


def test_a_gpu_that_nothing_runs_on_is_taken_to_have_a_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(__import__("sys").modules, "cupy", raising=False)
    chain = chain_of([784, 128, 10], batch_size=1000, backend="cupy")
    assert memory_for(chain, "2GiB").resident_bytes > 2 * PROCESS_BYTES
    batch = sum(-(-4 * 1000 * columns // chain.allocation_bytes) * chain.allocation_bytes for columns in (784, 10))
    assert memory_for(chain, "2GiB").data_bytes == 2 * batch


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, "give budget_bytes or memory_limit_bytes"),
        ({"budget_bytes": 10, "memory_limit_bytes": 10}, "give budget_bytes or memory_limit_bytes"),
        ({"memory_limit_bytes": "much"}, "memory_limit_bytes: a number of bytes"),
        ({"memory_limit_bytes": 1.5}, "memory_limit_bytes: a limit must be a whole number"),
        ({"memory_limit_bytes": "50%"}, "memory_limit_bytes: a number of bytes"),
    ],
)
def test_a_limit_is_bytes_and_stands_alone(given: dict[str, int | str], wanted: str) -> None:
    with pytest.raises(CheckpointError, match=wanted):
        plan([784, 30, 10], batch_size=10, **given)  # type: ignore[arg-type]


def test_the_parts_of_a_run_name_the_largest() -> None:
    parts = parts_of(CHAIN, 12 * MIB)
    assert parts["step"] == 12 * MIB
    assert parts["libraries"] == PROCESS_BYTES
    assert max(parts, key=lambda name: parts[name]) == "libraries"
    assert parts["optimizer_state"] == 0
    with_adam = parts_of(CHAIN, 12 * MIB, states=2)
    assert with_adam["optimizer_state"] == 2 * parts["parameters"] == 2 * with_adam["parameters"]


@pytest.mark.parametrize(
    ("of", "arrays"),
    [
        ({}, 0),
        ({"momentum": 0.9}, 1),
        ({"optimizer": "sgd"}, 0),
        ({"optimizer": "sgd", "momentum": 0.9}, 1),
        ({"optimizer": "adam"}, 2),
    ],
)
def test_a_limit_counts_what_the_optimizer_keeps(of: dict[str, Any], arrays: int) -> None:
    sizes: list[int] = [784, *[128] * 24, 10]
    assert state_arrays(**of) == arrays
    plain, found = (plan(sizes, batch_size=1000, memory_limit_bytes="4GiB", **each).memory for each in ({}, of))
    assert plain is not None
    assert found is not None
    assert found.rest_bytes == (1 + arrays) * plain.rest_bytes
