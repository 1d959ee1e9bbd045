"""The four IDX files of MNIST in a folder: finding them, and reading them as a data set. Downloads nothing.

Found raw or `.gz`, named `train-images-idx3-ubyte` or `train-images.idx3-ubyte`, in the folder itself or below
`MNIST/raw` or `raw`, where torchvision puts them.
"""

from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mlp.data.dataset import Dataset, dataset_from_arrays
from mlp.data.errors import UnreadableDataError
from mlp.data.idx import read_idx
from mlp.data.stream import MAX_DATA_BYTES, open_regular, quoted

_PLACES = ("", "MNIST/raw", "raw")
_STEMS = ("train-images", "train-labels", "t10k-images", "t10k-labels")


@dataclass(frozen=True)
class IdxFiles:
    """Where the four files are."""

    train_images: Path
    train_labels: Path
    test_images: Path
    test_labels: Path


def find_idx_files(folder: Path) -> IdxFiles:
    """The four files, from the first place that has them all. UnreadableDataError, with what misses, where none has."""
    fewest_missing = [_name(stem, "-") for stem in _STEMS]
    for place in _PLACES:
        found = {stem: _find(folder / place, stem) for stem in _STEMS}
        paths = [path for path in found.values() if path is not None]
        if len(paths) == len(_STEMS):
            return IdxFiles(*paths)
        missing = [_name(stem, "-") for stem, path in found.items() if path is None]
        fewest_missing = min(fewest_missing, missing, key=len)
    raise UnreadableDataError(
        f"{quoted(folder)}: no {', '.join(fewest_missing)} in this folder "
        "(raw or .gz, here or in MNIST/raw or raw); "
        "give a folder with the four IDX files, or the path of a Keras .npz itself",
        path=str(folder),
    )


def read_idx_files(files: IdxFiles, *, name: str, max_bytes: int = MAX_DATA_BYTES) -> Dataset:
    """The data set that `files` hold, called `name`. Raises a DataError.

    `max_bytes`: the most data that the four may promise together.
    """
    arrays: list[NDArray[Any]] = []
    for path in astuple(files):
        with open_regular(path) as file:
            arrays.append(read_idx(file, where=quoted(path), max_bytes=max_bytes))
        max_bytes -= arrays[-1].nbytes
    return dataset_from_arrays(*arrays, name=name)


def _name(stem: str, separator: str) -> str:
    return f"{stem}{separator}idx{3 if stem.endswith('images') else 1}-ubyte"


def _find(place: Path, stem: str) -> Path | None:
    """The file of that stem in `place`, whatever it's called. What isn't a file is left for opening to complain of."""
    for separator in ("-", "."):
        for suffix in ("", ".gz"):
            path = place / f"{_name(stem, separator)}{suffix}"
            try:
                path.lstat()
            except PermissionError:
                return path
            except OSError:
                continue
            return path
    return None
