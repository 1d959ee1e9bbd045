"""Other plans and strategies within a budget: what the planner's choice is compared with. Plans; builds nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import inf

from bench.steps.promised import promised_bytes
from bench.steps.ways import Way
from checkpoint import (
    BudgetError,
    Chain,
    Cost,
    Plan,
    Schedule,
    binomial,
    every_nth,
    micro_batches,
    plan_chain,
    simulate,
    square_root,
    store_all,
)
from checkpoint.planning.costs import OPERATIONS, Flops, FlopsAndReads, cost_of

MOST = 12
BLOCK_ROWS = (32, 64, 128, 256, 512, 1024)
PLANNED_ROWS = (64, 128, 256, 512, 1024)
"""The least rows of blocks that plans are made with."""

PARTS = (0.8, 0.6)
"""Parts of the budget that are planned for too: fewer bytes may be faster."""

SLOT_STEPS = 16
"""How many numbers of slots are tried."""


def chosen(name: str, chain: Chain, *, budget_bytes: int, cost: Cost | str | None = None) -> Way:
    """What the planner chooses: by default, or by `cost`. Raises `BudgetError`."""
    return _planned(name, plan_chain(chain, budget_bytes=budget_bytes, cost=cost))


def rivals(chain: Chain, *, budget_bytes: int, but: Iterable[Schedule], most: int = MOST) -> list[Way]:
    """At most `most` other ways that keep to the budget, no two alike and none like one of `but`."""
    seen = {key_of(schedule) for schedule in but}
    found = []
    for way in _candidates(chain, budget_bytes):
        assert way.schedule is not None
        if key_of(way.schedule) in seen or promised_bytes(way.schedule, chain) > budget_bytes:
            continue
        seen.add(key_of(way.schedule))
        found.append(way)
    return _spread(found, chain, most)


def _candidates(chain: Chain, budget_bytes: int) -> Iterator[Way]:
    n_layers, batch_size = chain.n_layers, chain.batch_size
    for rows in (row for row in PLANNED_ROWS if row < batch_size):
        plan = _plan(chain, budget_bytes, minimum_block_rows=rows, cost=OPERATIONS)
        if plan is not None:
            yield _planned(f"least operations, {rows} rows or more", plan)
    for pieces in ("large", "small"):
        plan = _plan(chain, budget_bytes, pieces=pieces)
        if plan is not None:
            yield _planned(f"planned, {pieces} pieces", plan)
    for part in PARTS:
        plan = _plan(chain, int(part * budget_bytes))
        if plan is not None:
            yield _planned(f"planned in {part:.0%} of the budget", plan)
    for pieces in ("large", "small"):
        plan = _plan(chain, budget_bytes, row_blocks=False, pieces=pieces)
        if plan is not None:
            yield _planned(f"planned, whole batches, {pieces} pieces", plan)
    for pieces in ("large", "small"):
        for schedules in _strategies(n_layers, batch_size):
            # The first of a kind that fits recomputes the least.
            fits = (replace(schedule, pieces=pieces) for schedule in schedules)
            first = next((one for one in fits if promised_bytes(one, chain) <= budget_bytes), None)
            if first is not None:
                yield _known(f"{first.name}, {pieces} pieces", first, chain)


def _strategies(n_layers: int, batch_size: int) -> Iterator[Iterator[Schedule]]:
    """The well-known schedules of each kind, those that recompute the least first."""
    yield iter([store_all(n_layers=n_layers)])
    yield iter([square_root(n_layers=n_layers)])
    yield (every_nth(n_layers=n_layers, n=n) for n in range(2, max(n_layers, 3)))
    yield (
        micro_batches(n_layers=n_layers, batch_size=batch_size, rows=rows)
        for rows in reversed(BLOCK_ROWS)
        if rows < batch_size
    )
    yield (
        binomial(n_layers=n_layers, slots=slots) for slots in range(n_layers - 1, 0, -max(n_layers // SLOT_STEPS, 1))
    )


def _spread(found: list[Way], chain: Chain, most: int) -> list[Way]:
    """At most `most` of them, a third strategies: in turn the cheapest by operations and by the planner's default."""
    kinds = [[way for way in found if way.planned is planned] for planned in (True, False)]
    plans, strategies = (_cheapest(ways, chain) for ways in kinds)
    kept = strategies[: most // 3]
    return [*plans[: most - len(kept)], *kept]


def _cheapest(ways: list[Way], chain: Chain) -> list[Way]:
    """All of them: the cheapest by one count, the cheapest left by another, and so on."""
    counts = (Flops(chain), FlopsAndReads(chain))

    def by(cost: Cost) -> list[Way]:
        return sorted(ways, key=lambda way: cost_of(way.schedule, chain, cost) if way.schedule else inf)

    return list(dict.fromkeys(way for pair in zip(*map(by, counts), strict=True) for way in pair))


def _plan(
    chain: Chain,
    budget_bytes: int,
    *,
    pieces: str | None = None,
    row_blocks: bool = True,
    minimum_block_rows: int | None = None,
    cost: str | None = None,
) -> Plan | None:
    try:
        return plan_chain(
            chain,
            budget_bytes=budget_bytes,
            pieces=pieces,
            row_blocks=row_blocks,
            minimum_block_rows=minimum_block_rows,
            cost=cost,
        )
    except BudgetError:
        return None


def _planned(name: str, plan: Plan) -> Way:
    return Way(
        name,
        "ours",
        key=name,
        schedule=plan.schedule,
        recompute_fraction=plan.recompute_fraction,
        row_blocks=plan.row_block is not None,
        planned=True,
        optimal_among=plan.optimal_among,
    )


def _known(name: str, schedule: Schedule, chain: Chain) -> Way:
    fraction = simulate(schedule, chain).recompute_fraction
    return Way(name, "ours", key=name, schedule=schedule, recompute_fraction=fraction)


def key_of(schedule: Schedule) -> object:
    """What tells schedules apart that take other steps."""
    return schedule.actions, schedule.pieces
