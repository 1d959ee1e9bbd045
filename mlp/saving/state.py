"""The facts in a saved state besides its arrays, as a record and as JSON. No arrays and no files here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Protocol

from backend import Backend
from mlp.activations import ACTIVATIONS
from mlp.arguments import DTYPES, INITIALIZATIONS
from mlp.costs import COSTS
from mlp.data.errors import DataError
from mlp.data.scaling import PIXELS, Scaling
from mlp.errors import NetworkError, StateError
from mlp.saving.layout import FORMAT_NUMBER
from mlp.sizes import format_sizes, parse_sizes

MAX_COUNT = 2**53
_NEW_IN_2 = {"epochs_trained", "scaling", "arguments"}
_PLANNED_BY = ("checkpoint", "budget", "offload")
_CHOICES = {"activation": ACTIVATIONS, "cost": COSTS, "initialization": INITIALIZATIONS, "dtype": DTYPES}


class Savable(Protocol):
    """What can be saved: a network's arguments, and the arrays that training changes."""

    sizes: tuple[int, ...]
    activation: str
    cost: str
    initialization: str
    dtype: str
    momentum: float
    seed: int
    backend: Backend
    epochs_trained: int
    scaling: Scaling | None

    @property
    def saved_arguments(self) -> Mapping[str, str]: ...

    @property
    def weights(self) -> Sequence[Any]: ...

    @property
    def biases(self) -> Sequence[Any]: ...

    @property
    def optimizer_state(self) -> Mapping[str, Sequence[tuple[Any, Any]]]: ...

    velocities_are_spoilt: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training has got: `step` steps of epoch `epoch`, counted from 1, are done.

    `epochs` is how many the run has in all. `mini_batch_size`, `eta` and `shuffle` are `train`'s. `n_samples` and
    `data_digest` tell the data. The order of an epoch follows from the network's seed and the epoch alone.
    """

    epoch: int
    step: int
    epochs: int
    mini_batch_size: int
    eta: float
    shuffle: bool
    n_samples: int
    data_digest: str = ""

    def __post_init__(self) -> None:
        for name in ("epoch", "epochs", "mini_batch_size", "n_samples"):
            _check(name, _is_count(getattr(self, name)) and getattr(self, name) >= 1, getattr(self, name))
        _check("step", _is_count(self.step), self.step)
        _check("eta", type(self.eta) in (int, float) and isfinite(self.eta) and self.eta > 0, self.eta)
        _check("shuffle", type(self.shuffle) is bool, self.shuffle)
        _check("data_digest", isinstance(self.data_digest, str), self.data_digest)


@dataclass(frozen=True, slots=True)
class SavedState:
    """The facts of a saved state: those that make the network, how far training is, and where that was.

    `epochs_trained` and `scaling` are the network's. `arguments`: what a class above `Network` needs beside
    `network_arguments` to make its network again, text by name, the class itself under "class".

    `environment`: the versions and the device that the last bits depend on, see `mlp.saving.environment`. `notes`: any
    text, by name. Raises `StateError` for values that no network has.
    """

    sizes: tuple[int, ...]
    activation: str
    cost: str
    initialization: str
    dtype: str
    momentum: float
    seed: int
    progress: Progress | None = None
    epochs_trained: int = 0
    scaling: Scaling | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            _check(name, getattr(self, name) in choices, getattr(self, name))
        _check("momentum", type(self.momentum) in (int, float) and 0 <= self.momentum < 1, self.momentum)
        _check("seed", type(self.seed) is int and self.seed >= 0, self.seed)
        _check("epochs_trained", _is_count(self.epochs_trained), self.epochs_trained)
        for name in ("arguments", "environment", "notes"):
            texts = getattr(self, name)
            known = isinstance(texts, Mapping) and all(isinstance(text, str) for pair in texts.items() for text in pair)
            _check(name, known, texts)

    @property
    def network_arguments(self) -> dict[str, Any]:
        """`Network`'s arguments, but for sizes and backend."""
        names = ("activation", "cost", "initialization", "dtype", "momentum", "seed")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> str:
        """A JSON object that `from_json` reads back."""
        record = {**self.network_arguments, "epochs_trained": self.epochs_trained}
        record |= {name: dict(getattr(self, name)) for name in ("arguments", "environment", "notes")}
        record["scaling"] = None if self.scaling is None else asdict(self.scaling)
        record["sizes"] = format_sizes(self.sizes)
        record["progress"] = None if self.progress is None else asdict(self.progress)
        return json.dumps(record)

    @classmethod
    def from_json(cls, text: str, number: int = FORMAT_NUMBER) -> "SavedState":
        """The facts written by `to_json`, by that of format `number`; raises `StateError` for any other text."""
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            raise StateError("its facts are not JSON; it is damaged, or not a saved state") from None
        names = set(cls.__dataclass_fields__) - (_NEW_IN_2 if number == 1 else set())
        _check("the record", isinstance(record, dict) and set(record) == names, record)
        sizes, progress = record.pop("sizes"), record.pop("progress")
        if number == 1:
            record |= _unsaid_in_1(progress, record["notes"])
        scaling = record.pop("scaling")
        _check("scaling", scaling is None or _has_fields(scaling, Scaling), scaling)
        _check("sizes", isinstance(sizes, str), sizes)
        _check("progress", progress is None or _has_fields(progress, Progress), progress)
        try:
            widths = parse_sizes(sizes)
            record["scaling"] = None if scaling is None else Scaling(**scaling)
        except (NetworkError, DataError) as error:
            raise StateError(f"{error}; it is damaged, or not a saved state") from None
        return cls(sizes=widths, progress=None if progress is None else Progress(**progress), **record)


def state_of(
    network: Savable, progress: Progress | None, *, environment: Mapping[str, str], notes: Mapping[str, str]
) -> SavedState:
    """The facts of a network as it is now."""
    return SavedState(
        sizes=network.sizes,
        activation=network.activation,
        cost=network.cost,
        initialization=network.initialization,
        dtype=network.dtype,
        momentum=network.momentum,
        seed=network.seed,
        progress=progress,
        epochs_trained=network.epochs_trained,
        scaling=network.scaling,
        arguments=network.saved_arguments,
        environment=environment,
        notes=notes,
    )


def _unsaid_in_1(progress: Any, notes: Any) -> dict[str, Any]:
    """What format 1 left out, by what its program did: the epochs of a run, pixels divided by 255, how it planned."""
    was_run = isinstance(progress, dict) and _is_count(progress.get("epoch")) and progress["epoch"] >= 1
    how = {name: notes[name] for name in _PLANNED_BY if notes.get(name)} if isinstance(notes, dict) else {}
    return {
        "epochs_trained": progress["epoch"] - 1 if was_run else 0,
        "scaling": asdict(PIXELS) if was_run else None,
        "arguments": how if how.get("checkpoint", "none") != "none" else {},
    }


def _has_fields(record: object, kind: type[Progress] | type[Scaling]) -> bool:
    return isinstance(record, dict) and set(record) == set(kind.__dataclass_fields__)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


def _check(name: str, fits: bool, value: object) -> None:
    if not fits:
        shown = repr(value)
        raise StateError(f"{name} cannot be {shown[:60]}{'...' * (len(shown) > 60)}; it is damaged, or made elsewhere")
