"""A Keras .npz on disk as a data set. Knows where the arrays go, not how a .npz is read."""

from pathlib import Path

from mlp.data.dataset import Dataset, dataset_from_arrays
from mlp.data.npz import KEYS, read_npz
from mlp.data.stream import open_regular, quoted


def read_npz_file(path: Path, *, name: str) -> Dataset:
    """The data set in the .npz at `path`, called `name`. Raises a DataError."""
    with open_regular(path) as file:
        arrays = read_npz(file, where=quoted(path))
    return dataset_from_arrays(*(arrays[key] for key in KEYS), name=name)
