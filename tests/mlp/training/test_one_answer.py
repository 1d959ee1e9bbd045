"""What one answer for all samples costs: no constant output costs less, and a network at chance is known by it."""

import numpy as np
import pytest

from mlp import ArrayBatches, Network
from mlp.costs import COSTS
from mlp.training.one_answer import is_no_better, one_answer_cost

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.choice(4, size=5000, p=[0.5, 0.25, 0.2, 0.05])


def cost_of(answer: np.ndarray, cost: str, y: np.ndarray) -> np.ndarray:
    """The cost of each row of y (n, k) for one output (k,)."""
    if cost == "quadratic":
        return ((answer - y) ** 2).sum(axis=1) / 2
    known = -(y * np.log(answer)).sum(axis=1)
    return known if cost == "cross-entropy" else known - ((1 - y) * np.log(1 - answer)).sum(axis=1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cost", COSTS)
def test_it_is_the_least_that_one_output_costs(cost: str, weighted: bool) -> None:
    net = Network([2, 4], cost=cost)
    y = np.eye(4)[LABELS]
    weights = RANDOM.random(len(y)) if weighted else None
    found = one_answer_cost(net, ArrayBatches(net, np.zeros((len(y), 2)), LABELS), weights)
    best = np.average(y, axis=0, weights=weights)
    assert found == pytest.approx(np.average(cost_of(best, cost, y), weights=weights), rel=1e-6)
    for _ in range(5):
        other = RANDOM.dirichlet(np.ones(4)) * 0.2 + best * 0.8
        assert found < np.average(cost_of(other, cost, y), weights=weights)


def test_targets_that_are_one_are_no_reproach() -> None:
    net = Network([2, 3])
    assert one_answer_cost(net, ArrayBatches(net, np.zeros((5, 2)), np.zeros(5, int))) == 0
    assert not is_no_better(0.0, 0.0)
    assert not is_no_better(None, 1.0)
    assert is_no_better(0.995, 1.0)
    assert not is_no_better(0.98, 1.0)
