"""Early stopping in a run: by the validation samples, with the best parameters at the end and none lost on the way.

A state that is saved during the run holds the parameters of its moment, so that it can be gone on from; the one at the
end holds the best. The best parameters are a copy on the host, which counts as rest where arrays are the host's.
"""

from checkpoint.errors import CheckpointError
from checkpoint.runs.settings import RunSettings
from mlp import EarlyStopping, EpochRecord, Network
from mlp.data import Dataset
from mlp.training.stopping import Stopper


def check_stopping(settings: RunSettings, dataset: Dataset | None = None) -> None:
    """Raise `NetworkError` or `CheckpointError` for early stopping that cannot be, with this data if it is known."""
    if settings.early_stopping is None:
        return
    EarlyStopping(settings.early_stopping)
    if dataset is not None and dataset.validation is None:
        raise CheckpointError(
            "--early-stopping watches the cost on validation samples, and none are held out; add --validation 0.1"
        )


class RunStopping:
    """The early stopping of a run, or none where its settings ask for none."""

    def __init__(self, settings: RunSettings, network: Network) -> None:
        patience, self._network = settings.early_stopping, network
        self._stopper = None if patience is None else Stopper(EarlyStopping(patience), network)

    def after_epoch(self, record: EpochRecord) -> bool:
        """Whether to stop after this epoch."""
        return self._stopper is not None and self._stopper(record)

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the best parameters so far; None without early stopping."""
        return None if self._stopper is None else self._stopper.best_epoch

    @property
    def best_bytes(self) -> int:
        """The bytes of the copy of the best parameters."""
        return 0 if self._stopper is None else self._stopper.best.nbytes

    @property
    def rest_bytes(self) -> int:
        """Those of them that lie where arrays do."""
        return 0 if self._network.backend.facts.asynchronous else self.best_bytes

    def restore(self) -> None:
        """Let the network have the parameters of the best epoch."""
        if self._stopper is not None:
            self._stopper.best.restore()

    def last(self, history: list[EpochRecord]) -> EpochRecord | None:
        """The record of the epoch whose parameters the network has at the end; None where it had no epoch."""
        found = [record for record in history if self.best_epoch in (None, record.epoch)]
        return found[-1] if found else None
