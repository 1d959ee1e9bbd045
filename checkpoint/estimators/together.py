"""A fit by all ranks of the `world()` block around: what they agree on, and the network that they train.

Random numbers, losses and scores are rank 0's, so that all stop after the same epoch. Rank 0 alone prints and warns.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from backend import Backend
from backend.callers import callers_level
from checkpoint.errors import CheckpointError
from checkpoint.estimators.making import arguments_of, network_of, ranked_network
from checkpoint.estimators.parameters import Wanted
from checkpoint.execution.ranks.agreement import check_alike
from checkpoint.execution.ranks.handing import hand_back, take_over
from checkpoint.execution.ranks.links.alone import Alone
from checkpoint.execution.ranks.links.base import Link
from checkpoint.execution.ranks.links.current import link_here
from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.units import counted
from mlp.errors import NetworkError
from mlp.training.batches import CHECKED_ROWS


@contextmanager
def fitting_ranks(estimator: Any) -> Iterator[Link]:
    """A block in which `estimator` is fitted: by the ranks of the link, or by this process alone.

    On ranks an error is one line, as each may be the only one to say it. Raises `CheckpointError` where `ranks` are
    asked for and there is no block of any.
    """
    link = link_here() if estimator.ranks else Alone()
    if link is None:
        raise CheckpointError(
            "ranks=True fits on all ranks of a `with world():` block around, and there is none; put the fit in one, "
            "and start the program by mpiexec -n P"
        )
    try:
        yield link
    except ValueError as error:
        if link.ranks == 1 or isinstance(error, CheckpointError | NetworkError):
            raise
        raise CheckpointError(" ".join(str(error).split())) from error


def of_rank_0(link: Link, make: Callable[[], float]) -> float:
    """What `make` returns on rank 0."""
    return float.fromhex(link.exchange(float(make()).hex() if link.rank == 0 else "")[0])


def random_of(estimator: Any, link: Link) -> np.random.RandomState:
    """The random numbers of a fit: those that rank 0 draws from `random_state`, on all ranks."""
    random: np.random.RandomState = check_random_state(estimator.random_state)
    if link.ranks > 1:
        kind, keys, *rest = random.get_state(legacy=True)
        keys, rest = json.loads(link.exchange(json.dumps([np.asarray(keys).tolist(), rest]))[0])
        random.set_state((kind, keys, *rest))
    return random


def check_fit_alike(link: Link, backend: Backend, estimator: Any, arrays: Sequence[np.ndarray | None]) -> None:
    """Raise `CheckpointError` unless all ranks fit with the same parameters, to the same `arrays`."""
    if link.ranks == 1:
        return
    parameters = estimator.get_params(deep=False)
    facts = {name: repr(value) for name, value in parameters.items() if name not in ("random_state", "backend")}
    digest = hashlib.sha256()
    for array in arrays:
        for start in range(0, 0 if array is None else len(array), CHECKED_ROWS):
            digest.update(np.ascontiguousarray(array[start : start + CHECKED_ROWS]).data)  # type: ignore[index]
    check_alike(link, backend, facts | {"the SHA-256 of the data": digest.hexdigest()[:12]})


@contextmanager
def trained_by(link: Link, estimator: Any, wanted: Wanted, *, batch_size: int) -> Iterator[None]:
    """A block in which `estimator.network_` is trained by the ranks of `link`, and after which it is one process's.

    So what was fitted on ranks predicts, is copied and goes on without them.
    """
    if link.ranks == 1:
        yield
        return
    network, sizes = estimator.network_, estimator.network_.sizes
    arguments = arguments_of(estimator, wanted, dtype=network.dtype, optimizer=network.optimizer)
    ranked = network
    if not isinstance(network, NetworkOnRanks):
        ranked, _ = ranked_network(estimator, wanted, sizes, arguments, link, batch_size=batch_size)
        take_over(ranked, network)
    _warn_of_idle_ranks(ranked, batch_size)
    del network
    estimator.network_ = ranked
    yield
    network = network_of(estimator, wanted, sizes, arguments, batch_size=batch_size)
    hand_back(ranked, network)
    estimator.network_ = network


def _warn_of_idle_ranks(network: NetworkOnRanks, batch_size: int) -> None:
    idle = network.link.ranks - len(network.part(batch_size).wave.blocks)
    if idle > 0 and network.link.rank == 0:
        warnings.warn(
            f"{counted(idle, 'rank')} of {network.link.ranks} without rows: mini-batches of {batch_size} are cut into "
            f"blocks of 128 rows and more; raise batch_size",
            stacklevel=callers_level(),
        )
