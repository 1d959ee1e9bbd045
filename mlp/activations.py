"""The activations: one table of what the program knows of each. No arrays here; backends compute the formulas.

A layer keeps its output and not its input, so every activation here has a derivative that follows from its output.
GELU and SiLU have none: both fall and rise again, so two inputs give one output. A layer of either would keep its
input z in the place of its output, at the same bytes; `activation(z)` would be computed where rows are packed for a
product, once in the layer above's forward step and once for its weight gradient, and the error below would become
error * activation'(z) in the place of z. On the compiled kernels that is a function in `packing.h`; cuBLAS and NumPy's
products take arrays as they are, and would hold one more array of a row block's size, which plans would have to count.

A new activation is a row of `TABLE`, a number and both formulas in `backend/formulas.py`, and a branch of each kernel:
`backend/numpy/in_place.py` and `uncompiled.py`, `operations.h`, `elementary.h` and `rows.h` in `backend/numpy/kernels`,
and `backend/cupy/kernels/sources/elementwise.cu`; the tests go through the table.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Activation:
    """One activation. `formula` is of a layer's input z, `slope` its derivative as a function of the output a.

    `gain` scales the weights that keep the variance of activations from layer to layer, and `centre` is the output that
    such weights count from (`mlp.initialization`). `hidden`: whether a hidden layer can have it; softmax mixes the
    units of a row and is for the last layer alone.
    """

    formula: str
    slope: str
    gain: float
    centre: float = 0.0
    hidden: bool = True


TABLE = {
    "sigmoid": Activation("1 / (1 + exp(-z))", "a (1 - a)", gain=4.0, centre=0.5),
    "tanh": Activation("tanh(z)", "(1 - a) (1 + a)", gain=1.0),
    "relu": Activation("max(z, 0)", "1 where a > 0", gain=2.0**0.5),
    "leaky-relu": Activation("z, or 0.01 z below 0", "1 where a > 0, else 0.01", gain=(2 / (1 + 0.01**2)) ** 0.5),
    "elu": Activation("z, or exp(z) - 1 below 0", "1 where a > 0, else a + 1", gain=1.245),
    "softplus": Activation("log(1 + exp(z))", "1 - exp(-a)", gain=1.8, centre=0.75),
    "identity": Activation("z", "1", gain=1.0),
    "softmax": Activation("exp(z) / sum of exp(z)", "in the cost", gain=1.0, hidden=False),
}

ACTIVATIONS = tuple(name for name, activation in TABLE.items() if activation.hidden)
"""The names that a network's `activation` can have."""

OUTPUT_ACTIVATIONS = tuple(TABLE)
"""The names that its `output_activation` can have."""
