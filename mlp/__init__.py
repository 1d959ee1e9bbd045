"""The network and its training. Imports `backend` alone of this project."""

from typing import TYPE_CHECKING

from backend.lazy import lazy_names
from mlp.errors import NetworkError, StateError, TrainingError
from mlp.sizes import format_sizes, parse_sizes

if TYPE_CHECKING:
    from mlp.gradient import Gradient
    from mlp.network import Network
    from mlp.saving import Progress, SavedState, load_state, read_state, restore_state, save_state
    from mlp.training.batches import ArrayBatches, Batches, ImageBatches
    from mlp.training.history import EpochRecord, Step
    from mlp.training.loop import train
    from mlp.training.metrics import accuracy

__all__ = [
    "ArrayBatches",
    "Batches",
    "EpochRecord",
    "Gradient",
    "ImageBatches",
    "Network",
    "NetworkError",
    "Progress",
    "SavedState",
    "StateError",
    "Step",
    "TrainingError",
    "accuracy",
    "format_sizes",
    "load_state",
    "parse_sizes",
    "read_state",
    "restore_state",
    "save_state",
    "train",
]

__getattr__ = lazy_names(
    __name__,
    {
        "ArrayBatches": "mlp.training.batches",
        "Batches": "mlp.training.batches",
        "EpochRecord": "mlp.training.history",
        "Gradient": "mlp.gradient",
        "ImageBatches": "mlp.training.batches",
        "Network": "mlp.network",
        "Progress": "mlp.saving",
        "SavedState": "mlp.saving",
        "Step": "mlp.training.history",
        "accuracy": "mlp.training.metrics",
        "load_state": "mlp.saving",
        "read_state": "mlp.saving",
        "restore_state": "mlp.saving",
        "save_state": "mlp.saving",
        "train": "mlp.training.loop",
    },
)
