"""The data set that a user names: "mnist", "sample" or a path. Knows which module reads which format."""

import os
import stat
from pathlib import Path

from backend.nearest import meant
from mlp.data.dataset import Dataset
from mlp.data.errors import DataError, UnreadableDataError
from mlp.data.formats.folder import find_idx_files, raw_idx_files
from mlp.data.formats.npy_pair import advise_random, raw_npy_pair
from mlp.data.formats.npz_file import raw_npz_file
from mlp.data.kinds import HDF5, TABLES, check_ending
from mlp.data.named.sample import load_sample
from mlp.data.prepare import Raw, prepared
from mlp.data.stream import kind_of, quoted
from mlp.data.values.preparation import Preparation
from mlp.data.values.reading import TEST_SHARE, Reading

NAMES = ("mnist", "sample")
_WANTED = (
    "choose mnist, sample, or the path of a .npz, of two .npy as X.npy,y.npy, of a .csv, .tsv, .parquet or .h5, or of "
    "a folder with the four IDX files"
)


def load(
    name_or_path: str | Path,
    *,
    cache_dir: str | Path | None = None,
    reading: Reading | None = None,
    known: Preparation | None = None,
    trained_digest: str | None = None,
) -> Dataset:
    """The data set called `name_or_path`.

    `name_or_path`: "mnist" (cache folder, network, else the sample with a notice), "sample", or a path: a .npz with
    x_train, y_train, x_test and y_test or with X and y, two .npy as "X.npy,y.npy", which are mapped, a table, an HDF5
    file, or a folder with the four IDX files (`mlp.data.formats.folder`). These two words are always the names; for a
    file called so, say `./mnist` or give a Path. `cache_dir`: where "mnist" is kept.

    `reading`: how to read it. `known`: how the data of a network was prepared, to be treated alike; `trained_digest`:
    the digest of that data, where all rows of any other file without a test part are to test with. Raises a DataError,
    one line, for whatever a path names or a file holds.
    """
    if reading is not None and known is None:
        reading.check_fits()
    if name_or_path in NAMES:
        dataset = _named(str(name_or_path), cache_dir)
        if (reading is None or reading == Reading(seed=reading.seed)) and known is None:
            return dataset
        raw, name, notice = _raw_of(dataset), dataset.name, dataset.notice
    else:
        raw, name, notice = _raw_at(name_or_path, reading, known), str(name_or_path), None
        if isinstance(name_or_path, Path) or "," not in name:
            name = str(_expanded(Path(name_or_path)))
    _check_options(raw, known.reading if known is not None else reading or Reading(), known is not None, name)
    dataset = prepared(raw, name=name, reading=reading, known=known, trained_digest=trained_digest, notice=notice)
    classes = dataset.preparation.classes
    if known is None and classes is not None and len(classes) < 2:
        raise DataError(f"{name}: all labels are {classes[0]}; wanted two classes or more, or --targets values")
    if raw.in_file:
        advise_random(dataset.train.inputs)
    return dataset


def _check_options(raw: Raw, reading: Reading, is_known: bool, name: str) -> None:
    """Raise `DataError` for an option that this data makes nothing of."""
    given = {"--target": reading.target, "--drop": reading.drop}
    option = next((option for option, value in given.items() if value), None)
    if option is not None and raw.columns is None and not is_known:
        raise DataError(f"{name}: has no columns with names, and {option} is for tables; leave it out")
    if raw.test is not None and reading.test != TEST_SHARE and not is_known:
        raise DataError(f"{name}: has samples to test with already, and --test holds out others; leave it out")
    if reading.skip_pass and not raw.in_file:
        raise DataError(
            f"{name}: is read into memory, and --skip-data-pass is for files that are not: X.npy,y.npy and HDF5; leave "
            f"it out"
        )


def paths_of(name_or_path: str | Path) -> list[Path]:
    """The files that are named: one, or two with a comma between them, where there is no one file of that name."""
    path = _expanded(Path(name_or_path))
    parts = str(name_or_path).split(",")
    if len(parts) == 2 and all(parts) and not os.path.exists(path):  # noqa: PTH110 - Path's raises
        return [_expanded(Path(part)) for part in parts]
    return [path]


def _named(name: str, cache_dir: str | Path | None) -> Dataset:
    if name == "sample":
        return load_sample()
    from mlp.data.named.mnist import load_mnist  # imports the downloading, which others need not wait for

    return load_mnist(cache_dir)


def _raw_of(dataset: Dataset) -> Raw:
    """A data set of images once more, to be read in another way."""
    train, test = dataset.train, dataset.test
    return Raw((train.inputs, train.targets.stored), (test.inputs, test.targets.stored))


def _raw_at(name_or_path: str | Path, reading: Reading | None, known: Preparation | None) -> Raw:
    """What the files of that name hold, by their endings."""
    if not str(name_or_path):
        raise UnreadableDataError(f"no data named; {_WANTED}")
    paths = paths_of(name_or_path)
    endings = [path.suffix.lower() for path in paths]
    for path in paths:
        try:
            mode = kind_of(path)
        except UnreadableDataError as error:
            near = meant(str(name_or_path), NAMES)
            raise UnreadableDataError(f"{error}; {_WANTED}{near}", path=str(path)) from error
    path = paths[0]
    if len(paths) == 2:
        if endings != [".npy", ".npy"]:
            raise DataError(f"{quoted(path)} and {quoted(paths[1])}: two files are a pair X.npy,y.npy; {_WANTED}")
        return raw_npy_pair(*paths)
    if stat.S_ISDIR(mode):
        return raw_idx_files(find_idx_files(path))
    if endings[0] in TABLES:
        from mlp.data.formats.tables import raw_table  # loads pandas

        return raw_table(path, reading=known.reading if known else reading or Reading(), known=known)
    if endings[0] in HDF5:
        from mlp.data.formats.hdf5 import raw_hdf5  # loads h5py

        return raw_hdf5(path)
    if endings[0] == ".npy":
        raise DataError(f"{quoted(path)}: is one array; name the targets too, as X.npy,y.npy")
    if endings[0] != ".npz":
        check_ending(path, may_begin=(b"PK",), wanted=_WANTED)
    return raw_npz_file(path)


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:  # a ~name without a home folder
        raise UnreadableDataError(f"{str(path)!r}: {error}; {_WANTED}", path=str(path)) from error
