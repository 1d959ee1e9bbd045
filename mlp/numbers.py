"""Numbers as arguments: checked where they enter. No arrays here."""

from math import isfinite
from numbers import Real
from typing import Any

from mlp.errors import NetworkError


def check_number(name: str, value: Any, *, wanted: str = "a finite number", above: float | None = None) -> float:
    """`value` as a float. Raises `NetworkError`, saying what was `wanted`, unless it is finite and above `above`."""
    if not isinstance(value, Real) or not isfinite(value) or (above is not None and not value > above):
        raise NetworkError(f"{name} must be {wanted}; got {value!r}")
    return float(value)
