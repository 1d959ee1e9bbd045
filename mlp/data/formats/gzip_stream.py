"""A gzip stream, decompressed on demand, a bounded amount at a time.

One stream per file, as `gzip` writes it. Concatenated streams (legal, as of `cat a.gz b.gz`) are refused: no MNIST file
is one, and millions of empty streams would keep a reader busy. The standard library's `gzip` accepts them, and does not
say so, hence zlib.
"""

import zlib
from typing import BinaryIO

from mlp.data.errors import DamagedDataError
from mlp.data.stream import CHUNK_BYTES

GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS  # tells zlib to want a gzip header, and to check length and CRC at the end


class GzipStream:
    """Reads the unpacked bytes of `file`, which stands at the start of a gzip stream."""

    def __init__(self, file: BinaryIO, *, where: str) -> None:
        self._file = file
        self._where = where
        self._unpacker = zlib.decompressobj(_GZIP_WINDOW)

    def read(self, n_bytes: int, /) -> bytes:
        """1 to `n_bytes` bytes; b"" at the end, and only if the stream's checksum is right. `n_bytes`: at least 1."""
        while not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail or self._file.read(CHUNK_BYTES)
            if not packed:
                raise DamagedDataError(
                    f"{self._where}: the gzip stream has no end; the file is cut short, get it again"
                )
            try:
                unpacked = self._unpacker.decompress(packed, n_bytes)
            except zlib.error as error:
                raise DamagedDataError(f"{self._where}: damaged gzip stream ({error}); get the file again") from error
            if unpacked:
                return unpacked
        if self._unpacker.unused_data or self._file.read(1):
            raise DamagedDataError(
                f"{self._where}: bytes follow the end of the gzip stream; wanted one stream and nothing behind it"
            )
        return b""
