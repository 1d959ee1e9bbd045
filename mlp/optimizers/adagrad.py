"""Adagrad: the gradient over the root of the sum of all its squares (J. Duchi, E. Hazan and Y. Singer, 2011)."""

from dataclasses import dataclass
from typing import ClassVar

from backend.rules import RuleNumbers
from mlp.optimizers.ruled import Ruled


@dataclass(frozen=True, kw_only=True)
class Adagrad(Ruled):
    """Keeps the sum of squared gradients for each parameter, which is 0 at first."""

    epsilon: float = 1e-10

    name: ClassVar[str] = "adagrad"
    usual_eta: ClassVar[float] = 0.01

    def _completed(self, numbers: RuleNumbers, step: int) -> RuleNumbers:
        return numbers._replace(epsilon=self.epsilon)
