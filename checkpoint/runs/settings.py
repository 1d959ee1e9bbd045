"""What a run depends on, and the network that it makes of that."""

from dataclasses import dataclass
from typing import Any

from backend import select_backend
from backend.select import variant_here
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.execution.verifying import VerifyingNetwork
from checkpoint.measuring.bandwidth import rates_for
from checkpoint.planning.choice import Choice
from checkpoint.planning.offloading import Offloading
from checkpoint.schedule.chain import Chain, chain_of
from checkpoint.schedule.schedule import Schedule
from mlp import Network


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Everything that a run depends on, except the data itself. The fields are the options of `train`."""

    sizes: tuple[int, ...] = (784, 100, 30, 10)
    activation: str = "sigmoid"
    cost: str = "quadratic"
    initialization: str = "normal"
    dtype: str = "float32"
    momentum: float = 0.0
    seed: int = 0
    epochs: int = 5
    batch_size: int = 100
    eta: float = 3.0
    shuffle: bool = True
    checkpoint: str = "none"
    budget: str | None = None
    backend: str = "numpy"
    device: int | None = None
    offload: str | None = None
    bandwidth: str | None = None
    speed: str | None = None

    @property
    def choice(self) -> Choice:
        """What is kept, recomputed and offloaded."""
        return Choice(self.checkpoint, self.budget, self.offload)

    @property
    def chain(self) -> Chain:
        """The chain of the network, for a whole mini-batch on its backend."""
        of: dict[str, Any] = {"dtype": self.dtype, "backend": variant_here(self.backend), "momentum": self.momentum}
        return chain_of(self.sizes, batch_size=self.batch_size, **of)

    @property
    def offloading(self) -> Offloading | None:
        """The rates that a plan weighs offloading at, measured where they aren't given; None where it isn't planned."""
        if self.offload is None or self.checkpoint != "optimal":
            return None
        return rates_for(
            self.backend,
            self.offload,
            dtype=self.dtype,
            bandwidth=self.bandwidth,
            speed=self.speed,
            device=self.device,
        )


def make_network(settings: RunSettings, *, verify: bool = False, schedule: Schedule | None = None) -> Network:
    """The network of a run: plain for "none", with checkpointing for anything else; with `verify`, it checks itself.

    `schedule`: what it follows in place of the choice's, such as that of a saved run whose file may be gone.
    """
    as_network: dict[str, Any] = {
        "activation": settings.activation,
        "cost": settings.cost,
        "initialization": settings.initialization,
        "dtype": settings.dtype,
        "momentum": settings.momentum,
        "seed": settings.seed,
        "backend": select_backend(settings.backend, device=settings.device),
    }
    choice, chain = settings.choice, settings.chain
    if choice.checkpoint == "none" and not verify:
        return Network(settings.sizes, **as_network)
    kind = VerifyingNetwork if verify else NetworkWithCheckpointing
    as_network["offload"] = settings.offload
    if choice.checkpoint == "optimal":
        budget_bytes = choice.budget_bytes(chain)
        return kind(settings.sizes, budget_bytes=budget_bytes, offloading=settings.offloading, **as_network)
    return kind(settings.sizes, schedule=schedule or choice.schedule(chain), **as_network)
