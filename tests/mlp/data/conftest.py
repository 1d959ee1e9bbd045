"""Small data sets, and the writers of each format, for the tests of `mlp.data`."""

import gzip
import io
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
STEMS = {"x_train": "train-images", "y_train": "train-labels", "x_test": "t10k-images", "y_test": "t10k-labels"}
IDX_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def _idx_bytes(array: NDArray[Any]) -> bytes:
    code = IDX_CODES[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def _npz_bytes(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def idx_bytes() -> Callable[[NDArray[Any]], bytes]:
    """Writes an array as IDX."""
    return _idx_bytes


@pytest.fixture(scope="session")
def npz_bytes() -> Callable[[Arrays], bytes]:
    """Writes arrays as a compressed .npz."""
    return _npz_bytes


@pytest.fixture(scope="session")
def _made() -> Arrays:
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (20, 4, 3), dtype=np.uint8),
        "y_train": rng.integers(0, 10, 20, dtype=np.uint8),
        "x_test": rng.integers(0, 256, (10, 4, 3), dtype=np.uint8),
        "y_test": rng.integers(0, 10, 10, dtype=np.uint8),
    }


@pytest.fixture
def arrays(_made: Arrays) -> Arrays:
    """20 + 10 images of 4 x 3, under Keras's keys. A test may put others in their place."""
    return dict(_made)


@pytest.fixture
def write_npz(tmp_path: Path) -> Callable[[Arrays], Path]:
    """Writes arrays to `data.npz`; returns its path."""

    def write(arrays: Arrays) -> Path:
        path = tmp_path / "data.npz"
        path.write_bytes(_npz_bytes(arrays))
        return path

    return write


@pytest.fixture
def write_idx(tmp_path: Path) -> Callable[..., Path]:
    """Writes arrays as the four IDX files below `tmp_path`; returns `tmp_path`."""

    def write(arrays: Arrays, *, place: str = "", separator: str = "-", packed: bool = False) -> Path:
        folder = tmp_path / place
        folder.mkdir(parents=True, exist_ok=True)
        for key, stem in STEMS.items():
            data = _idx_bytes(arrays[key])
            name = f"{stem}{separator}idx{3 if key.startswith('x') else 1}-ubyte"
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(data))
            else:
                (folder / name).write_bytes(data)
        return tmp_path

    return write


@pytest.fixture
def peak_bytes() -> Iterator[Callable[[], int]]:
    """Gives the most bytes that were allocated at once since the test began."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
