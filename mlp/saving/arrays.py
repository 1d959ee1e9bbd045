"""A network's arrays in the order of a saved state's file, and in chunks."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlp.saving.layout import Layout
from mlp.saving.state import Savable

CHUNK_BYTES = 2**20
"""Bytes checked, hashed and written or read at a time, while they are in the processor's cache."""


def arrays_of(network: Savable) -> Iterator[tuple[str, Any]]:
    """Each array of a network with its name, in the order of the file."""
    places = Layout(network.sizes, network.dtype, tuple(network.optimizer_state)).arrays
    for k, parameters in enumerate(zip(network.weights, network.biases, strict=True)):
        for pair in (parameters, *(pairs[k] for pairs in network.optimizer_state.values())):
            for array in pair:
                yield next(places).name, array


def parts(array: np.ndarray) -> Iterator[np.ndarray]:
    """The array's values in chunks, in order; a row-major array is not copied."""
    flat = np.ascontiguousarray(array).reshape(-1)
    step = CHUNK_BYTES // array.itemsize
    for start in range(0, flat.size, step):
        yield flat[start : start + step]
