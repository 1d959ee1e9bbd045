"""The network of an estimator, with the way in which it checkpoints and the optimizer of its solver."""

from typing import Any

from backend import select_backend
from checkpoint.estimators.parameters import Wanted
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.execution.scheduled import chain_on
from checkpoint.planning.plan import plan_chain
from checkpoint.planning.planned import Plan
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from checkpoint.strategies.store_all import store_all
from mlp import Network
from mlp.optimizers import SGD, Adam, Nesterov, Ruled


def optimizer_of(estimator: Any, *, batch_weight: float) -> Ruled:
    """The optimizer of the estimator's solver; `batch_weight` is the weight of a mini-batch, that of its rows.

    scikit-learn divides its penalty by that too.
    """
    l2 = estimator.alpha / batch_weight
    if estimator.solver == "adam":
        return Adam(beta1=estimator.beta_1, beta2=estimator.beta_2, epsilon=estimator.epsilon, l2=l2)
    if estimator.nesterovs_momentum and estimator.momentum:
        return Nesterov(momentum=estimator.momentum, l2=l2)
    return SGD(momentum=estimator.momentum, l2=l2)


def network_of(
    estimator: Any,
    wanted: Wanted,
    sizes: tuple[int, ...],
    *,
    cost: str,
    dtype: str,
    batch_size: int,
    optimizer: Ruled,
) -> tuple[Network, Plan | Schedule]:
    """The network, and what its steps on `batch_size` rows follow: a plan under a budget, a schedule without.

    Raises `BudgetError` for a budget that is too small, `BackendUnavailable` for the backend.
    """
    backend = select_backend(estimator.backend)
    as_network: dict[str, Any] = {
        "activation": wanted.activation,
        **({"output_activation": "identity"} if cost == "quadratic" else {}),
        "cost": cost,
        "dtype": dtype,
        "optimizer": optimizer,
        "backend": backend,
    }
    if wanted.choice is None:
        network = NetworkWithCheckpointing(sizes, budget_bytes=estimator.budget_bytes, **as_network)
        plan = plan_chain(network.chain(batch_size), budget_bytes=estimator.budget_bytes)
        network.use_plan(plan.schedule, batch_size=batch_size)
        return network, plan
    if wanted.choice.checkpoint == "none":
        return Network(sizes, **as_network), store_all(n_layers=len(sizes) - 1)
    schedule = wanted.choice.schedule(chain_on(backend, sizes, batch_size=batch_size, dtype=dtype))
    return NetworkWithCheckpointing(sizes, schedule=schedule, **as_network), schedule


def peak_bytes_of(network: Network, followed: Plan | Schedule, *, batch_size: int) -> int:
    """The most array bytes above rest in a step of `network` on `batch_size` rows."""
    if isinstance(followed, Plan):
        return followed.peak_bytes
    chain = chain_on(network.backend, network.sizes, batch_size=batch_size, dtype=network.dtype)
    return simulate(followed.for_batch(batch_size), chain).peak_bytes
