"""From a saved state to a network."""

import warnings
from pathlib import Path

from backend import Backend
from mlp.errors import StateWarning
from mlp.network import Network
from mlp.saving.read import read_state, restore_state
from mlp.saving.state import SavedState


def load_state(
    path: str | Path, *, backend: str | Backend = "numpy", plain: bool = False
) -> tuple[Network, SavedState]:
    """The network saved at `path`, on any backend, and the facts: `.progress` says how far its training is.

    The network is a plain one. What made it another when it was saved, such as a budget of bytes, is named in a
    `StateWarning`, unless `plain` says that no more is wanted; `state.arguments` has it.

    Raises `StateError` for whatever else the file is, `BackendUnavailable` for the backend.
    """
    state = read_state(path)
    network = Network(state.sizes, backend=backend, **state.network_arguments)
    restore_state(path, network)
    if state.arguments and not plain:
        short = {name: f" {value}" if len(value) <= 30 else "" for name, value in state.arguments.items()}
        dropped = ", ".join(f"{name}{value}" for name, value in short.items())
        warnings.warn(
            f"{path} was saved with {dropped[:300]}; this is a plain network without that, whose steps may take more "
            f"memory; checkpoint.load brings it back",
            StateWarning,
            stacklevel=2,
        )
    return network, state
