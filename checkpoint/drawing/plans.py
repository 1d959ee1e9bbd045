"""Figures of a plan, for a notebook or for `savefig`: the front that it lies on, and the timeline of its step."""

from matplotlib.figure import Figure

from checkpoint.drawing.front import front_figure
from checkpoint.drawing.timeline import Timeline, timeline_figure
from checkpoint.errors import CheckpointError
from checkpoint.planning.costs import Cost
from checkpoint.planning.front import front_of
from checkpoint.planning.planned import Plan
from checkpoint.schedule.simulation import simulate
from checkpoint.units import format_bytes


def figure(plan: Plan, *, cost: Cost | None = None) -> Figure:
    """The front of the plan's chain as a matplotlib figure, with a ring around the plan.

    `cost`: what the front is planned with, operations unless given; that which the plan was made with. The front is
    searched for anew, which takes about a second for 64 layers. Raises `CheckpointError` for what is no plan.
    """
    chain = _known(plan).chain
    return front_figure(front_of(chain, cost=cost), title=chain.title, chosen=plan)


def timeline(plan: Plan) -> Figure:
    """The bytes after each action of the plan's step as a matplotlib figure, with its peak and its budget.

    Raises `CheckpointError` for what is no plan.
    """
    chain = _known(plan).chain
    title = f"{chain.title}: planned in {format_bytes(plan.budget_bytes)}"
    simulation = simulate(plan.schedule, chain)
    return timeline_figure(Timeline(title, plan.schedule, simulation, budget_bytes=plan.budget_bytes))


def _known(plan: Plan) -> Plan:
    if not isinstance(plan, Plan):
        raise CheckpointError(f"what is drawn is a Plan, such as plan returns; got {repr(plan)[:60]}")
    return plan
