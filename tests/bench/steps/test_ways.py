"""Every way of taking a step does the same work. Nothing here asserts a speed."""

import numpy as np
import pytest

from bench.steps.cases import CASES, MIB, Case
from bench.steps.runner import ETA, Absent, batch_of, parameters_of
from bench.steps.runners import build
from bench.steps.ways import PLAIN, PRODUCTS, SCIKIT, Way, our_ways, ways
from checkpoint import simulate
from tests.bench.steps.rows import TINY


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [way.name for way in ways(TINY, front=True) if way.kind != "control" and way.name != SCIKIT]
)
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


@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_takes_the_step_of_a_linear_last_layer() -> None:
    try:
        runner = build(Way(SCIKIT, "peer", "sklearn"), TINY)
    except Absent as reason:
        pytest.skip(f"{SCIKIT}: {reason}")
    begun = [W.copy() for W in runner.weights()]
    runner.step()
    for first, own, wanted in zip(begun, runner.weights(), weights_after_a_step(), strict=True):
        np.testing.assert_allclose(own - first, wanted - first, rtol=1e-3, atol=2e-7)
    assert (runner.peak_bytes() or 0) > TINY.batch_size * sum(TINY.sizes[1:]) * 4


def weights_after_a_step() -> list[np.ndarray]:
    """In float64, with sigmoid layers and a linear last one."""
    X, y = (x.astype("float64") for x in batch_of(TINY))
    parameters = [(W.astype("float64"), b) for W, b in parameters_of(TINY)]
    outputs = [X]
    for W, b in parameters:
        outputs.append(1 / (1 + np.exp(-(outputs[-1] @ W + b))))
    outputs[-1] = outputs[-2] @ parameters[-1][0] + parameters[-1][1]
    delta, found = outputs[-1] - y, []
    for (W, _), a in zip(reversed(parameters), reversed(outputs[:-1]), strict=True):
        found.append(W - ETA / TINY.batch_size * a.T @ delta)
        delta = delta @ W.T * a * (1 - a)
    return found[::-1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", PRODUCTS)
def test_products_of_a_peer_alone_can_be_taken(library: str) -> None:
    try:
        runner = build(Way(PRODUCTS[library], "control", library), TINY)
    except Absent as reason:
        pytest.skip(f"{PRODUCTS[library]}: {reason}")
    runner.step()
    assert (runner.kind, runner.peak_bytes(), runner.weights()) == ("control", None, [])


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_plans_keep_to_what_their_names_say(case: Case) -> None:
    for way in our_ways(case):
        if way.schedule is None:
            continue
        found = simulate(way.schedule, case.chain)
        budget = {"one extra forward": case.one_extra_mib, "row blocks": case.row_block_mib}.get(way.key)
        assert way.recompute_fraction == found.recompute_fraction <= (0 if way.key == "row blocks" else 1)
        assert budget is None or found.peak_bytes <= budget * MIB
