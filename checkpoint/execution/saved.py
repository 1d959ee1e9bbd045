"""Networks loaded from saved states with the way in which they checkpoint."""

import warnings
from pathlib import Path
from typing import Any

from backend import Backend, select_backend
from backend.callers import callers_level
from backend.nearest import meant
from checkpoint.errors import CheckpointError
from checkpoint.execution.arguments import arguments_of, plans_of
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.schedule.chain import Chain, chain_of
from mlp import Network, SavedState, load_state, read_state, restore_state
from mlp.data.values.column_scaling import ColumnScaling
from mlp.errors import StateWarning
from mlp.precision import precision_on
from mlp.saving.load import arguments_on
from mlp.saving.paths import as_path
from mlp.saving.prepared import prepared_as

CHOICES = ("checkpoint_every_nth_layer", "budget_bytes", "schedule")


def load(path: str | Path, *, backend: str | Backend = "numpy", **checkpointing: Any) -> Network:
    """The network saved at `path`, on any backend, with the schedule or the budget that it was saved with.

    It is a plain `Network` where it was saved as one. Where it was trained on a table, or on columns that were scaled,
    `net.prepare(X)` makes inputs of raw values, and a `StateWarning` says so.

    `checkpointing`: arguments that `NetworkWithCheckpointing` has beside `Network`'s. `offload` and `offloading` are
    never taken from a file; one of the others replaces what was saved.

    Raises `StateError` for whatever else the file is, `CheckpointError` or a subclass where the network cannot
    checkpoint so here, and `BackendUnavailable` for the backend.
    """
    for name in checkpointing:
        if name not in (*CHOICES, "offload", "offloading"):
            raise CheckpointError(
                f"load takes backend, {', '.join(CHOICES)}, offload and offloading beside the path; got {name!r}; all "
                f"else is as it was saved{meant(name, (*CHOICES, 'offload', 'offloading', 'backend'))}"
            )
    path = as_path(path)
    state = read_state(path)
    chosen = any(checkpointing.get(name) is not None for name in CHOICES)
    saved = {} if chosen else arguments_of(state.arguments, _chain(state), path)
    if not saved and not checkpointing:
        plain = load_state(path, backend=backend, plain=True)[0]
        _say_what_is_scaled(plain, path)
        return plain
    if not saved and not chosen:
        raise CheckpointError(
            f"{path} is of a plain network, which does not offload; give one of {', '.join(CHOICES)} too"
        )
    chosen_backend = select_backend(backend)
    own = arguments_on(state, chosen_backend, path)
    network = NetworkWithCheckpointing(state.sizes, backend=chosen_backend, **own, **saved, **checkpointing)
    restore_state(path, network)
    network.preparation = prepared_as(state, path)
    _say_what_is_scaled(network, path)
    if not chosen:
        restore_plans(network, state, path)
    return network


def restore_plans(network: Network, state: SavedState, path: Path) -> None:
    """Let `network`, made with the budget of `state`, follow the plans that were saved with it, and make none anew.

    Plans for another backend, or that do not fit the budget any more, are left out: they are made again.
    """
    if (
        isinstance(network, NetworkWithCheckpointing)
        and not network.on_ranks
        and state.environment.get("backend") == network.backend.name
    ):
        plans = plans_of(state.arguments, path)
        for batch_size in sorted(plans, reverse=True):  # percent are of the largest
            network.use_plan(plans[batch_size], batch_size=batch_size)


def _chain(state: SavedState) -> Chain | None:
    if state.progress is None:
        return None
    backend = state.environment.get("backend", "numpy")
    of: dict[str, Any] = {"dtype": state.dtype, "backend": backend, "momentum": state.momentum}
    of |= {"optimizer": state.optimizer, "precision": precision_on(state.precision, backend)}
    return chain_of(state.sizes, batch_size=state.progress.mini_batch_size, **of)


def _say_what_is_scaled(network: Network, path: Path) -> None:
    """Warn where the network loaded from `path` was trained on columns that were scaled, as it takes scaled inputs."""
    if network.preparation is not None and isinstance(network.preparation.scaling, ColumnScaling):
        warnings.warn(
            f"{path} was trained on columns scaled by {network.preparation.scaling.kind!r}, and predict and evaluate "
            f"take scaled inputs: give them net.prepare(X) for raw X",
            StateWarning,
            stacklevel=callers_level(),
        )
