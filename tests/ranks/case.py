"""One case of several ranks, on each of them: `mpiexec -n P python -m tests.ranks.case NAME`.

Every rank trains the same network by itself as well, and compares.
"""

import json
import sys

import numpy as np

import mlp.pieces
from checkpoint import every_nth, store_all
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
}
SIZES = (30, 24, 24, 24, 24, 10)


def digests(arrays):
    return b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)


def compare(link, *, every=None, block_rows=None, budget_bytes=None, weighted=False, **arguments):
    """Train on ranks and alone; raises where a bit, or a byte of the peak of any step, is not as it should be."""
    n_layers = len(SIZES) - 1
    how = {"budget_bytes": budget_bytes}
    if budget_bytes is None:
        how = {"schedule": every_nth(n_layers=n_layers, n=every) if every else store_all(n_layers=n_layers)}
    alone = Network(SIZES, seed=3, **arguments)
    together = NetworkOnRanks(SIZES, seed=3, link=link, block_rows=block_rows, **how, **arguments)
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
        for ours, theirs in ((together.weights, alone.weights), (together.biases, alone.biases)):
            assert digests(ours) == digests(theirs), f"other weights after a step on {rows} rows"
    assert together.mean_step_cost() == alone.mean_step_cost(), "another training cost"
    for name, pairs in alone.optimizer_state.items():
        for k, pair in enumerate(pairs):
            if together.owns(k + 1):
                assert digests(together.optimizer_state[name][k]) == digests(pair), f"other {name} in layer {k + 1}"


def main(name):
    link = Mpi()
    if name == "all":
        mlp.pieces.PIECE_FLOPS, mlp.pieces.GRADIENT_ROWS = 1, 7  # layers of several items
        for case in CASES.values():
            compare(link, **case)
        told = link.exchange(json.dumps(sorted(CASES)))
        if link.rank == 0:
            print(f"{len(told)} ranks: {told[0]}")


if __name__ == "__main__":
    main(sys.argv[1])
