"""A .npz on disk, as what a data set is made of. Knows where the arrays go, not how a .npz is read."""

from pathlib import Path
from typing import BinaryIO

from mlp.data.formats.npz import read_npz
from mlp.data.prepare import Raw
from mlp.data.stream import open_regular, quoted


def raw_npz_file(path: Path) -> Raw:
    """What the .npz at `path` holds. Raises a DataError."""
    with open_regular(path) as file:
        return raw_npz(file, where=quoted(path))


def raw_npz(file: BinaryIO, *, where: str) -> Raw:
    """What the .npz in `file` holds: X and y, or Keras's arrays with or without a test part. Raises a DataError."""
    arrays = list(read_npz(file, where=where).values())
    return Raw((arrays[0], arrays[1]), (arrays[2], arrays[3]) if len(arrays) == 4 else None)
