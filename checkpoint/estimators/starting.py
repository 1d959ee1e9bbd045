"""The weights that a fit begins with: scikit-learn's, drawn in its order, so that a random state means the same here.

Source: X. Glorot and Y. Bengio, Understanding the difficulty of training deep feedforward neural networks (2010).
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

LOGISTIC, OTHERS = 2.0, 6.0
"""The square of the bound times the layer's inputs and outputs, for the logistic activation and for the others."""


def starting_parameters(
    sizes: tuple[int, ...], *, activation: str, dtype: str, random: np.random.RandomState
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(W, b) of each layer, first to last, uniform within the layer's bound: (n_in, n_out) and (n_out,)."""
    for n_in, n_out in pairwise(sizes):
        bound = ((LOGISTIC if activation == "sigmoid" else OTHERS) / (n_in + n_out)) ** 0.5
        W: Any = random.uniform(-bound, bound, (n_in, n_out))
        b: Any = random.uniform(-bound, bound, n_out)
        yield W.astype(dtype, copy=False), b.astype(dtype, copy=False)
