"""The embedded sample: 5,000 MNIST images that come with the package. Origin and licence: sample/README.md."""

from importlib.resources import files
from typing import BinaryIO, cast

from mlp.data.dataset import Dataset
from mlp.data.formats.npz import KEYS, read_npz
from mlp.data.from_arrays import dataset_from_arrays


def load_sample(*, name: str = "sample", notice: str | None = None) -> Dataset:
    """4,000 images to train with and 1,000 to test with, 400 and 100 of each digit, in one fixed shuffled order."""
    with files("mlp.data").joinpath("sample", "mnist_sample.npz").open("rb") as file:
        arrays = read_npz(cast(BinaryIO, file), where="the embedded sample")
    return dataset_from_arrays(*(arrays[key] for key in KEYS), name=name, notice=notice)
