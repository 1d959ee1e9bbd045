"""RMSprop: the gradient over the root of a mean of its squares (T. Tieleman and G. Hinton, 2012, lecture 6.5)."""

from dataclasses import dataclass
from typing import ClassVar

from backend.rules import RuleNumbers
from mlp.optimizers.ruled import Ruled


@dataclass(frozen=True, kw_only=True)
class RMSprop(Ruled):
    """Keeps a mean of squared gradients for each parameter. `rho`: what it keeps of itself in a step."""

    rho: float = 0.9
    epsilon: float = 1e-8

    name: ClassVar[str] = "rmsprop"
    usual_eta: ClassVar[float] = 0.001

    def _completed(self, numbers: RuleNumbers, step: int) -> RuleNumbers:
        return numbers._replace(beta2=self.rho, epsilon=self.epsilon)
