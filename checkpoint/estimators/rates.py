"""scikit-learn's learning rates, which change after epochs. Plain numbers."""

from dataclasses import dataclass

from mlp.training.rates import InverseScaling

LEAST_RATE = 1e-6
SMALLER = 5.0
"""An adaptive rate is divided by this when nothing improves, until it is no more than the least."""


@dataclass(slots=True)
class Rates:
    """The rate `now`, beginning with `first`; `kind` is "constant", "invscaling" or "adaptive"."""

    kind: str
    first: float
    power: float
    now: float = 0.0

    def __post_init__(self) -> None:
        self.now = self.first

    def epoch_done(self, samples: int) -> None:
        """An epoch is over, after `samples` samples since the first."""
        if self.kind == "invscaling":
            self.now = InverseScaling(eta=self.first, power=self.power)(samples)

    def nothing_improves(self) -> bool:
        """Whether to stop; an adaptive rate becomes smaller instead, as long as it is above the least."""
        if self.kind != "adaptive" or self.now <= LEAST_RATE:
            return True
        self.now /= SMALLER
        return False
