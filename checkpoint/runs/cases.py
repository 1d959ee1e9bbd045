"""The networks that `compare` trains when none is named, each standing for a kind of workload."""

from dataclasses import dataclass

from checkpoint.planning.choice import Choice
from checkpoint.runs.settings import RunSettings
from mlp import format_sizes


@dataclass(frozen=True, slots=True)
class Case:
    """A network with its training, and the ways of checkpointing to compare; `why` says what it stands for."""

    name: str
    why: str
    settings: RunSettings
    ways: tuple[Choice, ...]

    @property
    def title(self) -> str:
        """The case in a line: its name, network and batch size."""
        return f"{self.name}: {format_sizes(self.settings.sizes)}, batch {self.settings.batch_size}"


CLASSIC = Case(
    "classic",
    "few layers, small batch: parameters and their gradients outweigh the activations",
    RunSettings(),
    (Choice(), Choice("every:2"), Choice("micro:50"), Choice("optimal", "100%")),
)
DEEP = Case(
    "deep",
    "50 hidden layers, large batch: activations are nearly everything",
    RunSettings(
        sizes=(784, *[128] * 50, 10),
        activation="tanh",
        cost="cross-entropy",
        initialization="scaled",
        momentum=0.9,
        batch_size=1000,
        eta=0.006,
    ),
    (Choice(), Choice("every:4"), Choice("sqrt"), Choice("micro:128"), Choice("optimal", "15%")),
)
YOURS = Case(
    "yours",
    "the network named by --sizes",
    RunSettings(),
    (Choice(), Choice("every:2"), Choice("sqrt"), Choice("optimal", "50%")),
)
CASES = {case.name: case for case in (CLASSIC, DEEP)}
