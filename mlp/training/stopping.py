"""When a training stops by itself, and the best parameters so far, to come back to.

The best parameters are a copy on the host, of as many bytes as the parameters take. It is allocated before the first
step and kept to the end, so it counts as rest where the host's memory is what is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Protocol

import numpy as np

from backend import Backend
from mlp.arguments import check_name, check_number, check_whole
from mlp.errors import NetworkError
from mlp.training.history import EpochRecord

METRICS = ("training_cost", "validation_cost", "validation_accuracy", "test_cost", "test_accuracy")
"""The fields of an `EpochRecord` that can be watched; an accuracy is better when larger, a cost when smaller."""


class Learned(Protocol):
    """What has parameters to keep."""

    @property
    def backend(self) -> Backend: ...

    @property
    def weights(self) -> Sequence[Any]: ...

    @property
    def biases(self) -> Sequence[Any]: ...


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Stop after `patience` epochs in a row in which `metric` did not improve on its best by `least_change` or more.

    `metric` is one of `METRICS`. At the end, however it comes, the parameters are those of the best epoch; the
    optimizer's state and the count of epochs stay those of the last. Raises `NetworkError` for arguments that make no
    rule.
    """

    patience: int = 10
    least_change: float = 0.0
    metric: str = "validation_cost"

    def __post_init__(self) -> None:
        check_whole("patience", self.patience, least=1)
        if check_number("least_change", self.least_change) < 0:
            raise NetworkError(f"least_change must be 0 or more; got {self.least_change!r}")
        check_name("metric", self.metric, METRICS)


def early_stopping_of(wanted: "EarlyStopping | int | bool | None") -> EarlyStopping | None:
    """The rule that `early_stopping` says: one, its patience, True for the default one, None or False for none."""
    if wanted is None or wanted is False:
        return None
    if isinstance(wanted, EarlyStopping):
        return wanted
    return EarlyStopping() if wanted is True else EarlyStopping(check_whole("early_stopping", wanted, least=1))


@dataclass(slots=True)
class Patience:
    """How long a value has not improved. `best` is the best so far, `waited` the epochs since one that was better."""

    least_change: float = 0.0
    larger_is_better: bool = False
    best: float = field(default=inf)
    waited: int = 0

    def __post_init__(self) -> None:
        if self.larger_is_better and self.best == inf:
            self.best = -inf

    def see(self, value: float) -> bool:
        """Count one more epoch with this value; returns whether it is the best so far. NaN never is."""
        gain = value - self.best if self.larger_is_better else self.best - value
        self.waited = 0 if gain > 0 and gain >= self.least_change else self.waited + 1
        if gain > 0:
            self.best = value
        return gain > 0


class BestParameters:
    """A copy of a network's parameters on the host, allocated when this is made. `kept` says whether it holds any."""

    def __init__(self, network: Learned) -> None:
        self._network = network
        self._copies = [np.empty(a.shape, network.backend.dtype_name(a)) for a in self._arrays()]
        self.kept = False

    @property
    def nbytes(self) -> int:
        """The bytes of the copy."""
        return sum(copy.nbytes for copy in self._copies)

    def keep(self) -> None:
        """Copy the parameters as they are now."""
        for copy, array in zip(self._copies, self._arrays(), strict=True):
            copy[...] = self._network.backend.to_numpy(array)
        self.kept = True

    def restore(self) -> None:
        """Let the network have the parameters that were kept last; nothing happens where none were."""
        if self.kept:
            for copy, array in zip(self._copies, self._arrays(), strict=True):
                self._network.backend.set_(array, self._network.backend.asarray(copy))

    def _arrays(self) -> list[Any]:
        return [*self._network.weights, *self._network.biases]


class Stopper:
    """A rule at work on one training: called after each epoch, it keeps the best parameters and says when to stop.

    `best_epoch` is the number of the best epoch so far, None before the first.
    """

    def __init__(self, rule: EarlyStopping, network: Learned) -> None:
        self.rule, self.best = rule, BestParameters(network)
        self._patience = Patience(rule.least_change, rule.metric.endswith("accuracy"))
        self.best_epoch: int | None = None

    def __call__(self, record: EpochRecord) -> bool:
        """Whether to stop after this epoch. Raises `NetworkError` where the metric is not measured."""
        value = getattr(record, self.rule.metric)
        if value is None:
            raise NetworkError(
                f"early stopping watches {self.rule.metric}, which is not measured; give validation_data, "
                f"validation_split or test_data whose targets have it, or choose another metric"
            )
        if self._patience.see(value):
            self.best_epoch = record.epoch
            self.best.keep()
        return self._patience.waited >= self.rule.patience
