"""`load("mnist")`: cache before network before sample; nothing is trusted unchecked. No network is used."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pooch
import pytest
from numpy.typing import NDArray

from mlp.data import dataset_from_arrays, load
from mlp.data.named import mnist
from mlp.data.named.download import RemoteFile
from mlp.data.named.mnist import KERAS, SOURCES, TORCHVISION, Source

Arrays = dict[str, NDArray[Any]]


class Network:
    """Stands in for `pooch.retrieve`: returns the files it was told of, counts what was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def retrieve(self, url: str, known_hash: str, *, fname: str, path: Path, downloader: object) -> str:
        self.asked.append(url)
        if url not in self.files:
            raise ConnectionError("Name or service not known")
        algorithm, _, wanted = known_hash.partition(":")
        if hashlib.new(algorithm, self.files[url]).hexdigest() != wanted:
            raise ValueError("hash of downloaded file does not match the known hash")
        path.mkdir(parents=True, exist_ok=True)
        (path / fname).write_bytes(self.files[url])
        return str(path / fname)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    stand_in = Network()
    monkeypatch.setattr(pooch, "retrieve", stand_in.retrieve)
    return stand_in


@pytest.fixture
def small_sources(
    monkeypatch: pytest.MonkeyPatch, arrays: Arrays, npz_bytes: Callable[..., bytes], idx_bytes: Callable[..., bytes]
) -> dict[str, bytes]:
    """Both sources as they are, but with the checksums of a small data set; returns its files by URL."""
    keras = npz_bytes(arrays)
    contents = {KERAS.files[0].url: keras}
    for file, key in zip(TORCHVISION.files, ("x_train", "y_train", "x_test", "y_test"), strict=True):
        contents[file.url] = idx_bytes(arrays[key])

    def with_checksums(source: Source, algorithm: str) -> Source:
        return Source(
            files=tuple(
                RemoteFile(file.url, f"{algorithm}:{hashlib.new(algorithm, contents[file.url]).hexdigest()}")
                for file in source.files
            ),
            read=source.read,
        )

    monkeypatch.setattr(mnist, "SOURCES", (with_checksums(KERAS, "sha256"), with_checksums(TORCHVISION, "md5")))
    return contents


@pytest.fixture
def digest(arrays: Arrays) -> str:
    return dataset_from_arrays(*(arrays[key] for key in ("x_train", "y_train", "x_test", "y_test")), name="").digest


def test_every_url_is_https_and_every_checksum_is_set() -> None:
    lengths = {"md5": 32, "sha256": 64}
    for source in SOURCES:
        for file in source.files:
            algorithm, _, checksum = file.checksum.partition(":")
            assert file.url.startswith("https://")
            assert len(checksum) == lengths[algorithm]


def test_without_a_network_the_sample_is_used_and_said_so(network: Network, tmp_path: Path) -> None:
    start = time.perf_counter()
    dataset = load("mnist", cache_dir=tmp_path)
    assert time.perf_counter() - start < 4
    assert dataset.name == "sample"
    assert dataset.digest == load("sample").digest
    assert dataset.notice is not None
    assert dataset.notice.isprintable()
    assert "using the embedded sample of 5,000" in dataset.notice
    assert "storage.googleapis.com: Name or service not known" in dataset.notice
    assert len(network.asked) == 2  # the first file of each source


def test_keras_is_asked_first_and_then_cached(
    network: Network, small_sources: dict[str, bytes], digest: str, tmp_path: Path
) -> None:
    network.files = small_sources
    first = load("mnist", cache_dir=tmp_path / "new")
    assert (first.name, first.digest) == ("mnist", digest)
    assert first.notice == f"MNIST was downloaded from storage.googleapis.com to {str(tmp_path / 'new')!r}"
    second = load("mnist", cache_dir=tmp_path / "new")
    assert (second.name, second.digest, second.notice) == ("mnist", digest, None)
    assert network.asked == [KERAS.files[0].url]


def test_torchvision_is_asked_where_keras_does_not_answer(
    network: Network, small_sources: dict[str, bytes], digest: str, tmp_path: Path
) -> None:
    network.files = {url: data for url, data in small_sources.items() if "ossci" in url}
    first = load("mnist", cache_dir=tmp_path)
    assert (first.name, first.digest) == ("mnist", digest)
    assert first.notice is not None
    assert "ossci-datasets" in first.notice
    asked = len(network.asked)
    assert load("mnist", cache_dir=str(tmp_path)).notice is None
    assert len(network.asked) == asked


def test_corrupted_cache_is_not_trusted_but_replaced(
    network: Network, small_sources: dict[str, bytes], digest: str, tmp_path: Path
) -> None:
    network.files = small_sources
    (tmp_path / "mnist.npz").write_bytes(small_sources[KERAS.files[0].url][:-1] + b"?")
    dataset = load("mnist", cache_dir=tmp_path)
    assert dataset.digest == digest
    assert network.asked == [KERAS.files[0].url]
    assert (tmp_path / "mnist.npz").read_bytes() == small_sources[KERAS.files[0].url]


def test_corrupted_cache_without_a_network_ends_at_the_sample(network: Network, tmp_path: Path) -> None:
    (tmp_path / "mnist.npz").write_bytes(b"nonsense")
    assert load("mnist", cache_dir=tmp_path).name == "sample"


def test_wrong_file_from_the_network_is_not_trusted(
    network: Network, small_sources: dict[str, bytes], tmp_path: Path
) -> None:
    network.files = dict.fromkeys(small_sources, b"a page that asks for a password")
    dataset = load("mnist", cache_dir=tmp_path)
    assert dataset.name == "sample"
    assert dataset.notice is not None
    assert "does not match the known hash" in dataset.notice


def test_one_idx_file_missing_from_the_cache_is_fetched_alone(
    network: Network, small_sources: dict[str, bytes], digest: str, tmp_path: Path
) -> None:
    for file in TORCHVISION.files[1:]:
        (tmp_path / file.file_name).write_bytes(small_sources[file.url])
    network.files = {TORCHVISION.files[0].url: small_sources[TORCHVISION.files[0].url]}
    assert load("mnist", cache_dir=tmp_path).digest == digest
    assert network.asked == [KERAS.files[0].url, TORCHVISION.files[0].url]


@pytest.mark.parametrize("cache_dir", ["file", "file/below", "nul\0byte", "x" * 5000])
def test_impossible_cache_folder_ends_at_the_sample(
    network: Network, small_sources: dict[str, bytes], tmp_path: Path, cache_dir: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    network.files = small_sources
    dataset = load("mnist", cache_dir=tmp_path / cache_dir)
    assert dataset.name == "sample"
    assert dataset.notice is not None
    assert dataset.notice.isprintable()


def test_path_called_mnist_is_read_as_a_path(
    network: Network, arrays: Arrays, npz_bytes: Callable[..., bytes], digest: str, tmp_path: Path
) -> None:
    (tmp_path / "mnist").write_bytes(npz_bytes(arrays))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert load(Path("mnist")).digest == digest
        assert load("./mnist").digest == digest
    assert network.asked == []
