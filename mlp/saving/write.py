"""Writes a saved state: streamed, checked to be finite, with a checksum, and put in place in one rename."""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mlp.arguments import check_whole
from mlp.errors import StateError, TrainingError
from mlp.saving.arrays import arrays_of, parts
from mlp.saving.atomic import replaced
from mlp.saving.environment import environment
from mlp.saving.keeping import check_kept
from mlp.saving.layout import FORMAT, LENGTH_BYTES, MAX_METADATA_BYTES, NO_CHECKSUM, Layout
from mlp.saving.paths import as_path
from mlp.saving.state import Progress, Savable, SavedState, state_of


def save_state(
    path: str | Path,
    network: Savable,
    progress: Progress | None = None,
    *,
    keep: int = 0,
    notes: Mapping[str, str] | None = None,
) -> SavedState:
    """Save `network`, and how far its training is, to `path`; returns the facts that were written.

    `path` holds the old state or the new one, whole, whenever this is killed. `keep`: how many older states stay, as
    PATH.1 to PATH.N. `notes`: any text, by name. One array at a time is copied to the host, and nothing else
    is copied.

    Raises `NetworkError` for a `keep` that is no whole number, `StateError` where the file cannot be written or `keep`
    would move along what is no saved state, and `TrainingError` for parameters that are not finite, for velocities that
    a step has spoilt, and for a step that a device has refused and nobody knows of yet: then the old state is not
    overwritten.
    """
    path, keep = as_path(path), check_whole("keep", keep, least=0)
    if sys.byteorder != "little":
        raise StateError("states are saved little-endian, and this machine is not; save on another one", path=path)
    network.look(wait=True)
    if network.velocities_are_spoilt:
        raise TrainingError("velocities have some row blocks of a step that failed; go on from a saved state")
    state = state_of(network, progress, environment=environment(network.backend), notes=notes or {})
    metadata = {"format": FORMAT, "sha256": NO_CHECKSUM, "state": state.to_json()}
    if len(json.dumps(metadata)) + 64 > MAX_METADATA_BYTES:
        raise StateError(f"its facts take more than {MAX_METADATA_BYTES} bytes; shorten the notes", path=path)
    layout = Layout(network.sizes, network.dtype, tuple(network.optimizer_state))
    header = layout.header(metadata)
    try:
        check_kept(path, keep)
        with replaced(path, keep=keep) as file:
            # The checksum covers the header without it, and the arrays; it is filled in at the end.
            digest = hashlib.sha256(header)
            file.write(len(header).to_bytes(LENGTH_BYTES, "little") + header)
            for name, array in arrays_of(network):
                for part in parts(network.backend.to_numpy(array)):
                    _check_finite(part, name)
                    digest.update(part.data)
                    file.write(part.data)
            file.seek(LENGTH_BYTES)
            file.write(layout.header({**metadata, "sha256": digest.hexdigest()}))
    except OSError as error:
        reason = error.strerror or str(error)
        raise StateError(f"cannot be saved ({reason}); what was there is unchanged", path=path) from None
    return state


def _check_finite(part: np.ndarray, name: str) -> None:
    if not np.isfinite(part).all():
        raise TrainingError(
            f"{name} holds a value that is not finite, which is not saved; lower eta",
            layer=int(name.rsplit(".", 1)[-1]),
        )
