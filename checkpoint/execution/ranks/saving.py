"""Saved states of a network on ranks: rank 0 writes the file of one process, and the owners send it their state.

A layer's state is sent when its turn in the file comes, so rank 0 holds that of one layer beside its own. No trace of
the number of ranks is in the file.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from checkpoint.errors import Fault
from checkpoint.execution.ranks.links.base import STATE, Link, wait
from mlp import Progress, SavedState, StateError, TrainingError, restore_state, save_state
from mlp.saving.state import Savable

Pair = tuple[Any, Any]


class Ranked(Savable, Protocol):
    """A network of which each rank has the optimizer state of its own layers."""

    link: Link
    owners: tuple[int, ...]

    @property
    def n_layers(self) -> int: ...

    def owns(self, layer: int) -> bool: ...


def save_on_ranks(
    path: str | Path,
    network: Ranked,
    progress: Progress | None = None,
    *,
    keep: int = 0,
    notes: Mapping[str, str] | None = None,
) -> bool:
    """`save_state` by all ranks together; returns whether it was saved. What was wrong is raised on rank 0 alone."""
    link, problem = network.link, None
    if link.rank:
        _send_state(network)
    else:
        whole = Whole(network, receive=True)
        try:
            save_state(path, whole, progress, keep=keep, notes=notes)
        except (StateError, TrainingError) as error:
            problem = error
        finally:
            whole.take_the_rest()
    failed = bool(link.agree(int(problem is not None)))
    if problem is not None:
        raise problem
    return not failed


def restore_on_ranks(path: Path, network: Ranked) -> SavedState:
    """`restore_state`, by each rank for itself; it keeps the state of its own layers."""
    return restore_state(path, Whole(network, receive=False))


class Whole:
    """A network on ranks as one that has the optimizer state of all layers.

    The pairs of others' layers are new arrays: filled by their owners with `receive`, else to be filled and dropped.
    """

    def __init__(self, network: Ranked, *, receive: bool) -> None:
        own = {"_network": network, "_receive": receive, "_order": _order(network)}
        own["optimizer_state"] = {name: _Pairs(self, name) for name in network.optimizer_state}
        self.__dict__.update(own)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_network"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._network, name, value)  # what is restored besides arrays

    def pair(self, name: str, k: int) -> Pair:
        """The state `name` of layer k + 1; asked for in the order of the file."""
        network: Ranked = self._network
        if network.owns(k + 1):
            weight, bias = network.optimizer_state[name][k]
            return weight, bias
        arrays = [network.backend.empty(a.shape, network.dtype) for a in (network.weights[k], network.biases[k])]
        if self._receive:
            expected = next(self._order)
            if expected != (k, name):
                raise Fault(f"the state of layer {k + 1} is saved where that of layer {expected[0] + 1} was to come")
            for array in arrays:
                wait(network.link.receive(array, network.owners[k], STATE))
        return arrays[0], arrays[1]

    def take_the_rest(self) -> None:
        """Receive what was not asked for, as when the file could not be written."""
        network = self._network
        for k, _ in self._order:
            for a in (network.weights[k], network.biases[k]):
                wait(network.link.receive(network.backend.empty(a.shape, network.dtype), network.owners[k], STATE))


class _Pairs(Sequence[Pair]):
    """One kind of state, layer by layer."""

    def __init__(self, whole: Whole, name: str) -> None:
        self._whole, self._name = whole, name

    def __len__(self) -> int:
        return int(self._whole.n_layers)

    def __getitem__(self, k: Any) -> Any:
        return self._whole.pair(self._name, range(len(self))[k])


def _order(network: Ranked) -> Iterator[tuple[int, str]]:
    """The state that rank 0 does not own, in the order of the file."""
    for k in range(network.n_layers):
        for name in network.optimizer_state:
            if network.owners[k] != 0:
                yield k, name


def _send_state(network: Ranked) -> None:
    for k, name in _order(network):
        if network.owns(k + 1):
            for array in network.optimizer_state[name][k]:
                wait(network.link.send(array, 0, STATE))
