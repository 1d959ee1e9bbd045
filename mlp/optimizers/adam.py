"""Adam: each parameter's step is a mean of its gradients over the root of a mean of their squares.

Source: D. P. Kingma and J. Ba, Adam: a method for stochastic optimization (2015), algorithm 1. The corrections of both
means for their beginning at 0 are in the step's numbers, and epsilon is added after that of the squares.
"""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar

from backend.rules import RuleNumbers
from mlp.optimizers.ruled import Ruled


@dataclass(frozen=True, kw_only=True)
class Adam(Ruled):
    """Keeps a mean of gradients and one of their squares, for each parameter.

    `beta1` and `beta2`: what the means keep of themselves in a step, at least 0 and below 1. `epsilon`: added to the
    root of the squares.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    name: ClassVar[str] = "adam"
    usual_eta: ClassVar[float] = 0.001

    @property
    def rule(self) -> str:
        return "adam"

    def _completed(self, numbers: RuleNumbers, step: int) -> RuleNumbers:
        return numbers._replace(
            rate=numbers.rate / (1 - self.beta1**step),
            beta1=self.beta1,
            beta2=self.beta2,
            epsilon=self.epsilon,
            correction=1 / sqrt(1 - self.beta2**step),
        )
