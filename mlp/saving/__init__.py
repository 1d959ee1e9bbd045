"""A network and its training saved to a file, and back: never called a checkpoint here."""

from mlp.saving.environment import differences, environment
from mlp.saving.load import load_state
from mlp.saving.read import read_state, restore_state
from mlp.saving.state import Progress, SavedState
from mlp.saving.write import save_state

__all__ = [
    "Progress",
    "SavedState",
    "differences",
    "environment",
    "load_state",
    "read_state",
    "restore_state",
    "save_state",
]
