"""Fits on several ranks, on each of them: `mpiexec -n P python -m tests.ranks.fit`.

Every rank fits by itself as well, and compares. The last fit ends all: rank 1 gives it data that is none.
"""

import numpy as np

from checkpoint import MLPClassifier, world

HOW = {"hidden_layer_sizes": (16, 16), "batch_size": 300, "max_iter": 2, "n_iter_no_change": 9, "random_state": 0}


def main():
    random = np.random.default_rng(0)
    X = random.standard_normal((700, 5))
    y = (X[:, 0] > 0).astype(int)
    with world() as link:
        model = MLPClassifier(**HOW, ranks=True, early_stopping=True, verbose=True).fit(X, y)
        alone = MLPClassifier(**HOW, early_stopping=True).fit(X, y)
        for ours, theirs in zip([*model.coefs_, *model.intercepts_], [*alone.coefs_, *alone.intercepts_], strict=True):
            assert ours.tobytes() == theirs.tobytes(), "other weights"
        assert model.loss_curve_ == alone.loss_curve_, "other losses"
        assert model.validation_scores_ == alone.validation_scores_, "other scores"
        told = link.exchange("alike")
        print(" ".join(told), flush=True)
        if link.rank == 1:
            X[5, 2] = np.nan
        MLPClassifier(**HOW, ranks=True).fit(X, y)


if __name__ == "__main__":
    main()
