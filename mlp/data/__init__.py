"""Data to train with: the user's files of many kinds, MNIST by name, or the embedded sample. Knows no networks."""

from mlp.data.dataset import Dataset, Samples
from mlp.data.errors import DamagedDataError, DataError, DownloadError, OversizedDataError, UnreadableDataError
from mlp.data.formats.idx import read_idx
from mlp.data.formats.npz import read_npz
from mlp.data.from_arrays import dataset_from_arrays
from mlp.data.load import load
from mlp.data.values.convert import CLASSES, as_inputs, one_hot
from mlp.data.values.preparation import Preparation
from mlp.data.values.reading import Reading
from mlp.data.values.split import split_rows

__all__ = [
    "CLASSES",
    "DamagedDataError",
    "DataError",
    "Dataset",
    "DownloadError",
    "OversizedDataError",
    "Preparation",
    "Reading",
    "Samples",
    "UnreadableDataError",
    "as_inputs",
    "dataset_from_arrays",
    "load",
    "one_hot",
    "read_idx",
    "read_npz",
    "split_rows",
]
