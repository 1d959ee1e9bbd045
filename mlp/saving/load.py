"""From a saved state to a network."""

import warnings
from pathlib import Path
from typing import Any

from backend import Backend, select_backend
from backend.callers import callers_level
from mlp.errors import StateWarning
from mlp.network import Network
from mlp.precision import precision_on
from mlp.saving.paths import as_path
from mlp.saving.prepared import prepared_as
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
    chosen = select_backend(backend)
    network = Network(state.sizes, backend=chosen, **arguments_on(state, chosen, path))
    restore_state(path, network)
    network.preparation = prepared_as(state, as_path(path))
    if state.arguments and not plain:
        short = {name: f" {value}" if len(value) <= 30 else "" for name, value in state.arguments.items()}
        dropped = ", ".join(f"{name}{value}" for name, value in short.items())
        warnings.warn(
            f"{path} was saved with {dropped[:300]}; this is a plain network without that, whose steps may take more "
            f"memory; checkpoint.load brings it back",
            StateWarning,
            stacklevel=callers_level(),
        )
    return network, state


def arguments_on(state: SavedState, backend: Backend, path: str | Path) -> dict[str, Any]:
    """`Network`'s arguments for the network of `state` on this backend, in a precision that it has.

    Another precision than the saved one is named in a `StateWarning`: training goes on with other bits.
    """
    precision = precision_on(state.precision, backend.name)
    if precision != state.precision:
        warnings.warn(
            f"{path} was saved at precision {state.precision}, which {backend.name} does not have; here it is "
            f"{precision}",
            StateWarning,
            stacklevel=callers_level(),
        )
    return state.network_arguments | {"precision": precision}
