"""The network that several ranks train together, with the weights of one process to the last bit.

Here are its steps; what of it is this rank's is in `checkpoint.execution.ranks.shared`.
"""

from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any

from checkpoint.execution.ranks.seeds import Seeds
from checkpoint.execution.ranks.shared import SharedNetwork
from checkpoint.execution.ranks.step import RankStep
from checkpoint.execution.step import Execution
from checkpoint.ranks.wave import Wave
from checkpoint.schedule.actions import Action
from mlp import Gradient
from mlp.arguments import check_rate
from mlp.buffers import Room
from mlp.row_weights import RowWeights, row_weights


class NetworkOnRanks(SharedNetwork):
    """A `NetworkWithCheckpointing` of which every rank of `link` has one, all made with the same arguments.

    Each mini-batch is cut into one share a rank or, with `block_rows`, into row blocks of so many rows, a multiple of
    128, that ranks take in turns. The weights after each step are those of one process, on every rank. With
    `sum_groups`, sums are made of so many groups of a mini-batch's rows, each in a wave of its own, and added up as a
    tree: the weights have bits of their own then, which are the same on any number of ranks, and on one. A layer's
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
        if not self.on_ranks:
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
        seeds = Seeds(self, self.link, part.wave.items, part.wave.owner) if self.is_seeded else None
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
            wave=part.wave,
            rows=rows,
            begin=lambda block: self._begin(block, *blocks[block], part.wave, weights),
            apply=seeds.take if seeds is not None else lambda gradient: self.apply_gradient(gradient, rate),
            add_up=lambda a, b: self.backend.apply_gradient_(a, b, -1.0),  # a += b
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

    def backward_layer(
        self,
        layer: int,
        a: Any,
        delta: Any,
        room: Room,
        *,
        in_pieces: bool,
        pieces: str = "large",
        planned_rows: int | None = None,
        place: tuple[int, int] | None = None,
    ) -> Iterator[Gradient]:
        """On ranks, the items of the layer one after another, each where the step says when it comes to it.

        Where errors are made apart, an item is the whole layer, made in the pieces of one process.
        """
        how: dict[str, Any] = {"pieces": pieces, "planned_rows": planned_rows}
        if self._step is None:
            yield from super().backward_layer(layer, a, delta, room, in_pieces=in_pieces, place=place, **how)
            return
        apart = not self.backend.facts.error_in_place
        width = self.piece_rows(layer, delta.shape[0], **how)[0]
        piece = self._piece_of_error(room, layer, delta, width, pieces, planned_rows)
        is_last = False
        while not is_last:
            adding = self._step.adding
            assert adding is not None  # noqa: S101
            is_last, rows, weight = adding.is_last, adding.rows, adding.weight
            some = a[rows, :], delta[rows, :]
            n_in, own = weight.shape[0], None
            if piece is not None:
                own = piece[: self.piece_rows(layer, some[0].shape[0], **how)[1] * width]
            first_row = None if place is None else (place[0], place[1] + rows.start)
            run = self._backward_step(layer, *some, own, first_row, **self._onto(onto=adding.onto))
            at_once = width if apart else n_in
            for first in range(0, n_in, at_once):
                part = weight[first : first + at_once, :]
                run(first=adding.first + first, weight=part, bias=None if first else adding.bias)
            if adding.bias is not None:
                self._check_error(layer, adding.bias)
            yield Gradient(layer, weight, None, adding.first)
        if piece is not None:
            room.give(piece)

    def _onto(self, *, onto: bool) -> dict[str, Any]:
        """How an item is added to what its slot holds: a sum on its way, a velocity, or nothing."""
        if not self.is_seeded:
            return {"onto": onto}
        return {"onto": True, "factor": -self._rate, "keep": 1.0 if onto else self.momentum}
