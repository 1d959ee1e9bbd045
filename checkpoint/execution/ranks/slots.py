"""The arrays that items lie in on one rank, allocated before the first step. They count as rest."""

from collections.abc import Sequence
from typing import Any

from backend import Backend
from checkpoint.ranks.items import Item, slot_sizes


class Slots:
    """Arrays for `items`, used in turn, and one more for totals that arrive where the rank owns a layer.

    `number`: how many. As many as there are items is one for each; fewer are each as large as the largest.
    """

    def __init__(self, items: Sequence[Item], number: int, widths: Sequence[int], backend: Backend, dtype: str) -> None:
        self._widths = widths
        self._arrays = [backend.empty((size,), dtype) for size in slot_sizes(items, number)]
        self._total: Any = None
        self._most, self._backend, self._dtype = max(item.values for item in items), backend, dtype

    def hold_totals(self) -> None:
        """Have an array for totals that arrive."""
        self._total = self._backend.empty((self._most,), self._dtype)

    @property
    def nbytes(self) -> int:
        """The bytes of all of them."""
        return sum(int(a.nbytes) for a in (*self._arrays, self._total) if a is not None)

    def of_use(self, use: int, item: Item) -> Any:
        """The values of `item` in the slot of use number `use`, counted from 0 in a step: a vector."""
        return self._arrays[use % len(self._arrays)][: item.values]

    def of_total(self, item: Item) -> Any:
        """The values of the total of `item` that arrives."""
        return self._total[: item.values]

    def parts(self, values: Any, item: Item) -> tuple[Any, Any]:
        """The part of the weight gradient in the vector `values` of an item, and the bias gradient or None."""
        n_out = self._widths[item.layer]
        weight = values[: item.rows * n_out].reshape(item.rows, n_out)
        return weight, None if item.first else values[item.rows * n_out :]
