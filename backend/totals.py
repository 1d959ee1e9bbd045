"""A sum of costs that training steps add to, and that is read when somebody asks: nothing waits for it before."""

from collections.abc import Callable
from typing import Any


class CostTotal:
    """The costs of the rows that were added since `clear`, in the order in which they came.

    This class keeps the sum on the host, by a backend's `cost_sum`, and so waits for the device at each addition;
    backends have their own where that would cost time. It is added to in steps, so it allocates nothing there.
    """

    nbytes = 0
    """The array bytes that it holds, between steps too."""

    def __init__(self, cost_sum: Callable[[Any, Any, str, Any], float] | None = None) -> None:
        self._cost_sum, self._sum = cost_sum, 0.0
        self.weight = 0.0
        """The number of rows that were added; the weights of a mini-batch's sum up to as many."""

    def add(self, a: Any, y: Any, cost: str, weights: Any = None) -> None:
        """Add the cost of outputs `a` against targets `y`, a row a sample, each times its weight (rows,) if any."""
        assert self._cost_sum is not None  # noqa: S101
        self._sum += self._cost_sum(a, y, cost, weights)
        self.weight += a.shape[0]

    @property
    def value(self) -> float:
        """The sum; reading it waits until the device has done all work begun."""
        return self._sum

    def clear(self) -> None:
        """Begin at 0 again."""
        self._sum, self.weight = 0.0, 0.0
