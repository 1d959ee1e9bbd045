"""The roofline counts operations as the simulator does, and bytes as a cache would."""

import pytest

from bench.machine.rates import Rates
from bench.steps.cases import CASES
from bench.steps.roofline import roofline, traffic
from checkpoint import chain_of, micro_batches, simulate, square_root, store_all

CHAIN = chain_of([256, 512, 512, 8], batch_size=512)
LARGE, NONE = 2**40, 0


def bytes_of(widths: tuple[int, ...]) -> int:
    return 4 * 512 * sum(widths)


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_operations_are_the_products_and_what_is_recomputed(case) -> None:
    for schedule in (store_all(n_layers=case.n_layers), square_root(n_layers=case.n_layers)):
        found = roofline(schedule, case.chain, Rates(1e11, 1e10, 2**25))
        forward = case.chain.total_forward_flops
        assert (
            found.flops == 3 * forward - case.chain.forward_flops(1) + simulate(schedule, case.chain).recomputed_flops
        )


def test_second_step_in_a_large_cache_moves_nothing() -> None:
    for schedule in (store_all(n_layers=3), micro_batches(n_layers=3, batch_size=512, rows=128)):
        assert sum(moved for _, moved in traffic(schedule, CHAIN, cache_bytes=LARGE)) == 0


def test_without_a_cache_each_use_moves_its_bytes() -> None:
    """Four tiles, which read the weights each, and the weights written once."""
    weights = [4 * (n_in + 1) * n_out for n_in, n_out in ((256, 512), (512, 512), (512, 8))]
    moved = [found for _, found in traffic(store_all(n_layers=3), CHAIN, cache_bytes=NONE)]
    assert moved[:3] == [
        bytes_of((256, 512)) + 4 * weights[0],
        bytes_of((512, 512)) + 4 * weights[1],
        bytes_of((512, 8)) + 4 * weights[2],
    ]
    assert moved[3] == bytes_of((8, 512, 512)) + 5 * weights[2]
    assert moved[5] == bytes_of((512, 256)) + 5 * weights[0]


def test_row_blocks_move_weights_and_sums_for_each_block() -> None:
    blocks = micro_batches(n_layers=3, batch_size=512, rows=128)
    whole = sum(moved for _, moved in traffic(store_all(n_layers=3), CHAIN, cache_bytes=2**20))
    assert sum(moved for _, moved in traffic(blocks, CHAIN, cache_bytes=2**20)) > whole


def test_slow_memory_binds_every_layer_and_fast_memory_none() -> None:
    schedule = store_all(n_layers=3)
    slow, fast = (roofline(schedule, CHAIN, Rates(1e11, rate, NONE)) for rate in (1e3, 1e18))
    assert (slow.memory_bound, fast.memory_bound) == (1.0, 0.0)
    assert slow.seconds == pytest.approx(slow.memory_bytes / 1e3)
    assert fast.seconds == pytest.approx(fast.flops / 1e11)
