"""Reads a saved state from an untrusted file. No pickle, no code: lengths, names and numbers, checked in turn.

Before anything of the file's promised size is allocated, its header is found to be, byte for byte, the one that the
network's sizes ask for, and the file's length the one that the header asks for. So what a file may cost is bounded by
the bytes that are really there.
"""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mlp.data.errors import DataError
from mlp.data.stream import open_regular
from mlp.errors import StateError
from mlp.saving.arrays import CHUNK_BYTES, arrays_of
from mlp.saving.layout import (
    FORMAT,
    FORMAT_NUMBER,
    LEAST_LISTED_BYTES,
    LENGTH_BYTES,
    MAX_METADATA_BYTES,
    NO_CHECKSUM,
    Layout,
    format_number,
    metadata_of,
)
from mlp.saving.paths import as_path
from mlp.saving.state import Savable, SavedState, optimizer_name

_WANTED = "wanted a state saved by this program"


def read_state(path: str | Path) -> SavedState:
    """The facts of the saved state at `path`. Its arrays are not read; only their length is checked.

    Raises `StateError`, one line, for any other file.
    """
    with _opened(as_path(path)) as (state, _, _, _):
        return state


def restore_state(path: str | Path, network: Savable) -> SavedState:
    """Put what was saved at `path` into `network`: parameters, optimizer state, epochs and scaling; returns the facts.

    Raises `StateError` where the file is not whole, or is of another network. The network's values must then not be
    used.
    """
    path = as_path(path)
    with _opened(path) as (state, file, digest, checksum):
        ours = (network.sizes, network.dtype, optimizer_name(network.optimizer), tuple(network.optimizer_state))
        if ours != (state.sizes, state.dtype, state.optimizer.partition(":")[0], state.kept):
            raise StateError("is of a network with other sizes, dtype or momentum, or another optimizer", path=path)
        for name, array in arrays_of(network):
            host = network.backend.to_numpy(array)
            # NumPy's own arrays are read into; those of another device are filled by a copy, one at a time.
            in_place = host is array and host.flags.writeable and host.flags.c_contiguous
            if not in_place:
                host = np.empty(array.shape, state.dtype)
            _fill(host.reshape(-1), file, digest, name=name, path=path)
            if not in_place:
                network.backend.set_(array, network.backend.asarray(host))
        if digest.hexdigest() != checksum:
            raise StateError("its checksum is wrong: bytes have changed; use an older one, such as PATH.1", path=path)
    network.forget_bad_steps()
    network.epochs_trained, network.steps_trained = state.epochs_trained, state.steps_trained
    network.scaling, network.velocities_are_spoilt = state.scaling, False
    return state


@contextmanager
def _opened(path: Path) -> "Iterator[tuple[SavedState, BinaryIO, hashlib._Hash, str]]":
    """The facts, the file positioned at its first array, the checksum so far, and the one expected at the end."""
    try:
        with open_regular(path) as file:
            yield _read_header(path, file)
    except DataError as error:
        raise StateError(str(error)) from None
    except OSError as error:
        raise StateError(f"cannot be read ({error.strerror or error})", path=path) from None


def _read_header(path: Path, file: BinaryIO) -> "tuple[SavedState, BinaryIO, hashlib._Hash, str]":
    if sys.byteorder != "little":
        raise StateError("states are saved little-endian, and this machine is not; use another one", path=path)
    file_bytes = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    if file_bytes < LENGTH_BYTES or length > file_bytes - LENGTH_BYTES:
        begun = file.read(1) in (b"{", b"")
        what = f"is {file_bytes} bytes long and promises more" if begun else "is no saved state"
        raise StateError(f"{what}; {_WANTED}{', whole' * begun}", path=path)
    beginning = file.read(min(length, MAX_METADATA_BYTES))
    metadata = metadata_of(beginning)
    number = format_number(metadata)
    if number is not None and number > FORMAT_NUMBER:
        raise StateError(
            f"is in format {number}, of a newer version of this program; {_WANTED} ({FORMAT} or older): upgrade "
            f"mlp-checkpointing",
            path=path,
        )
    if metadata is None or number is None or set(metadata) != {"format", "sha256", "state"}:
        raise StateError(f"is no saved state; {_WANTED} ({FORMAT})", path=path)
    try:
        state = SavedState.from_json(metadata["state"], number)
    except StateError as error:
        raise StateError(str(error), path=path) from None
    layout, n_layers = Layout(state.sizes, state.dtype, state.kept), len(state.sizes) - 1
    if length < LEAST_LISTED_BYTES * n_layers:
        raise StateError(f"lists fewer arrays than its {n_layers} layers have; it is damaged", path=path)
    expected = layout.header(metadata)
    if length != len(expected) or beginning + file.read(length - len(beginning)) != expected:
        raise StateError("its list of arrays is not this network's; it is damaged, or made elsewhere", path=path)
    held_bytes = file_bytes - LENGTH_BYTES - length
    if held_bytes != layout.arrays_bytes:
        raise StateError(
            f"holds {held_bytes} bytes of arrays, wanted {layout.arrays_bytes}; it is cut short or damaged", path=path
        )
    checked = layout.header({**metadata, "sha256": NO_CHECKSUM})
    return state, file, hashlib.sha256(checked), metadata["sha256"]


def _fill(flat: np.ndarray, file: BinaryIO, digest: "hashlib._Hash", *, name: str, path: Path) -> None:
    """Fill `flat` from the file; refuse values that are not finite."""
    step = CHUNK_BYTES // flat.itemsize
    for start in range(0, flat.size, step):
        part = flat[start : start + step]
        target = part.data.cast("B")
        if file.readinto(target) != len(target):  # type: ignore[attr-defined]
            raise StateError(f"ends in {name}; it is cut short", path=path)
        digest.update(target)
        if not np.isfinite(part).all():
            raise StateError(f"{name} holds a value that is not finite; use an older one", path=path)
