"""All cases of several ranks, on each of them: `mpiexec -n 4 python -m tests.ranks.case`.

Every rank trains the same network by itself as well, and compares: all ranks, then fewer and fewer, down to two.
"""

import tempfile

import numpy as np

import mlp.pieces
from checkpoint import every_nth, store_all
from checkpoint.execution.ranks.links.alone import Alone
from checkpoint.execution.ranks.links.mpi import Mpi
from checkpoint.execution.ranks.network import NetworkOnRanks
from mlp import Network
from mlp.optimizers import Adam
from mlp.row_weights import row_weights

STEPS = (700, 700, 300, 60, 1, 513)
"""Uneven mini-batches, and such as leave ranks without rows."""

CASES = {
    "store all": {},
    "every second layer": {"every": 2, "momentum": 0.9, "activation": "tanh"},
    "a budget": {"budget_bytes": "95%", "momentum": 0.5},
    "Adam that clips": {"optimizer": Adam(clip=0.01)},
    "float64": {"every": 3, "momentum": 0.9, "dtype": "float64"},
    "dropout, and weights of samples": {"momentum": 0.9, "dropout": 0.3, "weighted": True},
    "turns": {"block_rows": 128, "every": 2, "momentum": 0.9},
    "turns of 256 in float64": {"block_rows": 256, "dtype": "float64", "cost": "cross-entropy", "dropout": 0.1},
    "groups": {"sum_groups": 4, "every": 2, "momentum": 0.9},
    "offload": {"every": 1, "offload": True, "momentum": 0.9},
}
SIZES = (30, 24, 24, 24, 24, 10)


def digests(arrays):
    return b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)


def compare(
    link, *, every=None, block_rows=None, budget_bytes=None, sum_groups=None, offload=False, weighted=False, **arguments
):
    """Train on ranks and alone; raises where a bit, or a byte of the peak of any step, is not as it should be."""
    n_layers = len(SIZES) - 1
    how = {"budget_bytes": budget_bytes}
    if budget_bytes is None:
        how = {"schedule": every_nth(n_layers=n_layers, n=every) if every else store_all(n_layers=n_layers)}
    if offload:
        how = {"checkpoint_every_nth_layer": every, "offload": tempfile.gettempdir()}
    alone = Network(SIZES, seed=3, **arguments)
    if sum_groups is not None:
        alone = NetworkOnRanks(SIZES, seed=3, link=Alone(), sum_groups=sum_groups, **arguments)
    cut = {"block_rows": block_rows, "sum_groups": sum_groups}
    together = NetworkOnRanks(SIZES, seed=3, link=link, **cut, **how, **arguments)
    together.reserve(max(STEPS))
    random = np.random.default_rng(0)
    for rows in STEPS:
        X = random.random((rows, SIZES[0])).astype(alone.dtype)
        y = np.eye(SIZES[-1], dtype=alone.dtype)[random.integers(SIZES[-1], size=rows)]
        weights = row_weights(np.arange(rows) % 3, rows, dtype=alone.dtype, backend=alone.backend) if weighted else None
        alone.update_mini_batch(X, y, eta=0.3, weights=weights)
        with together.backend.measure() as usage:
            together.update_mini_batch(X, y, eta=0.3, weights=weights)
        expected = together.predicted_peak_bytes(rows)
        assert usage.peak_bytes == expected, f"{usage.peak_bytes} bytes in a step on {rows} rows, not {expected}"
        if offload and rows == max(STEPS):
            assert together.transfers.asked_bytes == together.predicted_host_bytes(rows), "other bytes offloaded"
        for ours, theirs in ((together.weights, alone.weights), (together.biases, alone.biases)):
            assert digests(ours) == digests(theirs), f"other weights after a step on {rows} rows"
    assert together.mean_step_cost() == alone.mean_step_cost(), "another training cost"
    for name, pairs in alone.optimizer_state.items():
        for k, pair in enumerate(pairs):
            if together.owns(k + 1):
                assert digests(together.optimizer_state[name][k]) == digests(pair), f"other {name} in layer {k + 1}"


class First(Mpi):
    """The first `ranks` ranks of a world, whose link this is made of."""

    def __init__(self, link, ranks):
        self._mpi, self.rank, self.ranks = link._mpi, link.rank, ranks
        group = link._comm.Split(0 if link.rank < ranks else 1, link.rank)
        self._comm, self._shared = group.Dup(), group.Dup()


def main():
    link = Mpi()
    mlp.pieces.PIECE_FLOPS, mlp.pieces.GRADIENT_ROWS = 1, 7  # layers of several items
    firsts = [First(link, ranks) for ranks in range(link.ranks, 1, -1)]
    for first in firsts:
        for case in CASES.values():
            if link.rank < first.ranks:
                compare(first, **case)
    link.exchange("")  # which lets those wait that are done
    if link.rank == 0:
        print(f"{len(CASES)} cases on {[first.ranks for first in firsts]} ranks")


if __name__ == "__main__":
    main()
