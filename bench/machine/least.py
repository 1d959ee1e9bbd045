"""The least limit that something keeps to, found by trying; a try may end without an answer. Knows no process."""

from collections.abc import Callable
from dataclasses import dataclass

FIRST_STRIDE = 32
"""The first stride from a guess is this part of it."""

Fits = Callable[[int], bool | None]
"""Whether it keeps to a limit; None where no answer came in time, which says nothing of the limit."""


class NoLimit(Exception):
    """Nothing that was tried was kept to; its text says how far it went."""


@dataclass(frozen=True, slots=True)
class Least:
    """`limit` was kept to. One less by `step` was not or, unless `certain`, had no answer: the least may be lower."""

    limit: int
    step: int
    certain: bool
    tries: int


def least_limit(fits: Fits, *, guess: int, step: int, most: int) -> Least:
    """The least multiple of `step` that is kept to, searched for around `guess`. Raises `NoLimit` above `most`.

    From the guess it goes down, or up, in strides that double until it has one that fits and one that does not, and
    then halves what is between. What fits in a limit is taken to fit in any larger one.

    >>> least_limit(lambda limit: limit >= 777, guess=500, step=10, most=10_000)
    Least(limit=780, step=10, certain=True, tries=10)
    """
    tried: dict[int, bool | None] = {}

    def fit(at: int) -> bool:
        tried[at] = fits(at * step)
        return bool(tried[at])

    at = max(1, guess // step)
    stride = max(1, at // FIRST_STRIDE)
    below, above = 0, None  # nothing keeps to a limit of 0
    while above is None or above - below > 1:
        if fit(at):
            above = at
        else:
            below = at
        if above is None:
            if (at + stride) * step > most:
                raise NoLimit(f"nothing was kept to up to {at * step:,} bytes")
            at, stride = at + stride, 2 * stride
        elif not below:
            at, stride = max(1, above - stride), 2 * stride
        else:
            at = (below + above) // 2
    return Least(above * step, step, certain=tried.get(above - 1, True) is not None, tries=len(tried))
