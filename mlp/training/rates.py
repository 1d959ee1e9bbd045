"""Learning rates that change from step to step. Plain numbers; no arrays here.

A learning rate is a number, or a function of how many steps the network has had before: one of these, or any other. The
network counts its steps and saves their number, so a training that goes on has the rate that it would have had.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from math import cos, exp, inf, log, pi
from typing import Any

from mlp.arguments import check_called_with_one, check_number, check_rate, check_whole, vanishes
from mlp.errors import NetworkError

LearningRate = float | Callable[[int], float]
"""A number above 0, or what returns one, 0 or more, for the count of steps before."""


@dataclass(frozen=True, kw_only=True)
class _Rate:
    """A rate whose arguments are checked: `eta` is above 0, `steps` and `every` are whole and 1 or more."""

    def __post_init__(self) -> None:
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if name in ("steps", "every"):
                object.__setattr__(self, name, check_whole(name, value, least=1))
            elif name == "then":
                _check_rate_or_number(name, value)
            elif name == "eta":
                object.__setattr__(self, name, check_number(name, value, wanted="above 0 and finite", above=0))
            elif check_number(name, value) < 0:
                raise NetworkError(f"{name} must be 0 or more; got {value!r}")
            else:
                object.__setattr__(self, name, float(value))


@dataclass(frozen=True, kw_only=True)
class Constant(_Rate):
    """`eta`, always."""

    eta: float

    def __call__(self, step: int) -> float:
        return self.eta


@dataclass(frozen=True, kw_only=True)
class StepDecay(_Rate):
    """`eta`, and after each `every` steps `factor` times what it was.

    >>> rate = StepDecay(eta=1.0, every=10, factor=0.5)
    >>> rate(9), rate(10), rate(20)
    (1.0, 0.5, 0.25)
    """

    eta: float
    every: int
    factor: float = 0.1

    def __call__(self, step: int) -> float:
        times = step // self.every
        try:
            rate = self.eta * self.factor**times
        except OverflowError:
            rate = _exp(log(self.eta) + times * log(self.factor))
        return _checked(rate, step)


@dataclass(frozen=True, kw_only=True)
class InverseScaling(_Rate):
    """`eta` over the number of the step, from 1, to the power of `power`.

    >>> InverseScaling(eta=1.0)(3)
    0.5
    """

    eta: float
    power: float = 0.5

    def __call__(self, step: int) -> float:
        try:
            return float(self.eta / (step + 1) ** self.power)
        except OverflowError:
            return _exp(log(self.eta) - self.power * log(step + 1))


@dataclass(frozen=True, kw_only=True)
class Cosine(_Rate):
    """From `eta` to `floor` along half a wave of the cosine, in `steps` steps; `floor` after that.

    Source: I. Loshchilov and F. Hutter, SGDR (2017), without restarts.

    >>> rate = Cosine(eta=1.0, steps=100)
    >>> rate(0), round(rate(50), 9), rate(100), rate(1000)
    (1.0, 0.5, 0.0, 0.0)
    """

    eta: float
    steps: int
    floor: float = 0.0

    def __call__(self, step: int) -> float:
        share = min(step, self.steps) / self.steps
        return _checked(self.floor + (self.eta - self.floor) * (1 + cos(pi * share)) / 2, step)


@dataclass(frozen=True, kw_only=True)
class WarmUp(_Rate):
    """Up in `steps` equal parts to what `then`, a number or a rate, begins with; and from there on as it says.

    >>> rate = WarmUp(steps=4, then=Cosine(eta=1.0, steps=100))
    >>> [rate(step) for step in range(5)], round(rate(54), 9)
    ([0.25, 0.5, 0.75, 1.0, 1.0], 0.5)
    """

    steps: int
    then: LearningRate

    def __call__(self, step: int) -> float:
        if step < self.steps:
            return _checked(rate_at(self.then, 0) * (step + 1) / self.steps, step)
        return rate_at(self.then, step - self.steps)


def rate_at(eta: LearningRate, step: int) -> float:
    """The learning rate after `step` steps. Raises `NetworkError` where a function returns no number, 0 or more."""
    if not callable(eta):
        return float(eta)
    return _checked(eta(step), step)


def _checked(rate: Any, step: int) -> float:
    """`rate`, that after `step` steps, as a float. Raises `NetworkError` unless it is finite and 0 or more."""
    wanted = "a finite number, 0 or more"
    number = check_number(f"eta after {step} steps", rate, wanted=wanted)
    if number < 0:
        raise NetworkError(f"eta after {step} steps must be {wanted}; got {number:g}")
    return number


def _exp(number: float) -> float:
    """e to the power of `number`, infinity where that is too large for a float."""
    try:
        return exp(number)
    except OverflowError:
        return inf


def step_rate(eta: LearningRate, step: int, *, dtype: str, rows: int) -> float:
    """The learning rate of a step on `rows` rows in `dtype`, after `step` steps; 0 where a function's has vanished.

    Raises `NetworkError` as `rate_at` does.
    """
    rate = rate_at(eta, step)
    return 0.0 if callable(eta) and vanishes(rate, dtype, rows) else rate


def check_learning_rate(eta: Any, *, dtype: str | None = None, rows: int = 1) -> None:
    """Raise `NetworkError` unless `eta` is a number above 0, or a function of one argument.

    With `dtype`, that of a network, the number must be above 0 in it too when divided by `rows`; so must the number
    that a rate of this file begins with.
    """
    _check_rate_or_number("eta", eta)
    while isinstance(eta, WarmUp):
        eta = eta.then
    first = getattr(eta, "eta", None) if isinstance(eta, _Rate) else None if callable(eta) else eta
    if dtype is not None and first is not None:
        check_rate(first, dtype, rows=rows)


def _check_rate_or_number(name: str, value: Any) -> None:
    if callable(value):
        check_called_with_one(name, value, wanted="a number above 0, or a function of the count of steps before")
    else:
        check_number(name, value, wanted="above 0 and finite", above=0)
