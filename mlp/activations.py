"""The activations: one table of what the program knows of each. No arrays here; backends compute the formulas.

A layer keeps its output and not its input, so every activation here has a derivative that follows from its output.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Activation:
    """One activation. `formula` is of a layer's input z, `slope` its derivative as a function of the output a.

    `gain` scales the weights that keep the variance of activations from layer to layer (`mlp.initialization`).
    `hidden`: whether a hidden layer can have it; softmax mixes the units of a row and is for the last layer alone.
    """

    formula: str
    slope: str
    gain: float
    hidden: bool = True


TABLE = {
    "sigmoid": Activation("1 / (1 + exp(-z))", "a (1 - a)", gain=4.0),
    "tanh": Activation("tanh(z)", "(1 - a) (1 + a)", gain=1.0),
    "relu": Activation("max(z, 0)", "1 where a > 0", gain=2.0**0.5),
    "softmax": Activation("exp(z) / sum of exp(z)", "in the cost", gain=1.0, hidden=False),
}

ACTIVATIONS = tuple(name for name, activation in TABLE.items() if activation.hidden)
"""The names that a network's `activation` can have."""
