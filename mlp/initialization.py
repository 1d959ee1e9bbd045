"""Initial weights and biases, drawn on the host, so that a run starts alike on every backend.

`normal` is the classic class's: biases and weights from N(0, 1), biases first, layer by layer. Activations saturate
when layers are wide or many. `scaled` keeps the variance of activations from layer to layer, which lets 50 and more
layers learn: weights from N(0, g^2 / n_in) and biases zero, with the gain g of `mlp.activations`: g^2 = 2 for ReLU (He
et al. 2015), 1 for tanh (LeCun et al. 1998), 1 / E[elu(z)^2] for ELU. For sigmoid, whose slope at 0 is 1/4 and whose
mean output is 1/2, g = 4 and the biases are -sum(W)/2, so that a layer's input is centred: a sigmoid network is a tanh
network in other coordinates. Softplus is centred too; its g and its centre were found by trial, as those that grow
least and fade least through 50 layers.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from mlp import activations


def initial_parameters(
    sizes: tuple[int, ...], *, initialization: str, activation: str, dtype: str, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(W, b) of each layer, first to last: (n_in, n_out) and (n_out,), NumPy arrays of `dtype`.

    Values are drawn in `dtype`: float64 and float32 networks of one seed differ.
    """
    random = np.random.default_rng(seed)
    for layer, (n_in, n_out) in enumerate(pairwise(sizes), start=1):
        b = random.standard_normal(n_out, dtype=np.dtype(dtype).type)
        W = random.standard_normal((n_in, n_out), dtype=np.dtype(dtype).type)
        if initialization == "scaled":
            # The input layer's features are pixels, not outputs about a centre; a gain of 1 serves for them too.
            below = activations.TABLE[activation]
            W *= (below.gain if layer > 1 or not below.centre else 1.0) / n_in**0.5
            b[:] = -W.sum(axis=0) * below.centre if below.centre and layer > 1 else 0
        yield W, b
