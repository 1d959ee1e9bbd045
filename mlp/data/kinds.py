"""What a file of another ending than its content's holds, by its first bytes. Reads no more than those."""

import re
from pathlib import Path

from mlp.data.errors import DataError
from mlp.data.formats.pictures import is_picture
from mlp.data.stream import open_regular, quoted

LOOKED_AT_BYTES = 4096

TABLES = (".csv", ".tsv", ".parquet")
HDF5 = (".h5", ".hdf5")

_STARTS = {
    b"\x89HDF\r\n\x1a\n": "HDF5",
    b"PAR1": "Parquet",
    b"PK\x03\x04": "zip",
    b"\x93NUMPY": "npy",
    b"\x1f\x8b": "gzip",
}
OTHER_PICTURES = {
    "GIF": re.compile(rb"GIF8[79]a"),
    "BMP": re.compile(rb"BM.{4}\0{4}", re.DOTALL),
    "WebP": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "TIFF": re.compile(rb"II\*\0|MM\0\*"),
    "HEIF or AVIF": re.compile(rb".{4}ftyp(?:hei|hev|mif1|msf1|avi)", re.DOTALL),
}
"""How pictures begin that are not read here."""

_SAID = {
    "HDF5": "HDF5, which is read from files that end in .h5: rename it",
    "Parquet": "a Parquet table, which is read from files that end in .parquet: rename it",
    "zip": "a zip archive, which is read from files that end in .npz",
    "npy": "one array, which is read from files that end in .npy: rename it, and name the targets too",
    "gzip": "what gzip has packed: unpack it",
    "picture": "a picture, which is no data set; predict takes it",
    **{name: f"a {name} picture, which is not read: convert it to PNG" for name in OTHER_PICTURES},
    "text": "text; tables are read from files that end in .csv or .tsv: rename it",
}


def what_is_in(start: bytes) -> str | None:
    """The kind of a file that begins so, a key of those above; None for one that is not known.

    >>> what_is_in(b"size,kind\\n1.5,cat\\n"), what_is_in(b"\\x00\\x00")
    ('text', None)
    """
    known = next((kind for bytes_, kind in _STARTS.items() if start.startswith(bytes_)), None)
    known = known or next((name for name, begins in OTHER_PICTURES.items() if begins.match(start)), None)
    if known is not None or is_picture(start):
        return known or "picture"
    try:
        text = start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < LOOKED_AT_BYTES - 4:  # else it is a character that the end has cut
            return None
        text = start[: error.start].decode("utf-8-sig")
    return "text" if "\n" in text and all(one.isprintable() or one in "\r\n\t" for one in text) else None


def said_of(path: Path, kind: str | None) -> str:
    """What to say of the file at `path`, which holds that and ends as something else."""
    return f"{quoted(path)}: {'is of no kind known here' if kind is None else f'holds {_SAID[kind]}'}"


def check_ending(path: Path, *, may_begin: tuple[bytes, ...], wanted: str) -> None:
    """Raise `DataError` where the file at `path`, known by its ending for nothing, holds another thing than `wanted`.

    `may_begin`: how what is wanted begins, whatever the file is called.
    """
    with open_regular(path) as file:
        start = file.read(LOOKED_AT_BYTES)
    if not start.startswith(may_begin):
        raise DataError(f"{said_of(path, what_is_in(start))}; {wanted}")
