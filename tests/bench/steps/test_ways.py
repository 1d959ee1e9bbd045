"""Every way of taking a step does the same work. Nothing here asserts a speed."""

import numpy as np
import pytest

from bench.steps.cases import CASES, MIB, Case
from bench.steps.runner import Absent
from bench.steps.runners import build
from bench.steps.ways import PLAIN, Way, our_ways, ways
from checkpoint import simulate
from tests.bench.steps.rows import TINY


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [way.name for way in ways(TINY, front=True) if way.kind != "control"])
def test_every_way_takes_the_same_step(name: str) -> None:
    way = next(way for way in ways(TINY, front=True) if way.name == name)
    try:
        runner = build(way, TINY)
    except Absent as reason:
        pytest.skip(f"{name}: {reason}")
    plain = build(Way(PLAIN, "ours"), TINY)
    for before, same in zip(runner.weights(), plain.weights(), strict=True):
        np.testing.assert_array_equal(before, same)
    begun = [W.copy() for W in plain.weights()]
    for _ in range(3):
        runner.step()
        plain.step()
    for first, own, same in zip(begun, runner.weights(), plain.weights(), strict=True):
        np.testing.assert_allclose(own - first, same - first, rtol=1e-2, atol=2e-7)
    assert any((first != own).any() for first, own in zip(begun, runner.weights(), strict=True))


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_plans_keep_to_what_their_names_say(case: Case) -> None:
    for way in our_ways(case):
        if way.schedule is None:
            continue
        found = simulate(way.schedule, case.chain)
        budget = {"one extra forward": case.one_extra_mib, "row blocks": case.row_block_mib}.get(way.key)
        assert way.recompute_fraction == found.recompute_fraction <= (0 if way.key == "row blocks" else 1)
        assert budget is None or found.peak_bytes <= budget * MIB
