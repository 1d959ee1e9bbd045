"""The networks that `compare` trains when none is named, each standing for a kind of workload."""

from dataclasses import dataclass

from checkpoint.runs.settings import RunSettings


@dataclass(frozen=True, slots=True)
class Case:
    """A network with its training, and the ways of checkpointing to compare; `why` says what it stands for."""

    name: str
    why: str
    settings: RunSettings
    ways: tuple[str, ...]


CLASSIC = Case(
    "classic",
    "few layers, small batch: parameters and their gradients outweigh the activations",
    RunSettings(),
    ("none", "every:2", "sqrt", "micro:50"),
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
    ("none", "every:4", "sqrt", "micro:128"),
)
CASES = {case.name: case for case in (CLASSIC, DEEP)}
