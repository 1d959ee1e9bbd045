"""Plain arguments, checked where they enter: numbers, whole numbers, and names out of a list. No arrays here."""

from collections.abc import Sequence
from inspect import signature
from math import isfinite, nan
from numbers import Real
from operator import index
from typing import Any

from backend.nearest import meant
from mlp.errors import NetworkError

DTYPES = ("float32", "float64")
INITIALIZATIONS = ("normal", "scaled")

MAX_COUNT = 2**53
"""The most epochs, steps or samples that are counted: what every reader of JSON can say exactly."""


def check_number(name: str, value: Any, *, wanted: str = "a finite number", above: float | None = None) -> float:
    """`value` as a float. Raises `NetworkError`, saying what was `wanted`, unless it is finite and above `above`."""
    try:
        is_number = type(value) is float or (isinstance(value, Real) and not isinstance(value, bool))
        number = float(value) if is_number else nan
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


SMALLEST = {"float32": 2.0**-149, "float64": 2.0**-1074}
"""The smallest number above 0 of each dtype; half of it is rounded to 0."""


def vanishes(eta: float, dtype: str, rows: int) -> bool:
    """Whether `eta`, which is not 0, is 0 in `dtype` once it is divided by the `rows` of a mini-batch."""
    return eta != 0 and abs(eta / rows) <= SMALLEST[dtype] / 2


def check_rate(eta: Any, dtype: str, *, rows: int = 1, name: str = "eta") -> float:
    """`eta` as a float. Raises `NetworkError` unless it is finite, in the network's dtype too.

    A rate above 0 that is 0 in the dtype, for each of the `rows` of a mini-batch, is refused; 0 itself is not.
    """
    rate = check_number(name, eta)
    if abs(rate) > LARGEST[dtype]:
        raise NetworkError(f"{name} must be at most {LARGEST[dtype]:.3g}, the largest {dtype}; got {rate:.3g}")
    if vanishes(rate, dtype, rows):
        raise NetworkError(
            f"{name} {rate:.3g} over {rows} rows is 0 in {dtype}, so that nothing would be learnt; raise {name}"
        )
    return rate


def check_called_with_one(name: str, function: Any, *, wanted: str) -> None:
    """Raise `NetworkError`, saying what was `wanted`, unless `function` can be called with one argument.

    >>> check_called_with_one("eta", abs, wanted="a function of the count of steps")
    """
    if not callable(function):
        raise NetworkError(f"{name} must be {wanted}; got {repr(function)[:60]}")
    try:
        taken = signature(function)
    except (TypeError, ValueError):  # it is written in C and does not say
        return
    try:
        taken.bind(None)
    except TypeError as error:
        raise NetworkError(f"{name} must be {wanted}; {repr(function)[:60]} is not: {error}") from None


def check_whole(name: str, value: Any, *, least: int, most: int | None = None) -> int:
    """`value` as an int, NumPy's numbers too. Raises `NetworkError` unless it is whole, from `least` to `most`."""
    number = as_whole(value)
    if number is None or number < least:
        raise NetworkError(f"{name} must be a whole number, {least} or more; got {_short(value)}")
    if most is not None and number > most:
        raise NetworkError(f"{name} must be at most {most}; got {_short(value)}")
    return number


def _short(value: Any) -> str:
    """`value` as messages show it."""
    if type(value) is int and abs(value) >= 10**60:  # Python refuses to write out some of these
        return "a whole number of more than 60 digits"
    return repr(value)[:60]


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
        raise NetworkError(f"unknown {kind} {value!r:.60}; choose {' or '.join(choices)}{meant(value, choices)}")
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
