"""Files whose endings say nothing, or something wrong: what they hold is said, and which ending it is read from."""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlp import data
from mlp.data import DataError
from mlp.data.kinds import LOOKED_AT_BYTES, OTHER_PICTURES, what_is_in
from mlp.data.unlabelled import read_unlabelled

TABLE = b"size,kind\n1.5,cat\n2.5,dog\n"


def picture_as(kind: str) -> bytes:
    """A file of a picture."""
    written = io.BytesIO()
    Image.fromarray(np.arange(784, dtype=np.uint8).reshape(28, 28)).save(written, kind)
    return written.getvalue()


def files(folder: Path) -> dict[str, bytes]:
    """Content by what it is."""
    np.save(folder / "a.npy", np.zeros((3, 2)))
    return {
        "text": TABLE,
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(50),
        "Parquet": b"PAR1" + bytes(50),
        "npy": (folder / "a.npy").read_bytes(),
        "gzip": gzip.compress(TABLE),
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(50),
        **{kind: picture_as(kind) for kind in ("GIF", "BMP", "WebP", "TIFF")},
        "HEIF or AVIF": b"\0\0\0\x1cftypavif" + bytes(50),
    }


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("text", "holds text; tables are read from files that end in .csv or .tsv: rename it"),
        ("HDF5", "end in .h5: rename it"),
        ("Parquet", "end in .parquet: rename it"),
        ("npy", "holds one array"),
        ("gzip", "unpack it"),
        ("picture", "holds a picture, which is no data set"),
        *((kind, f"holds a {kind} picture, which is not read: convert it to PNG") for kind in OTHER_PICTURES),
    ],
)
@pytest.mark.parametrize("name", ["data.txt", "data", "data.data"])
def test_content_of_another_ending_is_named(kind: str, wanted: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(files(tmp_path)[kind])
    assert what_is_in(path.read_bytes()[:LOOKED_AT_BYTES]) == kind
    with pytest.raises(DataError) as caught:
        data.load(path)
    assert wanted in str(caught.value)
    assert "choose mnist, sample, or the path of a .npz" in str(caught.value)


def test_an_npz_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    with path.open("wb") as file:
        np.savez(file, X=np.random.default_rng(0).random((50, 3)), y=np.arange(50) % 2)
    assert data.load(path).features == 3


def test_what_is_nothing_known_is_said(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match="is of no kind known here; choose mnist"):
        data.load(path)


@pytest.mark.parametrize("kind", OTHER_PICTURES)
def test_a_picture_that_is_not_read_is_named_where_one_is_asked_about(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "digit.npy"
    path.write_bytes(files(tmp_path)[kind])
    wanted = f"holds a {kind} picture, which is not read: convert it to PNG; give a PNG or JPEG"
    with pytest.raises(DataError, match=wanted):
        read_unlabelled(path, features=784, dtype="float32", preparation=None, scaling=None)


def test_what_is_nothing_known_is_no_array_where_one_is_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "digit.ico"
    path.write_bytes(picture_as("ICO"))
    with pytest.raises(DataError, match="is of no kind known here; give a PNG or JPEG"):
        read_unlabelled(path, features=784, dtype="float32", preparation=None, scaling=None)


def test_a_character_that_the_end_cuts_is_text() -> None:
    assert what_is_in(b"x" * (LOOKED_AT_BYTES - 2) + "\n€".encode()[:2]) == "text"
    assert what_is_in(b"a,b\n1,\xff" + b"x" * LOOKED_AT_BYTES) is None


def test_a_name_that_is_nearly_one_of_ours_is_guessed() -> None:
    with pytest.raises(DataError, match="did you mean 'mnist'"):
        data.load("mnits")


@pytest.mark.parametrize(("kind", "wanted"), [("text", "end in .csv or .tsv: rename it"), ("gzip", "unpack it")])
def test_samples_of_another_ending_are_named_too(kind: str, wanted: str, tmp_path: Path) -> None:
    path = tmp_path / "new.txt"
    path.write_bytes(files(tmp_path)[kind])
    with pytest.raises(DataError, match=wanted):
        read_unlabelled(path, features=2, dtype="float32", preparation=None, scaling=None)
