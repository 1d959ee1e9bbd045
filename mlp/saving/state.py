"""The facts in a saved state besides its arrays, as a record and as JSON. No arrays and no files here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any, Protocol

from backend import Backend
from mlp.activations import ACTIVATIONS, OUTPUT_ACTIVATIONS
from mlp.arguments import DTYPES, INITIALIZATIONS
from mlp.costs import COSTS, output_activation
from mlp.data.errors import DataError
from mlp.data.values.scaling import Scaling
from mlp.errors import NetworkError, StateError
from mlp.optimizers import Optimizer, Ruled, optimizer_of, optimizer_text
from mlp.precision import FULL, PRECISIONS
from mlp.saving.layout import FORMAT_NUMBER
from mlp.saving.older import added_after, is_count, unsaid
from mlp.sizes import format_sizes, parse_sizes

_CHOICES = {
    "activation": ACTIVATIONS,
    "output_activation": OUTPUT_ACTIVATIONS,
    "cost": COSTS,
    "initialization": INITIALIZATIONS,
    "dtype": DTYPES,
    "precision": PRECISIONS,
}


class Savable(Protocol):
    """What can be saved: a network's arguments, and the arrays that training changes."""

    sizes: tuple[int, ...]
    activation: str
    output_activation: str
    cost: str
    initialization: str
    dtype: str
    precision: str
    optimizer: Optimizer | Ruled
    seed: int
    dropout: tuple[float, ...]
    backend: Backend
    epochs_trained: int
    steps_trained: int
    scaling: Scaling | None

    @property
    def momentum(self) -> float: ...

    @property
    def saved_arguments(self) -> Mapping[str, str]: ...

    def look(self, *, wait: bool = False) -> None: ...

    def forget_bad_steps(self) -> None: ...

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
            _check(name, is_count(getattr(self, name)) and getattr(self, name) >= 1, getattr(self, name))
        _check("step", is_count(self.step), self.step)
        _check("eta", type(self.eta) in (int, float) and isfinite(self.eta) and self.eta > 0, self.eta)
        _check("shuffle", type(self.shuffle) is bool, self.shuffle)
        _check("data_digest", isinstance(self.data_digest, str), self.data_digest)


@dataclass(frozen=True, slots=True)
class SavedState:
    """The facts of a saved state: those that make the network, how far training is, and where that was.

    `dropout` is that of each hidden layer, empty for none. `optimizer` is its text, see `mlp.optimizers.named`.
    `epochs_trained`, `steps_trained` and `scaling` are the network's. `arguments`: what a class above `Network` needs
    beside `network_arguments` to make its network again, text by name, the class itself under "class".

    `environment`: the versions and the device that the last bits depend on, see `mlp.saving.environment`. `notes`: any
    text, by name. Raises `StateError` for values that no network has.
    """

    sizes: tuple[int, ...]
    activation: str
    output_activation: str
    cost: str
    initialization: str
    dtype: str
    momentum: float
    seed: int
    progress: Progress | None = None
    epochs_trained: int = 0
    optimizer: str = "sgd"
    dropout: tuple[float, ...] = ()
    steps_trained: int = 0
    scaling: Scaling | None = None
    precision: str = FULL
    arguments: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            _check(name, getattr(self, name) in choices, getattr(self, name))
        self._check_output()
        _check("momentum", type(self.momentum) in (int, float) and 0 <= self.momentum < 1, self.momentum)
        _check("seed", type(self.seed) is int and self.seed >= 0, self.seed)
        for name in ("epochs_trained", "steps_trained"):
            _check(name, is_count(getattr(self, name)), getattr(self, name))
        _check("dropout", _is_dropout(self.dropout, len(self.sizes) - 2), self.dropout)
        _check("optimizer", isinstance(self.optimizer, str), self.optimizer)
        try:
            optimizer_of(self.optimizer, momentum=self.momentum)
        except NetworkError as error:
            raise StateError(f"{error}; it is damaged, or made elsewhere") from None
        for name in ("arguments", "environment", "notes"):
            texts = getattr(self, name)
            known = isinstance(texts, Mapping) and all(isinstance(text, str) for pair in texts.items() for text in pair)
            _check(name, known, texts)

    def _check_output(self) -> None:
        asked = self.output_activation
        try:
            output_activation(self.cost, activation=self.activation, units=self.sizes[-1], given=asked)
        except NetworkError as error:
            raise StateError(f"{error}; it is damaged, or made elsewhere") from None

    @property
    def network_arguments(self) -> dict[str, Any]:
        """`Network`'s arguments, but for sizes and backend."""
        names = (
            *("activation", "output_activation", "cost", "initialization"),
            *("dtype", "precision", "momentum", "optimizer", "seed"),
        )
        one = self.dropout[0] if len(set(self.dropout)) == 1 else list(self.dropout) or 0.0
        return {**{name: getattr(self, name) for name in names}, "dropout": one}

    @property
    def kept(self) -> tuple[str, ...]:
        """The kinds of arrays that the optimizer keeps for each of the network's."""
        return optimizer_of(self.optimizer, momentum=self.momentum).state_names

    def to_json(self) -> str:
        """A JSON object that `from_json` reads back."""
        record = {**self.network_arguments, "epochs_trained": self.epochs_trained, "steps_trained": self.steps_trained}
        record |= {name: dict(getattr(self, name)) for name in ("arguments", "environment", "notes")}
        record["scaling"] = None if self.scaling is None else asdict(self.scaling)
        record["sizes"], record["dropout"] = format_sizes(self.sizes), list(self.dropout)
        record["progress"] = None if self.progress is None else asdict(self.progress)
        return json.dumps(record)

    @classmethod
    def from_json(cls, text: str, number: int = FORMAT_NUMBER) -> "SavedState":
        """The facts written by `to_json`, by that of format `number`; raises `StateError` for any other text."""
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            raise StateError("its facts are not JSON; it is damaged, or not a saved state") from None
        names = set(cls.__dataclass_fields__) - added_after(number)
        _check("the record", isinstance(record, dict) and set(record) == names, record)
        record |= unsaid(record, number)
        sizes, progress = record.pop("sizes"), record.pop("progress")
        scaling = record.pop("scaling")
        _check("scaling", scaling is None or _has_fields(scaling, Scaling), scaling)
        _check("sizes", isinstance(sizes, str), sizes)
        _check("dropout", isinstance(record["dropout"], list), record["dropout"])
        record["dropout"] = tuple(record["dropout"])
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
        output_activation=network.output_activation,
        cost=network.cost,
        initialization=network.initialization,
        dtype=network.dtype,
        precision=network.precision,
        momentum=network.momentum,
        seed=network.seed,
        progress=progress,
        optimizer=_text_of(network.optimizer),
        dropout=network.dropout if any(network.dropout) else (),
        epochs_trained=network.epochs_trained,
        steps_trained=network.steps_trained,
        scaling=network.scaling,
        arguments=network.saved_arguments,
        environment=environment,
        notes=notes,
    )


def optimizer_name(optimizer: Optimizer | Ruled) -> str:
    """The name of one of this program's optimizers. Raises `StateError` for any other, which is not saved."""
    return _text_of(optimizer).partition(":")[0]


def _text_of(optimizer: Optimizer | Ruled) -> str:
    try:
        return optimizer_text(optimizer)
    except NetworkError as error:
        raise StateError(f"its optimizer cannot be saved: {error}") from None


def _is_dropout(value: object, hidden: int) -> bool:
    """Whether it is no dropout, or a share for each hidden layer."""
    if not isinstance(value, tuple) or len(value) not in (0, hidden):
        return False
    return all(type(rate) in (int, float) and 0 <= rate < 1 for rate in value)


def _has_fields(record: object, kind: type[Progress] | type[Scaling]) -> bool:
    return isinstance(record, dict) and set(record) == set(kind.__dataclass_fields__)


def _check(name: str, fits: bool, value: object) -> None:
    if not fits:
        shown = repr(value)
        raise StateError(f"{name} cannot be {shown[:60]}{'...' * (len(shown) > 60)}; it is damaged, or made elsewhere")
