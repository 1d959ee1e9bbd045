"""Whether a run is possible: the data fits the network, and the network this machine. Asked before any allocation."""

from itertools import pairwise

from backend import Backend
from backend.limits import memory_bytes
from checkpoint.errors import CheckpointError
from checkpoint.runs.settings import RunSettings
from checkpoint.schedule.chain import ITEM_BYTES
from checkpoint.units import format_bytes
from mlp import format_sizes
from mlp.data import Dataset
from mlp.training.loop import check_training
from mlp.training.samples import check_fit


def check_fits(settings: RunSettings, dataset: Dataset, backend: Backend) -> None:
    """Raise `NetworkError` for data or training arguments that do not fit, `CheckpointError` for lack of memory.

    The weights are compared with all memory that this process may take: no more can be allocated, and trying may
    take minutes.
    """
    check_fit(settings.sizes, dataset)
    check_training(
        epochs=settings.epochs,
        mini_batch_size=settings.batch_size,
        eta=settings.eta,
        n_samples=len(dataset.train),
        dtype=settings.dtype,
    )
    values = sum(n_in * n_out + n_out for n_in, n_out in pairwise(settings.sizes))
    needed = values * ITEM_BYTES.get(settings.dtype, 4) * (1 + len(settings.optimizer_made.state_names))
    device = backend.device_memory()
    total_bytes = memory_bytes() if device is None else device.total_bytes
    if needed > total_bytes:
        raise CheckpointError(
            f"the weights of {format_sizes(settings.sizes)[:60]} alone take {format_bytes(needed)}, and {backend.name} "
            f"has {format_bytes(total_bytes)} of memory here; make the network smaller"
        )
