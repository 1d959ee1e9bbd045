"""The network of an estimator, with the way in which it checkpoints and the optimizer of its solver."""

from dataclasses import replace
from typing import Any

from backend import select_backend
from checkpoint.estimators.parameters import Wanted
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.execution.ranks.links.base import Link
from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.execution.scheduled import chain_for, chain_on
from checkpoint.planning.plan import plan_chain
from checkpoint.planning.planned import Plan
from checkpoint.ranks.cutting import largest_block
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from checkpoint.strategies.store_all import store_all
from mlp import Network
from mlp.optimizers import SGD, Adam, Nesterov, Optimizer, Ruled


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


def arguments_of(estimator: Any, wanted: Wanted, *, dtype: str, optimizer: Optimizer | Ruled) -> dict[str, Any]:
    """`Network`'s arguments for the estimator's network. Raises `BackendUnavailable` for the backend."""
    return {
        "activation": wanted.activation,
        **({"output_activation": "identity"} if estimator.cost == "quadratic" else {}),
        "cost": estimator.cost,
        "dtype": dtype,
        "precision": estimator.precision,
        "optimizer": optimizer,
        "backend": select_backend(estimator.backend),
    }


def network_of(
    estimator: Any, wanted: Wanted, sizes: tuple[int, ...], arguments: dict[str, Any], *, batch_size: int
) -> Network:
    """The network of one process; under a budget, its plan is made when it is asked for."""
    if wanted.choice is None:
        return NetworkWithCheckpointing(sizes, budget_bytes=estimator.budget_bytes, **arguments)
    if wanted.choice.checkpoint == "none":
        return Network(sizes, **arguments)
    chain = chain_on(arguments["backend"], sizes, batch_size=batch_size, dtype=arguments["dtype"])
    return NetworkWithCheckpointing(sizes, schedule=wanted.choice.schedule(chain), **arguments)


def planned_network(
    estimator: Any, wanted: Wanted, sizes: tuple[int, ...], arguments: dict[str, Any], link: Link, *, batch_size: int
) -> tuple[Network, Plan | Schedule]:
    """The network, and what its steps on `batch_size` rows follow: a plan under a budget, a schedule without.

    On ranks it is this rank's, and follows what is for the largest share of the rows. Raises `BudgetError` for a budget
    that is too small, `CheckpointError` for a backend that ranks cannot have.
    """
    if link.ranks > 1:
        return ranked_network(estimator, wanted, sizes, arguments, link, batch_size=batch_size)
    network = network_of(estimator, wanted, sizes, arguments, batch_size=batch_size)
    if not isinstance(network, NetworkWithCheckpointing):
        return network, store_all(n_layers=network.n_layers)
    if wanted.choice is not None:
        return network, network.schedule_for(batch_size)
    plan = plan_chain(network.chain(batch_size), budget_bytes=estimator.budget_bytes)
    network.use_plan(plan.schedule, batch_size=batch_size)
    return network, plan


def ranked_network(
    estimator: Any, wanted: Wanted, sizes: tuple[int, ...], arguments: dict[str, Any], link: Link, *, batch_size: int
) -> tuple[NetworkOnRanks, Plan | Schedule]:
    """`planned_network` on several ranks."""
    block_rows = None if wanted.choice is None else wanted.choice.micro_batch_rows
    rows = largest_block(batch_size, link.ranks, block_rows)
    arguments = arguments | {"link": link, "block_rows": block_rows}
    if wanted.choice is None:
        network = NetworkOnRanks(sizes, budget_bytes=estimator.budget_bytes, **arguments)
        plan = network.plan_for(network.chain(rows))
        network.use_plan(plan.schedule, batch_size=rows)
        return network, plan
    chain = chain_on(arguments["backend"], sizes, batch_size=rows, dtype=arguments["dtype"])
    schedule = wanted.choice.within_blocks.schedule(replace(chain, adds_up=True))
    return NetworkOnRanks(sizes, schedule=schedule, **arguments), schedule


def peak_bytes_of(network: Network, followed: Plan | Schedule, *, batch_size: int) -> int:
    """The most array bytes above rest in a step of `network` on `batch_size` rows; on ranks, on the largest share."""
    if isinstance(followed, Plan):
        return followed.peak_bytes
    if isinstance(network, NetworkOnRanks):
        start, stop = network.part(batch_size).wave.blocks[0]
        return simulate(followed.for_batch(stop - start), network.chain(stop - start)).peak_bytes
    return simulate(followed.for_batch(batch_size), chain_for(network, batch_size)).peak_bytes
