"""Plans on the allocator: each keeps the budget that it was made for, and takes the bytes that it said."""

import numpy as np
import pytest

from backend import Backend, select_backend
from checkpoint import BudgetError, NetworkWithCheckpointing, simulate, store_all
from checkpoint.execution.scheduled import chain_on
from checkpoint.planning.plan import plan_chain
from mlp import Network
from tests.conftest import compiled_only, parameters_of, same_bits

SIZES = {"even": (20, *[24] * 9, 4), "ragged": (20, 64, 8, 40, 4, 64, 8, 40, 4)}
BATCH = 256


def one_step(net: Network, backend: Backend, dtype: str) -> int:
    """Take one step on random data; its peak."""
    random = np.random.default_rng(5)
    X = backend.asarray(random.random((BATCH, net.sizes[0])), dtype)
    y = backend.asarray(random.random((BATCH, net.sizes[-1])), dtype)
    with backend.measure() as usage:
        net.update_mini_batch(X, y, eta=0.5)
    return usage.peak_bytes


@pytest.mark.parametrize("part", [0.9, 0.7, 0.5, 0.35, "least"])
@pytest.mark.parametrize("row_blocks", [False, True], ids=["whole batches", "row blocks"])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=list(SIZES))
def test_plan_keeps_its_budget_on_the_allocator(
    metered: Backend, sizes: tuple[int, ...], row_blocks: bool, part: float | str
) -> None:
    chain = chain_on(metered, sizes, batch_size=BATCH)
    whole = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
    with pytest.raises(BudgetError) as refused:
        plan_chain(chain, budget_bytes=1, row_blocks=row_blocks, minimum_block_rows=16)
    least = refused.value.minimum_bytes
    budget = least if part == "least" else max(least, int(whole * float(part)))
    plan = plan_chain(chain, budget_bytes=budget, row_blocks=row_blocks, minimum_block_rows=16)
    net = NetworkWithCheckpointing(sizes, schedule=plan.schedule, initialization="scaled", backend=metered)
    assert one_step(net, metered, "float32") == plan.peak_bytes <= budget
    plain = Network(sizes, initialization="scaled", backend=metered)
    one_step(plain, metered, "float32")
    for W, other in zip(net.weights, plain.weights, strict=True):
        W, other = metered.to_numpy(W), metered.to_numpy(other)
        if plan.row_block is None and plan.schedule.pieces == "large":
            assert W.tobytes() == other.tobytes()
        else:
            np.testing.assert_allclose(W, other, rtol=0, atol=1e-6)


@compiled_only
@pytest.mark.parametrize("pieces", ["large", "small"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_planned_row_blocks_end_in_the_bits_of_plain_backpropagation(dtype: str, pieces: str) -> None:
    numpy, sizes = select_backend("numpy"), SIZES["ragged"]
    chain = chain_on(numpy, sizes, batch_size=BATCH, dtype=dtype)
    whole = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
    plan = plan_chain(chain, budget_bytes=whole // 3, minimum_block_rows=128, pieces=pieces)
    assert plan.row_block == 128
    assert plan.keeps_bits
    networks = [Network(sizes, dtype=dtype), NetworkWithCheckpointing(sizes, schedule=plan.schedule, dtype=dtype)]
    for net in networks:
        for _ in range(3):
            one_step(net, numpy, dtype)
    assert same_bits(*(parameters_of(net) for net in networks))
