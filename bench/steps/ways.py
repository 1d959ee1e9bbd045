"""The ways of taking a step of a case, by name: the control, ours, and the peers'. Plans; builds nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.steps.cases import MIB, Case
from checkpoint import BudgetError, Chain, Plan, Schedule, every_nth, plan_chain, simulate, square_root, store_all
from checkpoint.planning.costs import OPERATIONS
from checkpoint.schedule.placement import arena_bytes

CONTROL = "matrix products alone"
PLAIN = "plain"
EAGER = "PyTorch eager"
HOOKED = "PyTorch, optimizer in backward"
SEQUENTIAL = "PyTorch checkpoint_sequential"
HOOKED_SEQUENTIAL = "PyTorch sequential, optimizer in backward"
COMPILED = "PyTorch compile"
BUDGETS = {f"{COMPILED}, budget {budget}": budget for budget in (0.5, 0.05, 0.0)}
"""PyTorch compiled with an `activation_memory_budget`: the part of the activations that it may keep, by name."""

JIT, REMAT = "JAX jit", "JAX jit, checkpoint"
SCIKIT = "scikit-learn MLP"
PEERS = {
    **dict.fromkeys((EAGER, HOOKED, SEQUENTIAL, HOOKED_SEQUENTIAL, COMPILED, *BUDGETS), "torch"),
    **dict.fromkeys((JIT, REMAT), "jax"),
    SCIKIT: "sklearn",
}
"""The peers and the library of each."""

PRODUCTS = {"torch": "PyTorch's products alone", "jax": "JAX's products alone"}
"""The controls of the libraries that multiply by other means than NumPy's BLAS."""

EAGERS = {"numpy": PLAIN, "torch": EAGER, "jax": JIT, "sklearn": SCIKIT}
"""The plainest step of each library, with which its other steps are compared."""

OURS = ("plain", "every nth", "sqrt", "planned", "one extra forward", "row blocks")
"""The keys of our ways, in order; each case has some of them."""

PLANNED_LAYERS = 10
"""Shorter chains leave next to nothing to plan: only points of their front are timed."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of a step: `kind` "control", "ours" or "peer", and the `library` whose threads work; "blas": NumPy's.

    `key` is the same in every case, while `name` may carry the case's numbers. `schedule` is None except for ours
    with checkpointing, `recompute_fraction` None for peers, which do not report it. `row_blocks`: the plan has some.
    `planned`: a point of our front. `optimal_among` names the class in which a plan is the best.
    """

    name: str
    kind: str
    library: str = "numpy"
    key: str = ""
    schedule: Schedule | None = None
    recompute_fraction: float | None = None
    row_blocks: bool = False
    planned: bool = False
    optimal_among: str | None = None


def ways(case: Case, *, backend_name: str = "numpy", front: bool = False) -> Iterator[Way]:
    """Every way of a case, the control first. `front` adds more points of our front."""
    yield Way(CONTROL, "control", "blas", key="control")
    yield from our_ways(case, backend_name=backend_name)
    if front:
        yield from front_ways(case, backend_name=backend_name)
    if backend_name == "numpy":
        yield from (Way(name, "control", library, key=name) for library, name in PRODUCTS.items())
        yield from (Way(name, "peer", library, key=name) for name, library in PEERS.items())


def our_ways(case: Case, *, backend_name: str = "numpy") -> Iterator[Way]:
    """Plain backpropagation and each strategy."""
    chain = case.chain_on(backend_name)
    yield Way(PLAIN, "ours", key="plain", recompute_fraction=0.0, planned=True)
    name = f"every {case.every}{'nd' if case.every == 2 else 'th'}"
    yield _known(name, "every nth", every_nth(n_layers=case.n_layers, n=case.every), chain)
    root = square_root(n_layers=case.n_layers)
    yield _known("sqrt", "sqrt", root, chain)
    if case.n_layers < PLANNED_LAYERS:
        return
    room = arena_bytes(root, chain)
    yield _planned("planned in sqrt's bytes", "planned", plan_chain(chain, budget_bytes=room, row_blocks=False))
    if case.one_extra_mib is not None:
        plan = one_extra_forward(chain, budget_bytes=int(case.one_extra_mib * MIB))
        yield _planned(f"one extra forward, {case.one_extra_mib:g} MiB", "one extra forward", plan)
    if case.row_block_mib is not None:
        plan = plan_chain(chain, budget_bytes=int(case.row_block_mib * MIB), cost=OPERATIONS)
        yield _planned(f"row blocks, {case.row_block_mib:g} MiB", "row blocks", plan)


def front_ways(case: Case, *, backend_name: str = "numpy") -> Iterator[Way]:
    """Two more points of our front: whole mini-batches in half of store all's bytes, row blocks in a fifth."""
    chain = case.chain_on(backend_name)
    everything = store_all(n_layers=case.n_layers)
    whole, taken = arena_bytes(everything, chain), {simulate(everything, chain).peak_bytes}
    for share, row_blocks in ((2, False), (5, True)):
        try:
            plan = plan_chain(chain, budget_bytes=whole // share, row_blocks=row_blocks)
        except BudgetError as error:  # nothing is that small: take the smallest
            plan = plan_chain(chain, budget_bytes=int(error.minimum_bytes), row_blocks=row_blocks)
        if plan.peak_bytes not in taken:  # a shallow network has no smaller plan
            taken.add(plan.peak_bytes)
            yield _planned(f"front, {plan.peak_bytes / MIB:.3g} MiB", "front", plan)


def one_extra_forward(chain: Chain, *, budget_bytes: int) -> Plan:
    """The plan within a budget that recomputes at most one forward pass: whole mini-batches, else row blocks.

    Row blocks are tried from 128 rows down, as smaller ones are slower. Where every plan recomputes more, the one that
    recomputes the least is returned.
    """
    found: list[Plan] = []
    for rows in (chain.batch_size, 128, 64, 32):
        for pieces in ("large", "small"):
            try:
                found.append(
                    plan_chain(
                        chain, budget_bytes=budget_bytes, cost=OPERATIONS, minimum_block_rows=rows, pieces=pieces
                    )
                )
            except BudgetError:
                continue
            if found[-1].recompute_fraction <= 1:
                return found[-1]
    if not found:
        return plan_chain(chain, budget_bytes=budget_bytes)  # raises the error that says what fits
    return min(found, key=lambda plan: plan.recompute_fraction)


def _known(name: str, key: str, schedule: Schedule, chain: Chain) -> Way:
    return Way(
        name, "ours", key=key, schedule=schedule, recompute_fraction=simulate(schedule, chain).recompute_fraction
    )


def _planned(name: str, key: str, plan: Plan) -> Way:
    return Way(
        name,
        "ours",
        key=key,
        schedule=plan.schedule,
        recompute_fraction=plan.recompute_fraction,
        row_blocks=plan.row_block is not None,
        planned=True,
        optimal_among=plan.optimal_among,
    )
