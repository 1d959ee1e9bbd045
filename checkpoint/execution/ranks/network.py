"""The network that several ranks train together, with the weights of one process to the last bit.

Here are its steps; what of it is this rank's is in `checkpoint.execution.ranks.shared`.
"""

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any

from checkpoint.execution.ranks.seeds import Seeds, are_wanted
from checkpoint.execution.ranks.shared import SharedNetwork
from checkpoint.execution.ranks.step import RankStep
from checkpoint.execution.step import Execution
from checkpoint.ranks.distribution import Wave
from checkpoint.schedule.actions import Action
from mlp import Gradient
from mlp.arguments import check_rate
from mlp.row_weights import RowWeights, row_weights


class NetworkOnRanks(SharedNetwork):
    """A `NetworkWithCheckpointing` of which every rank of `link` has one, all made with the same arguments.

    Each mini-batch is cut into one share a rank or, with `block_rows`, into row blocks of so many rows, a multiple of
    128, that ranks take in turns. The weights after each step are those of one process, on every rank. A layer's
    optimizer state is on one rank alone, its owner. `schedule`, `checkpoint_every_nth_layer` and `budget_bytes` are for
    a rank's rows; a budget counts the rank's slots for sums too. Without one of them, all activations are stored.

    All methods that train are called by all ranks together, with the same data. Raises `CheckpointError` for a backend
    whose sums depend on how rows are cut, and as `NetworkWithCheckpointing` does.
    """

    waited_seconds = 0.0
    """What this rank has waited for others since the network was made."""
    sent_bytes = 0
    """The bytes that it has sent to them."""

    _step: RankStep | None = None
    _rate = 0.0

    def update_mini_batch(self, X: Any, y: Any, *, eta: float, weights: Any = None) -> None:
        """One step of all ranks; `X`, `y` and `weights` are the whole mini-batch's, of which each takes its rows."""
        if self.link.ranks == 1:
            super().update_mini_batch(X, y, eta=eta, weights=weights)
            return
        rows, self._coming_rows = self._coming_rows, None
        if rows is None:
            X, y = self.as_batch(X, y)
            rows, own = X.shape[0], self.part(X.shape[0]).own
        else:  # the blocks of this rank, one after another
            ends = accumulate((stop - start for start, stop in self.part(rows).own), initial=0)
            own = tuple(pairwise(ends))
            if own:
                X, y = self.as_batch(X, y)
        self.reserve(rows)
        part, rate = self.part(rows), check_rate(eta, self.dtype, rows=rows) / rows
        self._rate = rate
        if weights is not None:
            weights = row_weights(weights, rows, dtype=self.dtype, backend=self.backend)
        seeds = Seeds(self, self.link, part.wave.items, part.wave.owner) if are_wanted(self) else None
        blocks = {
            self.link.rank + number * self.link.ranks: (X[start:stop, :], y[start:stop, :])
            for number, (start, stop) in enumerate(own)
        }
        del X, y
        assert self._slots is not None  # noqa: S101
        self._step = RankStep(
            self.link,
            self._slots[1],
            part.actions,
            n_slots=part.wave.slots,
            rows=rows,
            begin=lambda block: self._begin(block, *blocks[block], part.wave, weights),
            apply=seeds.take if seeds is not None else lambda gradient: self.apply_gradient(gradient, rate),
            weights=lambda layer: (self.weights[layer - 1], self.biases[layer - 1]),
            after_action=self._observed,
            seeds=seeds,
        )
        try:
            self._step.run()
            self.waited_seconds += self._step.waited_seconds
            self.sent_bytes += self._step.sent_bytes
            self.steps_trained += 1
        finally:
            self._step = None

    def _begin(self, block: int, X: Any, y: Any, wave: Wave, weights: RowWeights | None) -> Execution:
        """Begin with a row block of the mini-batch, whose samples have `weights`."""
        start, stop = wave.blocks[block]
        self.costs.begin(self.steps_trained, start)
        with self.weighting(None if weights is None else RowWeights(weights.rows(start, stop)), stop - start):
            return self.execution(X, y, wave.schedule, in_pieces=False, counts_cost=True, first_row=start)

    def _observed(self, position: int, action: Action) -> None:
        self.count.actions += 1
        for observer in self._observers:
            observer(position, action)

    def backward_layer(self, layer: int, a: Any, delta: Any, room: Any, **how: Any) -> Iterator[Gradient]:
        """On ranks, the items of the layer one after another, each where the step says when it comes to it."""
        if self._step is None:
            yield from super().backward_layer(layer, a, delta, room, **how)
            return
        below = None if layer == 1 else self.layer_activation(layer - 1)
        drop = None if layer == 1 else self.drop_of(layer - 1, how["place"])
        first, n_in = 0, self.sizes[layer - 1]
        while first < n_in:
            assert self._step is not None  # noqa: S101
            assert self._step.adding is not None  # noqa: S101
            weight, bias, onto = self._step.adding
            how = {"onto": onto}
            if are_wanted(self):
                keep = 1.0 if onto else float(getattr(self.optimizer, "momentum", 0.0))
                how = {"onto": True, "factor": -self._rate, "keep": keep}
            self.backend.backward_layer_(
                a, delta, self.weights[layer - 1], below, first=first, weight=weight, bias=bias, drop=drop, **how
            )
            if bias is not None:
                self._check_error(layer, bias)
            first += int(weight.shape[0])
            yield Gradient(layer, weight, None, first)
