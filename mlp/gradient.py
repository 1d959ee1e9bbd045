"""What backpropagation yields."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gradient:
    """The gradient of one layer's weights and bias, or of a piece of them: sums over the batch, not means.

    `layer` is l = L .. 1. `weight` has the shape of W's rows `first` to `first + len(weight)`, (n_{l-1}, n_l) when
    whole. `bias` is (n_l,), and None in all but the last piece of a layer. `rows`: those of the batch.
    """

    layer: int
    weight: Any
    bias: Any
    first: int = 0
    rows: int = 1
