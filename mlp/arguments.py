"""Plain arguments, checked where they enter: numbers, whole numbers, and names out of a list. No arrays here."""

from collections.abc import Sequence
from math import isfinite, nan
from numbers import Real
from operator import index
from typing import Any

from mlp.errors import NetworkError

DTYPES = ("float32", "float64")
INITIALIZATIONS = ("normal", "scaled")


def check_number(name: str, value: Any, *, wanted: str = "a finite number", above: float | None = None) -> float:
    """`value` as a float. Raises `NetworkError`, saying what was `wanted`, unless it is finite and above `above`."""
    try:
        number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else nan
    except OverflowError:
        raise NetworkError(f"{name} must be {wanted}; got a whole number of hundreds of digits") from None
    if not isfinite(number) or (above is not None and number <= above):
        raise NetworkError(f"{name} must be {wanted}; got {value!r}")
    return number


def check_momentum(value: Any) -> float:
    """`value` as a float. Raises `NetworkError` unless it is at least 0, which is none, and below 1."""
    if not 0 <= check_number("momentum", value) < 1:
        raise NetworkError(f"momentum must be at least 0 and below 1; got {value!r}")
    return float(value)


LARGEST = {"float32": (2 - 2**-23) * 2.0**127, "float64": (2 - 2**-52) * 2.0**1023}
"""The largest number of each dtype."""


def check_rate(eta: Any, dtype: str) -> float:
    """`eta` as a float. Raises `NetworkError` unless it is finite, in the network's dtype too."""
    rate = check_number("eta", eta)
    if abs(rate) > LARGEST[dtype]:
        raise NetworkError(f"eta must be at most {LARGEST[dtype]:.3g}, the largest {dtype}; got {rate:.3g}")
    return rate


def check_whole(name: str, value: Any, *, least: int) -> int:
    """`value` as an int, NumPy's whole numbers too. Raises `NetworkError` unless it is whole and `least` or more."""
    number = as_whole(value)
    if number is None or number < least:
        raise NetworkError(f"{name} must be a whole number, {least} or more; got {value!r}")
    return number


def as_whole(value: Any) -> int | None:
    """`value` as an int, whatever kind of whole number it is; None where it is none, as truth values are.

    >>> as_whole(3), as_whole("3"), as_whole(True)
    (3, None, None)
    """
    try:
        return None if isinstance(value, bool) else index(value)
    except TypeError:
        return None


def check_name(kind: str, value: Any, choices: Sequence[str]) -> str:
    """`value`, which is one of `choices`. Raises `NetworkError` with the choices otherwise."""
    if not isinstance(value, str) or value not in choices:
        raise NetworkError(f"unknown {kind} {value!r}; choose {' or '.join(choices)}")
    return value


def check_dropout(dropout: Any, *, hidden: int) -> tuple[float, ...]:
    """The dropout of each of the `hidden` layers. Raises `NetworkError` unless each is from 0 up to 1.

    >>> check_dropout(0.5, hidden=2), check_dropout([0, 0.2], hidden=2)
    ((0.5, 0.5), (0.0, 0.2))
    """
    rates = tuple(dropout) if isinstance(dropout, Sequence) and not isinstance(dropout, str) else (dropout,) * hidden
    if len(rates) != hidden:
        raise NetworkError(f"dropout must be one number, or {hidden}, one for each hidden layer; got {len(rates)}")
    for rate in (dropout,) if not isinstance(dropout, Sequence) or isinstance(dropout, str) else rates:
        if not 0 <= check_number("dropout", rate) < 1:
            raise NetworkError(f"dropout must be at least 0 and below 1; got {rate!r}")
    return tuple(float(rate) for rate in rates)
