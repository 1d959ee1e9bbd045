"""How the program ends for each error: in one line, with an exit status."""

from backend.errors import BackendError, TransferError
from checkpoint.errors import CheckpointError, Fault
from checkpoint.runs.endings.interruption import Stopped
from mlp.errors import NetworkError, StateError, TrainingError


def ending_of(error: BaseException) -> tuple[str, int] | None:
    """The line that says what was wrong, and the exit status; None for an error that is a mistake of this program's.

    Status 1: it went wrong on the way. 2: the input was wrong. 128 and more: a signal.
    """
    if isinstance(error, Stopped):
        return str(error), error.status
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 130
    if isinstance(error, MemoryError):
        return f"out of memory: {str(error) or 'no reason given'}; a smaller budget, mini-batch or network may fit", 1
    if isinstance(error, Fault | TrainingError | TransferError):
        return str(error), 1
    if isinstance(error, BackendError | CheckpointError | NetworkError | StateError):
        return str(error), 2
    if isinstance(error, ValueError):
        from mlp.data import DataError  # needs NumPy, which a wrong option does not

        if isinstance(error, DataError):
            return str(error), 2
    return None
