"""What a run depends on, and the network that it makes of that."""

from dataclasses import dataclass, replace
from typing import Any

from backend import select_backend
from backend.facts import NAMES
from backend.select import variant_here
from checkpoint.errors import CheckpointError
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.execution.ranks.links.alone import Alone
from checkpoint.execution.ranks.links.base import Link
from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.execution.verifying import VerifyingNetwork
from checkpoint.measuring.bandwidth import rates_for
from checkpoint.planning.budget import checked_budget
from checkpoint.planning.choice import Choice
from checkpoint.planning.offloading import Offloading
from checkpoint.ranks.cutting import check_cut, largest_block
from checkpoint.schedule.chain import Chain, chain_of
from checkpoint.schedule.schedule import Schedule
from mlp import Network
from mlp.activations import ACTIVATIONS
from mlp.arguments import DTYPES, INITIALIZATIONS, check_dropout, check_name, check_whole
from mlp.costs import COSTS, output_activation
from mlp.optimizers import Ruled, optimizer_of
from mlp.precision import FULL, precision_of
from mlp.sizes import MAX_WIDTH
from mlp.training.loop import check_training
from mlp.training.named_rates import check_rate_text, rate_of
from mlp.training.rates import LearningRate


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Everything that a run depends on, except the data itself. The fields are the options of `train`."""

    sizes: tuple[int, ...] = (784, 100, 30, 10)
    activation: str = "sigmoid"
    output_activation: str | None = None
    cost: str = "quadratic"
    initialization: str = "normal"
    dtype: str = "float32"
    precision: str = FULL
    momentum: float = 0.0
    optimizer: str = "sgd"
    dropout: float | list[float] = 0.0
    seed: int = 0
    epochs: int = 5
    batch_size: int = 100
    eta: float = 3.0
    rate: str = "constant"
    shuffle: bool = True
    early_stopping: int | None = None
    checkpoint: str = "none"
    budget: str | None = None
    backend: str = "numpy"
    device: int | None = None
    offload: str | None = None
    bandwidth: str | None = None
    speed: str | None = None
    sum_groups: int | None = None

    @property
    def choice(self) -> Choice:
        """What is kept, recomputed and offloaded."""
        return Choice(self.checkpoint, self.budget, self.offload)

    @property
    def chain(self) -> Chain:
        """The chain of the network, for a whole mini-batch on its backend."""
        of: dict[str, Any] = {"dtype": self.dtype, "backend": variant_here(self.backend)}
        of |= {"momentum": self.momentum, "optimizer": self.optimizer, "precision": self.precision}
        return chain_of(self.sizes, batch_size=self.batch_size, **of)

    @property
    def optimizer_made(self) -> Ruled:
        """The optimizer, as an object. Raises `NetworkError` for one that there is not."""
        return optimizer_of(self.optimizer, momentum=self.momentum)

    def learning_rate(self, n_samples: int) -> LearningRate:
        """The learning rate of each step, on `n_samples` training samples. Raises `NetworkError`."""
        steps = -(-n_samples // self.batch_size)
        rate: LearningRate = rate_of(self.rate, eta=self.eta, epochs=self.epochs, epoch_steps=steps)
        return rate

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


def check_settings(settings: RunSettings) -> None:
    """Raise `NetworkError` or `CheckpointError` for settings that no data makes right, before there is any."""
    names = {"activation": ACTIVATIONS, "cost": COSTS, "initialization": INITIALIZATIONS, "dtype": DTYPES}
    for name, choices in names.items():
        check_name(name, getattr(settings, name), choices)
    given = settings.output_activation
    output_activation(settings.cost, activation=settings.activation, units=MAX_WIDTH, given=given)
    check_whole("seed", settings.seed, least=0)
    if not isinstance(settings.dropout, list):  # which a saved state has, of layers that it knows
        check_dropout(settings.dropout, hidden=1)
    check_name("backend", settings.backend, NAMES)
    precision_of(settings.precision, dtype=settings.dtype, backend=settings.backend)
    check_cut(settings.choice.micro_batch_rows, settings.sum_groups)
    _ = settings.optimizer_made
    if settings.budget is not None:
        checked_budget(settings.budget)
    check_rate_text(settings.rate)
    check_training(
        epochs=settings.epochs,
        mini_batch_size=settings.batch_size,
        eta=settings.eta,
        n_samples=None,
        dtype=settings.dtype,
    )


def make_network(
    settings: RunSettings, *, verify: bool = False, schedule: Schedule | None = None, link: Link | None = None
) -> Network:
    """The network of a run: plain for "none", with checkpointing for anything else; with `verify`, it checks itself.

    `schedule`: what it follows in place of the choice's, such as that of a saved run whose file may be gone. `link`:
    that of the ranks that train it together.
    """
    as_network: dict[str, Any] = {
        "activation": settings.activation,
        "output_activation": settings.output_activation,
        "cost": settings.cost,
        "initialization": settings.initialization,
        "dtype": settings.dtype,
        "precision": settings.precision,
        "momentum": settings.momentum,
        "optimizer": settings.optimizer,
        "dropout": settings.dropout,
        "seed": settings.seed,
        "backend": select_backend(settings.backend, device=settings.device),
    }
    choice, chain = settings.choice, settings.chain
    kind: type[NetworkWithCheckpointing] = VerifyingNetwork if verify else NetworkWithCheckpointing
    link, sum_groups = link or Alone(), check_cut(choice.micro_batch_rows, settings.sum_groups)
    if link.ranks > 1 or sum_groups is not None:
        if verify:
            raise CheckpointError(
                "--verify watches the steps of one process; leave it out, or --ranks and --sum-groups"
            )
        kind, as_network["link"] = NetworkOnRanks, link
        as_network |= {"block_rows": choice.micro_batch_rows, "sum_groups": sum_groups}
        rows = largest_block(settings.batch_size, link.ranks, choice.micro_batch_rows, sum_groups=sum_groups)
        choice, chain = choice.within_blocks, replace(chain, batch_size=rows, adds_up=True)
    elif choice.checkpoint == "none" and not verify:
        return Network(settings.sizes, **as_network)
    as_network["offload"] = settings.offload
    if choice.checkpoint == "optimal":
        budget_bytes = choice.budget_bytes(chain) if kind is not NetworkOnRanks else settings.budget
        rates = settings.offloading if link.rank == 0 else None  # they are those of all
        network = kind(settings.sizes, budget_bytes=budget_bytes, offloading=rates, **as_network)
        network.budget_given = settings.budget
        return network
    return kind(settings.sizes, schedule=schedule or choice.schedule(chain), **as_network)
