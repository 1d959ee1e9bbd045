"""Handwritten digits to train with: MNIST by name, the embedded sample, or the user's files. Knows no networks."""

from mlp.data.convert import as_inputs, one_hot
from mlp.data.dataset import CLASSES, Dataset, dataset_from_arrays
from mlp.data.errors import DamagedDataError, DataError, DownloadError, OversizedDataError, UnreadableDataError
from mlp.data.idx import read_idx
from mlp.data.load import load
from mlp.data.npz import read_npz

__all__ = [
    "CLASSES",
    "DamagedDataError",
    "DataError",
    "Dataset",
    "DownloadError",
    "OversizedDataError",
    "UnreadableDataError",
    "as_inputs",
    "dataset_from_arrays",
    "load",
    "one_hot",
    "read_idx",
    "read_npz",
]
