"""The data set that a user names: "mnist", "sample" or a path. Knows which module reads which format."""

import stat
from pathlib import Path

from mlp.data.dataset import Dataset
from mlp.data.errors import UnreadableDataError
from mlp.data.folder import find_idx_files, read_idx_files
from mlp.data.npz_file import read_npz_file
from mlp.data.sample import load_sample
from mlp.data.stream import kind_of

_WANTED = "choose mnist, sample, or the path of a Keras .npz or of a folder with the four IDX files"


def load(name_or_path: str | Path, *, cache_dir: str | Path | None = None) -> Dataset:
    """The data set called `name_or_path`.

    `name_or_path`: "mnist" (cache folder, network, else the sample with a notice), "sample", or a path: a Keras .npz,
    or a folder with the four IDX files, see `mlp.data.folder`. These two words are always the names; for a file
    called so, say `./mnist` or give a Path. `cache_dir`: where "mnist" is kept. Raises a DataError, one line, for
    whatever a path names or a file holds.
    """
    if name_or_path == "mnist":
        from mlp.data.mnist import load_mnist  # imports the downloading, which others need not wait for

        return load_mnist(cache_dir)
    if name_or_path == "sample":
        return load_sample()
    if not str(name_or_path):
        raise UnreadableDataError(f"no data named; {_WANTED}")
    path = Path(name_or_path)
    try:
        path = path.expanduser()
        mode = kind_of(path)
    except RuntimeError as error:  # a ~name without a home folder
        raise UnreadableDataError(f"{str(path)!r}: {error}; {_WANTED}", path=str(path)) from error
    except UnreadableDataError as error:
        raise UnreadableDataError(f"{error}; {_WANTED}", path=str(path)) from error
    if stat.S_ISDIR(mode):
        return read_idx_files(find_idx_files(path), name=str(path))
    return read_npz_file(path, name=str(path))
