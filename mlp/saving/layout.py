"""The layout of a saved state's file. Plain numbers; no arrays here.

The file is in the safetensors format: eight bytes with the length of a header, the header in JSON, then the arrays one
after the other, little-endian. The header lists each array's name, dtype, shape and place, and has room for text under
`__metadata__`. All of the list follows from a network's sizes, dtype and optimizer, so a reader that knows these knows
every byte that the list may have, and need not trust any of it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod

FORMAT_NAME = "mlp-checkpointing saved state"
FORMAT_NUMBER = 4
"""The format written. Older ones are still read, see `mlp.saving.older`."""
FORMAT = f"{FORMAT_NAME} {FORMAT_NUMBER}"
LENGTH_BYTES = 8
MAX_METADATA_BYTES = 2**21
"""Room for the widths of 100,000 layers and all else that the metadata says."""

NO_CHECKSUM = "0" * 64
"""What stands in a header for its own checksum while that is taken."""

LEAST_LISTED_BYTES = 50
"""The fewest header bytes per layer: a file with less is refused before a header is made to compare."""

_DTYPES = {"float32": ("F32", 4), "float64": ("F64", 8)}
_START = b'{"__metadata__":'


@dataclass(frozen=True, slots=True)
class Placed:
    """An array of the file: `start` and `stop` are its bytes, from the end of the header on."""

    name: str
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The arrays of a network with these `sizes` and `dtype`; `kept` names those that its optimizer keeps for each."""

    sizes: tuple[int, ...]
    dtype: str
    kept: tuple[str, ...] = ()

    @property
    def arrays(self) -> Iterator[Placed]:
        """The arrays, layer by layer: weight and bias, then what is kept for them, kind after kind.

        >>> [array.name for array in Layout((3, 2), "float32").arrays]
        ['weight.1', 'bias.1']
        """
        start, item_bytes = 0, _DTYPES[self.dtype][1]
        for layer, (n_in, n_out) in enumerate(pairwise(self.sizes), start=1):
            shapes: dict[str, tuple[int, ...]] = {f"weight.{layer}": (n_in, n_out), f"bias.{layer}": (n_out,)}
            shapes |= {f"{kind}.{name}": shape for kind in self.kept for name, shape in shapes.items()}
            for name, shape in shapes.items():
                stop = start + item_bytes * prod(shape)
                yield Placed(name, shape, start, stop)
                start = stop

    @property
    def arrays_bytes(self) -> int:
        """The bytes of all arrays together."""
        values = sum(n_in * n_out + n_out for n_in, n_out in pairwise(self.sizes))
        return values * _DTYPES[self.dtype][1] * (1 + len(self.kept))

    def header(self, metadata: Mapping[str, str]) -> bytes:
        """The header with this metadata: the only one that is read again."""
        code = _DTYPES[self.dtype][0]
        text = bytearray(_START + json.dumps(metadata, separators=(",", ":")).encode("ascii"))
        for array in self.arrays:
            shape = ",".join(str(width) for width in array.shape)
            text += f',"{array.name}":{{"dtype":"{code}","shape":[{shape}],'.encode("ascii")
            text += f'"data_offsets":[{array.start},{array.stop}]}}'.encode("ascii")
        text += b"}"
        return bytes(text) + b" " * (-(LENGTH_BYTES + len(text)) % 8)  # the arrays begin at a multiple of eight


def format_number(metadata: Mapping[str, str] | None) -> int | None:
    """The number of the format that the metadata says it is in; None where it is none of this program's.

    >>> format_number({"format": "mlp-checkpointing saved state 7"})
    7
    """
    match = re.fullmatch(rf"{FORMAT_NAME} ([1-9][0-9]{{0,5}})", (metadata or {}).get("format", ""))
    return None if match is None else int(match[1])


def metadata_of(beginning: bytes) -> dict[str, str] | None:
    """The metadata that a header begins with, from its first `MAX_METADATA_BYTES` bytes; None where it is not ours."""
    if not beginning.startswith(_START):
        return None
    try:
        metadata, _ = json.JSONDecoder().raw_decode(beginning[len(_START) :].decode("latin-1"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        return None
    return metadata
