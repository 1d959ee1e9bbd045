"""Stochastic gradient descent with momentum, or without, and with what `GradientDescent` and `Momentum` do not have."""

from dataclasses import dataclass
from typing import ClassVar

from backend.rules import RuleNumbers
from mlp.optimizers.ruled import Ruled


@dataclass(frozen=True, kw_only=True)
class SGD(Ruled):
    """v := momentum v - eta g, then w := w + v, where g is the mean gradient (Polyak 1964); 0 <= momentum < 1."""

    momentum: float = 0.0

    name: ClassVar[str] = "sgd"
    usual_eta: ClassVar[float] = 0.1

    @property
    def rule(self) -> str:
        return "momentum" if self.momentum else "sgd"

    def _completed(self, numbers: RuleNumbers, step: int) -> RuleNumbers:
        return numbers._replace(beta1=self.momentum)
