"""Nesterov's momentum: the step of the velocity as it will be next (Nesterov 1983; Sutskever et al. 2013)."""

from dataclasses import dataclass
from typing import ClassVar

from backend.rules import RuleNumbers
from mlp.errors import NetworkError
from mlp.optimizers.ruled import Ruled


@dataclass(frozen=True, kw_only=True)
class Nesterov(Ruled):
    """v := momentum v - eta g, then w := w + momentum v - eta g, where g is the mean gradient; 0 < momentum < 1."""

    momentum: float = 0.0  # which is refused

    name: ClassVar[str] = "nesterov"
    usual_eta: ClassVar[float] = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.momentum:
            raise NetworkError("optimizer 'nesterov' wants momentum above 0; give it, such as momentum 0.9")

    def _completed(self, numbers: RuleNumbers, step: int) -> RuleNumbers:
        return numbers._replace(beta1=self.momentum)
