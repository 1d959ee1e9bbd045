"""What a saved state says beside its arrays, as a record and as JSON. No arrays here, and no files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Protocol

from backend import Backend
from mlp.activations import ACTIVATIONS
from mlp.arguments import DTYPES, INITIALIZATIONS
from mlp.costs import COSTS
from mlp.errors import NetworkError, StateError
from mlp.sizes import format_sizes, parse_sizes

MAX_COUNT = 2**53
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

    @property
    def weights(self) -> Sequence[Any]: ...

    @property
    def biases(self) -> Sequence[Any]: ...

    @property
    def optimizer_state(self) -> Mapping[str, Sequence[tuple[Any, Any]]]: ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training has come: `step` steps of epoch `epoch`, which counts from 1, are done.

    `epochs` is how many were asked for. `mini_batch_size`, `eta` and `shuffle` are `train`'s. `n_samples` and
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

    `environment`: the versions and the device that the last bits depend on, see `mlp.saving.environment`. `notes`: text
    by name, for whoever saves. Raises `StateError` for values that no network has.
    """

    sizes: tuple[int, ...]
    activation: str
    cost: str
    initialization: str
    dtype: str
    momentum: float
    seed: int
    progress: Progress | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            _check(name, getattr(self, name) in choices, getattr(self, name))
        _check("momentum", type(self.momentum) in (int, float) and 0 <= self.momentum < 1, self.momentum)
        _check("seed", type(self.seed) is int and self.seed >= 0, self.seed)
        for name in ("environment", "notes"):
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
        record = {**self.network_arguments, "environment": dict(self.environment), "notes": dict(self.notes)}
        record["sizes"] = format_sizes(self.sizes)
        record["progress"] = None if self.progress is None else asdict(self.progress)
        return json.dumps(record)

    @classmethod
    def from_json(cls, text: str) -> "SavedState":
        """The facts written by `to_json`; raises `StateError` for any other text."""
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            raise StateError("its facts are not JSON; it is damaged, or not a saved state") from None
        _check("the record", isinstance(record, dict) and set(record) == set(cls.__dataclass_fields__), record)
        sizes, progress = record.pop("sizes"), record.pop("progress")
        _check("sizes", isinstance(sizes, str), sizes)
        _check("progress", progress is None or _has_fields(progress, Progress), progress)
        try:
            widths = parse_sizes(sizes)
        except NetworkError as error:
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
        environment=environment,
        notes=notes,
    )


def _has_fields(record: object, kind: type[Progress]) -> bool:
    return isinstance(record, dict) and set(record) == set(kind.__dataclass_fields__)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


def _check(name: str, fits: bool, value: object) -> None:
    if not fits:
        shown = repr(value)
        raise StateError(f"{name} cannot be {shown[:60]}{'...' * (len(shown) > 60)}; it is damaged, or made elsewhere")
