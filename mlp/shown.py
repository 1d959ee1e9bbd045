"""What a person sees of a network: its `repr` in a line, its `summary`, and the table that a notebook shows.

Layers that are alike, one after the other, are one row.
"""

from collections.abc import Iterator
from html import escape
from itertools import groupby, pairwise

import numpy as np

from mlp.sizes import format_sizes
from mlp.updated import Updated

SHOWN_CHARACTERS = 60
"""So much of the sizes is in a `repr`: ragged ones are long."""

_HEADERS = ("layer", "units", "activation", "weights", "parameters")


class Shown(Updated):
    """What `Network` shows of itself."""

    activation: str
    epochs_trained: int

    @property
    def _way(self) -> str:
        """How a step keeps and recomputes, in a few words."""
        return "store all"

    def __repr__(self) -> str:
        sizes = format_sizes(self.sizes)
        shown = sizes if len(sizes) <= SHOWN_CHARACTERS else f"{sizes[:SHOWN_CHARACTERS].rsplit(',', 1)[0]},..."
        return f"<{type(self).__name__} {shown}: {self._how()}; {self._way}>"

    def summary(self) -> str:
        """The layers as a table, and what all of them take; text, to be printed."""
        from tabulate import tabulate  # which training does without

        table = tabulate(list(self._rows()), _HEADERS, colalign=("left", "right", "left", "right", "right"))
        return f"{type(self).__name__}: {self._how()}\n{table}\n{self._totals()}\nschedule: {self._way}"

    def _repr_html_(self) -> str:
        from tabulate import tabulate

        table = tabulate(list(self._rows()), _HEADERS, tablefmt="html", disable_numparse=True)
        title = f"<p><b>{escape(type(self).__name__)}</b>: {escape(self._how())}</p>"
        return f"{title}{table}<p>{escape(self._totals())}<br>schedule: {escape(self._way)}</p>"

    def _how(self) -> str:
        optimizer = f", {type(self.optimizer).__name__.lower()}" if self.optimizer_state else ""
        backend = f"{self.dtype} on {self.backend.name}"
        return f"{self.activation}, {self.cost} cost{optimizer}, {backend}, epochs trained: {self.epochs_trained}"

    def _rows(self) -> Iterator[tuple[str, str, str, str, str]]:
        layers = [
            (n_in, n_out, self.layer_activation(layer)) for layer, (n_in, n_out) in enumerate(pairwise(self.sizes), 1)
        ]
        first = 1
        for (n_in, n_out, activation), alike in groupby(layers):
            last = first + len(list(alike)) - 1
            span, each = (f"{first}", "") if first == last else (f"{first} to {last}", " each")
            yield span, f"{n_out:,}", activation, f"{n_in} x {n_out}", f"{n_in * n_out + n_out:,}{each}"
            first = last + 1

    def _totals(self) -> str:
        values = sum(n_in * n_out + n_out for n_in, n_out in pairwise(self.sizes))
        each = values * np.dtype(self.dtype).itemsize
        state = f", and {each * len(self.optimizer_state):,} of optimizer state" if self.optimizer_state else ""
        return f"{values:,} parameters: {each:,} bytes{state}"
