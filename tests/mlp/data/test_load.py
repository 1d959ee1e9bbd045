"""`load` with paths: each layout is read to the same data, each wrong path is one line."""

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlp.data import DataError, UnreadableDataError, dataset_from_arrays, load

Arrays = dict[str, NDArray[Any]]
FULL_MNIST = Path(__file__).parents[3].parent / "shared/data/mnist.npz"


def digest_of(arrays: Arrays) -> str:
    keys = ("x_train", "y_train", "x_test", "y_test")
    return dataset_from_arrays(*(arrays[key] for key in keys), name="").digest


@pytest.mark.parametrize("as_given", [str, Path], ids=["str", "Path"])
def test_keras_npz_is_read(
    arrays: Arrays, write_npz: Callable[[Arrays], Path], as_given: Callable[[Path], Any]
) -> None:
    path = write_npz(arrays)
    dataset = load(as_given(path))
    assert dataset.digest == digest_of(arrays)
    assert dataset.name == str(path)
    assert dataset.notice is None


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gz"])
@pytest.mark.parametrize("separator", ["-", "."])
@pytest.mark.parametrize("place", ["", "raw", "MNIST/raw"])
def test_idx_folder_is_read(
    arrays: Arrays, write_idx: Callable[..., Path], place: str, separator: str, packed: bool
) -> None:
    folder = write_idx(arrays, place=place, separator=separator, packed=packed)
    dataset = load(folder)
    assert dataset.digest == digest_of(arrays)
    assert dataset.name == str(folder)


def test_folder_that_is_complete_goes_before_one_that_is_not(arrays: Arrays, write_idx: Callable[..., Path]) -> None:
    folder = write_idx(arrays, place="MNIST/raw")
    (folder / "train-images-idx3-ubyte").write_bytes(b"half a download")
    assert load(folder).digest == digest_of(arrays)


def test_missing_idx_files_are_named(arrays: Arrays, write_idx: Callable[..., Path]) -> None:
    folder = write_idx(arrays, place="raw", packed=True)
    (folder / "raw" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UnreadableDataError, match="no t10k-labels-idx1-ubyte in this folder") as caught:
        load(folder)
    assert "train-images" not in str(caught.value)
    assert caught.value.path == str(folder)


def test_folder_without_any_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(
        UnreadableDataError, match=r"give a folder with the four IDX files, or the path of a Keras \.npz"
    ):
        load(tmp_path)


def test_home_folder_is_expanded(
    arrays: Arrays, write_npz: Callable[[Arrays], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(write_npz(arrays).parent))
    assert load("~/data.npz").digest == digest_of(arrays)


def test_misspelt_name_is_answered_with_the_choices() -> None:
    with pytest.raises(UnreadableDataError, match=r"'mnits'.*choose mnist, sample, or the path"):
        load("mnits")


@pytest.mark.parametrize("name", ["", "nul\0byte", "x" * 10_000, "~nobody-of-this-name/x", "line\nbreak", "\udcff"])
def test_impossible_paths_are_one_line(name: str) -> None:
    with pytest.raises(UnreadableDataError) as caught:
        load(name)
    assert str(caught.value).isprintable()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    pipe = tmp_path / "data.npz"
    os.mkfifo(pipe)
    with pytest.raises(UnreadableDataError, match="wanted a file, found a pipe, socket or device"):
        load(pipe)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_named_pipe_among_the_idx_files_is_refused(arrays: Arrays, write_idx: Callable[..., Path]) -> None:
    folder = write_idx(arrays)
    (folder / "train-labels-idx1-ubyte").unlink()
    os.mkfifo(folder / "train-labels-idx1-ubyte")
    with pytest.raises(UnreadableDataError, match="found a pipe, socket or device"):
        load(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="no /dev on this system")
def test_device_is_refused() -> None:
    with pytest.raises(UnreadableDataError, match="found a pipe, socket or device"):
        load("/dev/zero")


def test_folder_called_like_an_idx_file_is_refused(arrays: Arrays, write_idx: Callable[..., Path]) -> None:
    folder = write_idx(arrays)
    (folder / "train-labels-idx1-ubyte").unlink()
    (folder / "train-labels-idx1-ubyte").mkdir()
    with pytest.raises(UnreadableDataError, match="wanted a file, found a folder"):
        load(folder)


def block_by_folder(path: Path) -> None:
    path.mkdir()


def block_by_broken_link(path: Path) -> None:
    path.symlink_to(path.parent / "nothing")


def block_by_empty_file(path: Path) -> None:
    path.touch()


def block_by_folder_with_the_file(path: Path) -> None:
    path.mkdir()
    (path / path.name).write_bytes((path.parent / path.name.replace("-idx", ".idx")).read_bytes())


@pytest.mark.parametrize(
    "block", [block_by_folder, block_by_broken_link, block_by_empty_file, block_by_folder_with_the_file]
)
@pytest.mark.parametrize("stem", ["train-images-idx3", "t10k-labels-idx1"])
def test_name_that_is_no_file_does_not_hide_the_file(
    arrays: Arrays, write_idx: Callable[..., Path], block: Callable[[Path], None], stem: str
) -> None:
    folder = write_idx(arrays, separator=".")
    block(folder / f"{stem}-ubyte")
    assert load(folder).digest == digest_of(arrays)


def test_empty_file_does_not_hide_the_packed_one(arrays: Arrays, write_idx: Callable[..., Path]) -> None:
    folder = write_idx(arrays, packed=True)
    (folder / "train-images-idx3-ubyte").touch()
    assert load(folder).digest == digest_of(arrays)


def test_folders_of_the_files_names_are_looked_into(arrays: Arrays, write_idx: Callable[..., Path]) -> None:
    folder = write_idx(arrays)
    for file in list(folder.iterdir()):
        content = file.read_bytes()
        file.unlink()
        file.mkdir()
        (file / file.name).write_bytes(content)
    assert load(folder).digest == digest_of(arrays)


def test_place_with_an_empty_file_does_not_hide_a_whole_one(arrays: Arrays, write_idx: Callable[..., Path]) -> None:
    folder = write_idx(arrays)
    (folder / "t10k-images-idx3-ubyte").write_bytes(b"")
    write_idx(arrays, place="raw")
    assert load(folder).digest == digest_of(arrays)


def test_file_that_may_not_be_opened_is_refused(
    arrays: Arrays, write_npz: Callable[[Arrays], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write_npz(arrays)
    monkeypatch.setattr(Path, "open", refuse)  # by mode bits it can't be tested as root
    with pytest.raises(UnreadableDataError, match=r"can't be read \(Permission denied\)") as caught:
        load(path)
    assert caught.value.path == str(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_folder_that_may_not_be_entered_is_refused(arrays: Arrays, write_idx: Callable[..., Path]) -> None:
    folder = write_idx(arrays)
    folder.chmod(0)
    try:
        with pytest.raises(UnreadableDataError, match="Permission denied"):
            load(folder)
    finally:
        folder.chmod(stat.S_IRWXU)


def test_what_is_wrong_with_a_file_names_the_file(arrays: Arrays, write_npz: Callable[[Arrays], Path]) -> None:
    path = write_npz(arrays | {"y_test": arrays["y_test"][:-1]})
    with pytest.raises(DataError, match="10 test images but 9 test labels") as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.skipif(not FULL_MNIST.is_file(), reason="no copy of the full MNIST beside this checkout")
def test_full_mnist_is_read() -> None:
    dataset = load(FULL_MNIST)
    assert dataset.train_images.shape == (60_000, 784)
    assert dataset.test_images.shape == (10_000, 784)
    assert np.bincount(dataset.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.skipif(not FULL_MNIST.is_file(), reason="no copy of the full MNIST beside this checkout")
def test_sample_is_part_of_mnist() -> None:
    full, sample = load(FULL_MNIST), load("sample")
    label_of = {image.tobytes(): label for image, label in zip(full.train_images, full.train_labels, strict=True)}
    for images, labels in ((sample.train_images, sample.train_labels), (sample.test_images, sample.test_labels)):
        assert [label_of.get(image.tobytes()) for image in images] == labels.tolist()
