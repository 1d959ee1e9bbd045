"""What to keep and what to recompute: schedules, their judge, the network that runs them, and the commands."""

from typing import TYPE_CHECKING

from backend.lazy import lazy_names
from checkpoint.errors import BudgetError, CheckpointError, ScheduleError
from checkpoint.planning.costs import Cost, Flops
from checkpoint.planning.front import Front, FrontPoint, front_of
from checkpoint.planning.offloading import Offloading
from checkpoint.planning.plan import plan, plan_chain
from checkpoint.planning.planned import Plan
from checkpoint.schedule.actions import Action, Backward, Fetch, Forward, Offload, Release
from checkpoint.schedule.chain import Chain, chain_of
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import Simulation, simulate
from checkpoint.strategies import binomial, every_nth, micro_batches, offloaded, segmented, square_root, store_all

if TYPE_CHECKING:
    from checkpoint.drawing.plans import figure, timeline
    from checkpoint.execution.network import NetworkWithCheckpointing

__all__ = [
    "Action",
    "Backward",
    "BudgetError",
    "Chain",
    "CheckpointError",
    "Cost",
    "Fetch",
    "Flops",
    "Forward",
    "Front",
    "FrontPoint",
    "NetworkWithCheckpointing",
    "Offload",
    "Offloading",
    "Plan",
    "Release",
    "Schedule",
    "ScheduleError",
    "Simulation",
    "binomial",
    "chain_of",
    "every_nth",
    "figure",
    "front_of",
    "micro_batches",
    "offloaded",
    "plan",
    "plan_chain",
    "segmented",
    "simulate",
    "square_root",
    "store_all",
    "timeline",
]

__getattr__ = lazy_names(
    __name__,
    {
        "NetworkWithCheckpointing": "checkpoint.execution.network",
        "figure": "checkpoint.drawing.plans",
        "timeline": "checkpoint.drawing.plans",
    },
)
