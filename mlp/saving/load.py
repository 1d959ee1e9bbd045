"""From a saved state to a network."""

from pathlib import Path

from backend import Backend
from mlp.network import Network
from mlp.saving.read import read_state, restore_state
from mlp.saving.state import SavedState


def load_state(path: str | Path, *, backend: str | Backend = "numpy") -> tuple[Network, SavedState]:
    """The network saved at `path`, on any backend, and the facts: `.progress` says how far its training is.

    Raises `StateError` for whatever else the file is, `BackendUnavailable` for the backend.
    """
    state = read_state(path)
    network = Network(state.sizes, backend=backend, **state.network_arguments)
    return network, restore_state(path, network)
