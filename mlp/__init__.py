"""The network and its training. Imports `backend` alone of this project."""

from typing import TYPE_CHECKING

from backend.lazy import lazy_names
from mlp.errors import NetworkError, TrainingError
from mlp.sizes import format_sizes, parse_sizes

if TYPE_CHECKING:
    from mlp.batches import ArrayBatches, Batches, ImageBatches
    from mlp.gradient import Gradient
    from mlp.network import Network
    from mlp.training import EpochRecord, Step, accuracy, train

__all__ = [
    "ArrayBatches",
    "Batches",
    "EpochRecord",
    "Gradient",
    "ImageBatches",
    "Network",
    "NetworkError",
    "Step",
    "TrainingError",
    "accuracy",
    "format_sizes",
    "parse_sizes",
    "train",
]

__getattr__ = lazy_names(
    __name__,
    {
        "ArrayBatches": "mlp.batches",
        "Batches": "mlp.batches",
        "EpochRecord": "mlp.training",
        "Gradient": "mlp.gradient",
        "ImageBatches": "mlp.batches",
        "Network": "mlp.network",
        "Step": "mlp.training",
        "accuracy": "mlp.training",
        "train": "mlp.training",
    },
)
