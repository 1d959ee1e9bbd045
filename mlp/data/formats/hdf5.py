"""An HDF5 file, of which inputs are read by rows as they are needed. Follows no link to another file.

The names are those of a .npz: x_train, y_train, x_test, y_test, or X and y, at the top of the file. Needs h5py, the
extra `hdf5`.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlp.data.errors import DamagedDataError, DataError, OversizedDataError
from mlp.data.formats.npz import KEYS, LAYOUTS
from mlp.data.prepare import Raw
from mlp.data.stream import MAX_DATA_BYTES, open_regular, quoted
from mlp.errors import one_line

MAX_CHUNK_BYTES = 2**27
"""The most that one compressed chunk may unpack to."""


class StoredRows:
    """A matrix (n, features) in a file: rows are read as they are asked for. Samples of any shape are flattened."""

    def __init__(self, stored: Any, where: str) -> None:
        self._stored, self._where = stored, where
        self.dtype = np.dtype(stored.dtype)
        self.shape = tuple(int(size) for size in stored.shape)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def flat(self) -> "StoredRows":
        """The same as (n, features)."""
        other = StoredRows(self._stored, self._where)
        other.shape = (self.shape[0], int(np.prod(self.shape[1:], dtype=np.int64)))
        other.ndim = 2
        return other

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        """These rows, a slice or row numbers in any order."""
        try:
            if isinstance(rows, slice):
                found = np.asarray(self._stored[rows])
            else:
                increasing, places = np.unique(rows, return_inverse=True)  # as HDF5 wants them
                found = np.asarray(self._stored[increasing])[places]
        except Exception as error:  # h5py raises OSError and others for damaged chunks
            raise DamagedDataError(f"{self._where}: cannot be read ({_reason(error)}); the file is damaged") from None
        return found.reshape(len(found), *self.shape[1:])


def raw_hdf5(path: Path) -> Raw:
    """What the HDF5 file at `path` holds. It stays open while the inputs are used. Raises a DataError."""
    where = quoted(path)
    try:
        h5py = import_module("h5py")
    except ModuleNotFoundError:
        raise DataError(f"{where}: needs h5py; pip install 'mlp-checkpointing[hdf5]'") from None
    with open_regular(path):  # refuses what is no file
        pass
    try:
        file = h5py.File(path, "r")
    except Exception as error:
        raise DamagedDataError(f"{where}: cannot be opened as HDF5 ({_reason(error)}); get the file again") from None
    try:
        layout = next((layout for layout in LAYOUTS if all(name in file for name in layout)), None)
        if layout is None:
            names = ", ".join(sorted(file)[:8]) or "nothing"
            raise DataError(f"{where}: wanted {', '.join(KEYS)}, or X and y, at its top; found {names}")
        stored = [_plain(h5py, file, name, where) for name in layout]
        inputs = [StoredRows(X, f"{where}: {name}") for X, name in zip(stored[::2], layout[::2], strict=True)]
        targets = [_whole(h5py, y, f"{where}: {name}") for y, name in zip(stored[1::2], layout[1::2], strict=True)]
    except DataError:
        raise
    except Exception as error:
        raise DamagedDataError(f"{where}: cannot be read ({_reason(error)}); the file is damaged") from None
    pairs = list(zip(inputs, targets, strict=True))
    return Raw(pairs[0], pairs[1] if len(pairs) > 1 else None, in_file=True)


def _plain(h5py: Any, file: Any, name: str, where: str) -> Any:
    """The data set of that name, once found to be in this file, and its chunks of a bounded size."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise DataError(f"{where}: {name} leads elsewhere by a link; wanted the data in the file itself")
    found = file[name]
    if not isinstance(found, h5py.Dataset) or found.shape is None:
        raise DataError(f"{where}: {name} is no data set; wanted an array")
    if found.is_virtual or found.external:
        raise DataError(f"{where}: {name} lies in other files; wanted the data in the file itself")
    chunk_bytes = int(np.prod(found.chunks or (0,), dtype=np.float64)) * found.dtype.itemsize
    if chunk_bytes > MAX_CHUNK_BYTES:
        raise OversizedDataError(
            f"{where}: {name} is in chunks of {chunk_bytes} bytes, the limit is {MAX_CHUNK_BYTES}; write smaller ones",
            promised_bytes=chunk_bytes,
            limit_bytes=MAX_CHUNK_BYTES,
        )
    return found


def _whole(h5py: Any, stored: Any, where: str) -> NDArray[Any]:
    """Targets, read whole; text is decoded."""
    if stored.size * max(stored.dtype.itemsize, 8) > MAX_DATA_BYTES:
        raise OversizedDataError(f"{where}: takes more than {MAX_DATA_BYTES} bytes; give fewer rows or columns")
    if h5py.check_string_dtype(stored.dtype) is not None:
        return np.array(stored.asstr(errors="replace")[...].tolist(), dtype=np.str_)
    return np.asarray(stored[...])


def _reason(error: Exception) -> str:
    return one_line(str(error) or type(error).__name__, limit=150)
