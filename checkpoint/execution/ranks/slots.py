"""The arrays that items lie in on one rank, allocated before the first step. They count as rest."""

from collections.abc import Sequence
from typing import Any

from backend import Backend
from checkpoint.ranks.items import Item
from checkpoint.ranks.slots import SlotSizes


class Slots:
    """Arrays of `sizes` for items of layers of these `widths`."""

    def __init__(self, sizes: SlotSizes, widths: Sequence[int], backend: Backend, dtype: str) -> None:
        self._widths = widths

        def new(size: int) -> Any:
            return backend.empty((size,), dtype) if size else None

        self._ring, self._held = list(map(new, sizes.ring)), list(map(new, sizes.held))
        self._merged, self._total = new(sizes.merged), new(sizes.total)

    @property
    def nbytes(self) -> int:
        """The bytes of all of them."""
        return sum(int(a.nbytes) for a in (*self.passed, *self._held))

    @property
    def passed(self) -> list[Any]:
        """Those that are sent or received."""
        return [a for a in (*self._ring, self._merged, self._total) if a is not None]

    def of_use(self, use: int, item: Item) -> Any:
        """The values of `item` in the slot of use number `use`, counted from 0 in a step: a vector."""
        return self._ring[use % len(self._ring)][: item.values]

    def of_held(self, number: int, item: Item) -> Any:
        """The values of a sum of groups that waits in array `number`."""
        return self._held[number][: item.values]

    def of_merged(self, item: Item) -> Any:
        """The values of a sum of groups that arrives."""
        return self._merged[: item.values]

    def of_total(self, item: Item) -> Any:
        """The values of the total of `item` that arrives."""
        return self._total[: item.values]

    def parts(self, values: Any, item: Item) -> tuple[Any, Any]:
        """The part of the weight gradient in the vector `values` of an item, and the bias gradient or None."""
        n_out = self._widths[item.layer]
        weight = values[: item.rows * n_out].reshape(item.rows, n_out)
        return weight, None if item.first else values[item.rows * n_out :]
