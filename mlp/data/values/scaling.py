"""How raw values become what a network takes: a range of them becomes 0 to 1.

A network trained on values that were scaled in one way answers nonsense to values scaled in another. So a data set
knows its scaling, the network remembers that of the data that it was trained on, and a saved state has it.
"""

from dataclasses import dataclass
from math import isfinite

from mlp.data.errors import DataError

NARROW = 32
"""Images of bytes whose largest value is no more than this use a range of their own, such as 0 to 16 or 0 to 1."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """Raw values from 0 to `high` become 0 to 1. Raises `DataError` unless `high` is finite and above 0."""

    high: float = 255.0

    def __post_init__(self) -> None:
        if type(self.high) not in (int, float) or not (isfinite(self.high) and self.high > 0):
            raise DataError(f"scaling: the largest raw value must be finite and above 0, found {self.high!r}")

    def __str__(self) -> str:
        return f"0 to {self.high:g}"


PIXELS = Scaling()


def scaling_of_bytes(largest: int) -> Scaling:
    """The scaling of images of bytes whose largest value is `largest`.

    >>> str(scaling_of_bytes(254)), str(scaling_of_bytes(16)), str(scaling_of_bytes(0))
    ('0 to 255', '0 to 16', '0 to 255')
    """
    return Scaling(float(largest)) if 0 < largest <= NARROW else PIXELS
