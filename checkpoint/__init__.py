"""What to keep and what to recompute: schedules, their judge, the network that runs them, and the commands."""

from typing import TYPE_CHECKING

from backend.lazy import lazy_names
from checkpoint.actions import Action, Backward, Forward, Release
from checkpoint.chain import Chain, chain_of
from checkpoint.errors import BudgetError, CheckpointError, ScheduleError
from checkpoint.schedule import Schedule
from checkpoint.simulation import Simulation, simulate
from checkpoint.strategies import every_nth, segmented, square_root, store_all

if TYPE_CHECKING:
    from checkpoint.network import NetworkWithCheckpointing

__all__ = [
    "Action",
    "Backward",
    "BudgetError",
    "Chain",
    "CheckpointError",
    "Forward",
    "NetworkWithCheckpointing",
    "Release",
    "Schedule",
    "ScheduleError",
    "Simulation",
    "chain_of",
    "every_nth",
    "segmented",
    "simulate",
    "square_root",
    "store_all",
]

__getattr__ = lazy_names(__name__, {"NetworkWithCheckpointing": "checkpoint.network"})
