"""Finds the four IDX files of MNIST in a folder, and reads them as a data set. Downloads nothing.

Found raw or `.gz`, named `train-images-idx3-ubyte` or `train-images.idx3-ubyte`, in the folder itself or below
`MNIST/raw` or `raw`, where torchvision puts them.
"""

import stat
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mlp.data.dataset import Dataset
from mlp.data.errors import UnreadableDataError
from mlp.data.formats.idx import read_idx
from mlp.data.prepare import Raw, prepared
from mlp.data.stream import MAX_DATA_BYTES, open_regular, quoted

_PLACES = ("", "MNIST/raw", "raw")
_STEMS = ("train-images", "train-labels", "t10k-images", "t10k-labels")


@dataclass(frozen=True)
class IdxFiles:
    """The paths of the four files."""

    train_images: Path
    train_labels: Path
    test_images: Path
    test_labels: Path


def find_idx_files(folder: Path) -> IdxFiles:
    """The four files, from the first place that has them all. Else UnreadableDataError, with what is missing.

    A place where one of them is empty or not a file is used only if no other has all four.
    """
    fewest_missing = [_name(stem, "-") for stem in _STEMS]
    fallback = None
    for place in _PLACES:
        found = {stem: _find(folder / place, stem) for stem in _STEMS}
        paths = [path for path in found.values() if path is not None]
        if len(paths) == len(_STEMS):
            if all(_is_filled(path) for path in paths):
                return IdxFiles(*paths)
            fallback = fallback or IdxFiles(*paths)
        missing = [_name(stem, "-") for stem, path in found.items() if path is None]
        fewest_missing = min(fewest_missing, missing, key=len)
    if fallback is not None:
        return fallback
    raise UnreadableDataError(
        f"{quoted(folder)}: no {', '.join(fewest_missing)} in this folder "
        "(raw or .gz, here or in MNIST/raw or raw); "
        "give a folder with the four IDX files, or the path of a Keras .npz itself",
        path=str(folder),
    )


def read_idx_files(files: IdxFiles, *, name: str, max_bytes: int = MAX_DATA_BYTES) -> Dataset:
    """The data set that `files` hold, called `name`. Raises a DataError."""
    return prepared(raw_idx_files(files, max_bytes=max_bytes), name=name)


def raw_idx_files(files: IdxFiles, *, max_bytes: int = MAX_DATA_BYTES) -> Raw:
    """What `files` hold, as what a data set is made of. Raises a DataError.

    `max_bytes`: the most data that the four may promise together.
    """
    arrays: list[NDArray[Any]] = []
    for path in astuple(files):
        with open_regular(path) as file:
            arrays.append(read_idx(file, where=quoted(path), max_bytes=max_bytes))
        max_bytes -= arrays[-1].nbytes
    return Raw((arrays[0], arrays[1]), (arrays[2], arrays[3]))


def _name(stem: str, separator: str) -> str:
    return f"{stem}{separator}idx{3 if stem.endswith('images') else 1}-ubyte"


def _find(place: Path, stem: str) -> Path | None:
    """The file of that stem in `place`, under any of its names: the first that is a file with content.

    Some archives unpack to a folder of the file's name with the file in it. If no name is a file with content, the
    first that exists is returned, and opening it reports what is wrong.
    """
    first = None
    for separator in ("-", "."):
        for suffix in ("", ".gz"):
            name = f"{_name(stem, separator)}{suffix}"
            for path in (place / name, place / name / name):
                if _is_filled(path):
                    return path
                if first is None and _is_there(path):
                    first = path
    return first


def _is_filled(path: Path) -> bool:
    try:
        there = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(there.st_mode) and there.st_size > 0


def _is_there(path: Path) -> bool:
    """Whether the name exists, or its folder may not be searched."""
    try:
        path.lstat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True
