"""Numbers as arguments: checked where they enter. No arrays here."""

from math import isfinite, nan
from numbers import Real
from typing import Any

from mlp.errors import NetworkError


def check_number(name: str, value: Any, *, wanted: str = "a finite number", above: float | None = None) -> float:
    """`value` as a float. Raises `NetworkError`, saying what was `wanted`, unless it is finite and above `above`."""
    number = float(value) if isinstance(value, Real) else nan
    if not isfinite(number) or (above is not None and number <= above):
        raise NetworkError(f"{name} must be {wanted}; got {value!r}")
    return number
