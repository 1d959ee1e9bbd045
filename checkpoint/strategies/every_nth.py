"""The classic exercise: keep every n-th layer's output; and the n that balances checkpoints and segments.

With L layers of one width, every n-th keeps L/n checkpoints and n activations of the segment at work. n = sqrt(L) makes
the two alike: 2 sqrt(L) activations in place of L (Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost).
"""

from math import sqrt

from checkpoint.arguments import whole_number
from checkpoint.schedule.schedule import Schedule
from checkpoint.strategies.segments import check_n_layers, segmented


def every_nth(*, n_layers: int, n: int) -> Schedule:
    """The schedule that keeps a_n, a_2n, ...; with n = 1, or n at least `n_layers`, nothing is recomputed.

    >>> print(every_nth(n_layers=5, n=2))
    F1 F2* F3 F4* F5 B5 F3* B4 B3 F1* B2 B1
    """
    n_layers, n = check_n_layers(n_layers), whole_number("n of every n-th layer", n)
    return segmented(n_layers=n_layers, checkpoints=range(n, n_layers, n), name=f"every {_ordinal(n)} layer")


def square_root(*, n_layers: int) -> Schedule:
    """`every_nth` with the whole number nearest to the square root of `n_layers`."""
    n_layers = check_n_layers(n_layers)
    n = round(sqrt(n_layers))
    return Schedule(n_layers, every_nth(n_layers=n_layers, n=n).actions, f"sqrt (every {_ordinal(n)} layer)")


def _ordinal(n: int) -> str:
    """
    >>> _ordinal(2), _ordinal(11), _ordinal(23)
    ('2nd', '11th', '23rd')
    """
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
