"""MNIST by name: from the cache folder, else the network, else the embedded sample and a line that says so.

The places and checksums are those of Keras (`keras.datasets.mnist`) and torchvision (`torchvision.datasets.MNIST`). A
file in the cache folder is trusted only with the right checksum.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pooch

from mlp.data.dataset import Dataset
from mlp.data.errors import DataError, DownloadError
from mlp.data.formats.folder import IdxFiles, read_idx_files
from mlp.data.formats.npz_file import raw_npz_file
from mlp.data.named.download import RemoteFile, fetch
from mlp.data.named.sample import load_sample
from mlp.data.prepare import prepared
from mlp.data.stream import quoted

_TORCHVISION = "https://ossci-datasets.s3.amazonaws.com/mnist/"


@dataclass(frozen=True)
class Source:
    """A server that has all of MNIST. `read` makes a Dataset of its files in the cache folder."""

    files: tuple[RemoteFile, ...]
    read: Callable[[list[Path]], Dataset]

    @property
    def host(self) -> str:
        """The host, for messages."""
        return urlsplit(self.files[0].url).hostname or self.files[0].url


KERAS = Source(
    files=(
        RemoteFile(
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
            "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
        ),
    ),
    read=lambda paths: prepared(raw_npz_file(paths[0]), name="mnist"),
)
TORCHVISION = Source(
    files=(
        RemoteFile(f"{_TORCHVISION}train-images-idx3-ubyte.gz", "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        RemoteFile(f"{_TORCHVISION}train-labels-idx1-ubyte.gz", "md5:d53e105ee54ea40749a09fcbcd1e9432"),
        RemoteFile(f"{_TORCHVISION}t10k-images-idx3-ubyte.gz", "md5:9fb629c4189551a2d022fa330f9573f3"),
        RemoteFile(f"{_TORCHVISION}t10k-labels-idx1-ubyte.gz", "md5:ec29112dd5afa0611ce80d1b7f02629c"),
    ),
    read=lambda paths: read_idx_files(IdxFiles(*paths), name="mnist"),
)
SOURCES = (KERAS, TORCHVISION)


def load_mnist(cache_dir: str | Path | None = None) -> Dataset:
    """MNIST, or the embedded sample where it can't be had; `notice` says so, and says what was downloaded.

    `cache_dir`: the cache folder; by default the operating system's own for `mlp-checkpointing`. Raises nothing: no
    network, no permission to write and a damaged cache all end at the sample.
    """
    folder = Path(pooch.os_cache("mlp-checkpointing") if cache_dir is None else cache_dir).absolute()
    for source in SOURCES:
        if all(file.is_in(folder) for file in source.files):
            return source.read([folder / file.file_name for file in source.files])
    failures = []
    for source in SOURCES:
        try:
            dataset = source.read([fetch(file, folder) for file in source.files])
        except DataError as error:
            reason = error.reason if isinstance(error, DownloadError) else str(error)
            failures.append(f"{source.host}: {reason}")
            continue
        return replace(dataset, notice=f"MNIST was downloaded from {source.host} to {quoted(folder)}")
    return load_sample(
        notice=f"MNIST is neither in {quoted(folder)} nor available from the network ({'; '.join(failures)}); "
        "using the embedded sample of 5,000 of its images; give the path of a copy to use all 70,000"
    )
