"""Chains of any layers: what is counted, the programs against exhaustive search, and each reader of their schedules."""

from math import inf
from random import Random

import pytest

from checkpoint import (
    Backward,
    BudgetError,
    CheckpointError,
    Flops,
    Forward,
    GeneralChain,
    Layer,
    Offloading,
    Schedule,
    chain_of,
    front_of,
    general_chain,
    plan_chain,
    simulate,
    store_all,
)
from checkpoint.planning.programs.guided import Estimates, Guided
from checkpoint.planning.programs.once_only import kept_actions, once_only
from checkpoint.planning.programs.persistent import Persistent
from checkpoint.planning.programs.smallest_peak import SmallestPeak
from checkpoint.planning.programs.temporary import Temporary
from checkpoint.schedule.export import to_checkpoint_schedules
from checkpoint.schedule.layers import NEEDS
from checkpoint.schedule.nested import to_torch
from checkpoint.schedule.placement import place
from checkpoint.schedule.stretches import written
from tests.checkpoint.chains import common_divisor, ladder_of, schedule_of
from tests.checkpoint.exhaustive import least_recompute


def a_layer(random: Random) -> Layer:
    output, forward, backward = (random.randint(low, 9) for low in (1, 0, 0))
    working = [random.choice((0, random.randint(0, 12))) for _ in range(2)]
    return Layer(output, forward, backward, *working, needs=random.choice(NEEDS))


def a_chain(random: Random, *, most_layers: int = 6) -> GeneralChain:
    """A chain of 2 layers or more: all unlike or, of some, of two kinds; outputs are often of equal bytes."""
    kinds = [a_layer(random) for _ in range(2)]
    alike = random.random() < 0.3
    n_layers = random.randint(2, most_layers)
    return general_chain(random.choice(kinds) if alike else a_layer(random) for _ in range(n_layers))


def a_budget(random: Random, chain: GeneralChain) -> int:
    least = SmallestPeak(ladder_of(chain)).peak_bytes
    return random.randint(least, max(least, simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes))


def step_cost(chain: GeneralChain) -> int:
    return sum(layer.forward_cost + layer.backward_cost for layer in chain.layers)


def test_a_step_counts_what_is_said_of_it() -> None:
    chain = general_chain([Layer(10, 1, 1, 3, 5, "both"), Layer(20, 1, 1, 7, 11), Layer(4, 1, 1, 0, 1, "output")])
    simulation = simulate(store_all(n_layers=3), chain)
    assert simulation.peaks == (
        10 + 3,
        10 + 20 + 7,
        10 + 20 + 4,
        10 + 20 + (4 + 4) + 1 + 20,  # a_3 stays beside its error, and the error of layer 2 is made beside a_2
        10 + 20 + 11 + 10,  # a_1 stays beside its error
        (10 + 10) + 5,
    )
    assert simulation.bytes_after == (10, 30, 34, 30, 20, 0)


@pytest.mark.parametrize("seed", range(8))
def test_programs_equal_exhaustive_search(seed: int) -> None:
    """The persistent program is the best of its class; one with a temporary checkpoint rarely misses the best."""
    random = Random(seed)
    missed = 0
    for _ in range(100):
        chain = a_chain(random)
        budget, ladder = a_budget(random, chain), ladder_of(chain)
        smallest, once = SmallestPeak(ladder), step_cost(chain)
        assert least_recompute(chain, smallest.peak_bytes - 1, kind="nested") == inf
        assert simulate(schedule_of(chain, written(smallest.stretches())), chain).peak_bytes == smallest.peak_bytes
        found = Persistent(ladder, budget, common_divisor(ladder), smallest)
        simulation = simulate(schedule_of(chain, written(found.stretches())), chain)
        assert simulation.peak_bytes <= budget
        assert found.cost - once == simulation.recomputed_flops == least_recompute(chain, budget, kind="nested")
        program = Temporary(chain, Flops(chain), budget)
        simulation = simulate(schedule_of(chain, program.actions(budget)), chain)
        assert simulation.peak_bytes <= budget
        best = least_recompute(chain, budget)
        assert best <= simulation.recomputed_flops == program.steps.at(budget) - once <= found.cost - once
        missed += simulation.recomputed_flops > best
    assert missed <= 1


@pytest.mark.parametrize("seed", range(4))
def test_once_only_and_guided_schedules_need_what_they_say(seed: int) -> None:
    random = Random(seed)
    for _ in range(100):
        chain = a_chain(random, most_layers=8)
        budget, ladder = a_budget(random, chain), ladder_of(chain)
        for kept in once_only(chain, Flops(chain), budget_bytes=budget):
            simulation = simulate(schedule_of(chain, kept_actions(chain, kept)), chain)
            assert (simulation.peak_bytes, simulation.recomputed_flops) == (kept.need_bytes, kept.cost)
        smallest = SmallestPeak(ladder)
        found = Guided(smallest, Estimates(ladder, budget, max(1, budget // 32), smallest), budget)
        simulation = simulate(schedule_of(chain, written(found.stretches())), chain)
        assert simulation.peak_bytes <= budget
        assert simulation.recomputed_flops + step_cost(chain) == found.cost


def test_layers_of_equal_outputs_are_not_taken_to_be_alike() -> None:
    """A chain that cycles by its outputs' bytes and not by the rest of them."""
    random = Random(7)
    for _ in range(40):
        layers = [Layer(4, 3, 6, random.randint(0, 9), random.randint(0, 9)) for _ in range(7)]
        chain = general_chain(layers)
        budget, ladder = a_budget(random, chain), ladder_of(chain)
        found = Persistent(ladder, budget, common_divisor(ladder))
        assert simulate(schedule_of(chain, written(found.stretches())), chain).peak_bytes <= budget
        assert found.cost - step_cost(chain) == least_recompute(chain, budget, kind="nested")


def test_the_places_of_arrays_add_up_to_what_is_simulated() -> None:
    random = Random(8)
    for _ in range(200):
        chain = a_chain(random, most_layers=9)
        ladder = ladder_of(chain)
        schedule = schedule_of(
            chain, written(Persistent(ladder, a_budget(random, chain), common_divisor(ladder)).stretches())
        )
        placement = place(schedule, chain)
        live = [0] * len(schedule)
        for array, size in zip(placement.arrays, placement.sizes, strict=True):
            for position in range(array.first, array.last + 1):
                live[position] += size
        assert tuple(live) == simulate(schedule, chain).peaks


def test_plans_keep_their_budget_and_are_the_best_of_all_schedules() -> None:
    random = Random(9)
    for _ in range(60):
        chain = a_chain(random, most_layers=5)
        with pytest.raises(BudgetError) as caught:
            plan_chain(chain, budget_bytes=0)
        least = caught.value.minimum_bytes
        with pytest.raises(BudgetError, match="smallest peak"):
            plan_chain(chain, budget_bytes=least - 1)
        most = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
        found = plan_chain(chain, budget_bytes=random.randint(least, max(least, most)))
        assert found.arena_bytes <= found.budget_bytes
        assert found.cost >= found.lower_bound


def test_a_residual_network_is_planned_drawn_and_exported() -> None:
    block = Layer(2**20, 40, 80, 2**18, 2**19, "both", "block")
    chain = general_chain([Layer(2**20, 7, 7), *[block] * 30, Layer(2**12, 1, 2)], name="resnet")
    with pytest.raises(
        BudgetError,
        match=r"smallest peak, \d+ bytes \([0-9.]+ MiB\)(, \d+ of them padding and holes of the arena,)?; raise",
    ) as caught:
        plan_chain(chain, budget_bytes=0)
    found = plan_chain(chain, budget_bytes=2 * caught.value.minimum_bytes)
    assert found.peak_bytes <= found.budget_bytes < simulate(store_all(n_layers=32), chain).peak_bytes / 2
    assert 0 < found.recompute_fraction < 2
    assert to_torch(found.schedule).count("kept(") > 3
    assert Schedule.from_json(found.schedule.to_json()) == found.schedule
    front = front_of(chain, most_points=5)
    assert front.plans[-1].arena_bytes == caught.value.minimum_bytes


def test_schedules_of_any_chain_are_exported() -> None:
    pytest.importorskip("checkpoint_schedules")
    chain = general_chain([Layer(8, 2, 3)] * 6)
    assert to_checkpoint_schedules(plan_chain(chain, budget_bytes="80%").schedule)


def test_json_comes_back() -> None:
    chain = a_chain(Random(10))
    assert GeneralChain.from_json(chain.to_json()) == chain


HEAD = '{"format": "mlp-checkpointing chain 1", "layers": '


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[", "not JSON"),
        ("{}", "something else"),
        (HEAD + "3}", "a list of layers"),
        (HEAD + "[]}", "1 to 100000 layers"),
        (HEAD + "[3]}", "layer 1 must have output_bytes"),
        (HEAD + '[{"output_bytes": 4}, {"output_bytes": 4, "forward": 3}]}', "layer 2 must have output_bytes"),
        (HEAD + '[{"output_bytes": -1}]}', "layer 1: output_bytes"),
        (HEAD + '[{"output_bytes": 4.5}]}', "layer 1: output_bytes"),
        (HEAD + '[{"output_bytes": true}]}', "layer 1: output_bytes"),
        (HEAD + '[{"output_bytes": 4, "needs": "neither"}]}', "layer 1: needs must be input, output or both"),
        (HEAD + '[{"output_bytes": 4, "needs": []}]}', "layer 1: needs must be"),
        (HEAD + '[{"output_bytes": 4, "name": 3}]}', "layer 1: a layer's name"),
    ],
)
def test_text_that_is_no_chain_is_refused(text: str, wanted: str) -> None:
    with pytest.raises(CheckpointError, match=wanted):
        GeneralChain.from_json(text)


def test_what_such_a_chain_does_not_have_is_refused() -> None:
    chain = general_chain([Layer(8)] * 3)
    with pytest.raises(CheckpointError, match="not offloaded"):
        plan_chain(chain, budget_bytes=100, offloading=Offloading(1e9, 1e9))
    with pytest.raises(CheckpointError, match="each of them a Layer"):
        general_chain([3])  # type: ignore[list-item]


def test_an_mlp_s_chain_as_numbers_takes_what_it_took() -> None:
    """Where errors are made beside activations: the bytes of each step are those of the MLP's chain."""
    mlp = chain_of([30, 64, 20, 48, 10], batch_size=16)
    layers = [
        Layer(
            mlp.activation_bytes(layer),
            mlp.forward_flops(layer),
            mlp.backward_flops(layer),
            backward_bytes=max(0, mlp.workspace_bytes(layer) - mlp.activation_bytes(layer - 1)),
        )
        for layer in range(1, 5)
    ]
    actions = (*(Forward(layer) for layer in range(1, 5)), *(Backward(layer) for layer in range(4, 0, -1)))
    numbers, own = (simulate(Schedule(4, actions), chain) for chain in (general_chain(layers), mlp))
    assert numbers.bytes_after == own.bytes_after
    assert numbers.peaks[:4] == own.peaks[:4]
    assert numbers.forward_flops == own.forward_flops
