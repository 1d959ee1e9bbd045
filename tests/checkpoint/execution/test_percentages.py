"""Budgets in percent: of the largest mini-batch, once, so that the last one of an epoch has a schedule too."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.facts import UNCOMPILED
from checkpoint import BudgetError, MLPClassifier, NetworkWithCheckpointing, load, plan_chain
from checkpoint.commands.program import main
from checkpoint.execution.verifying import VerifyingNetwork
from checkpoint.planning.budget import resolve_budget
from checkpoint.planning.planned import keeps_bits
from checkpoint.schedule.placement import arena_bytes
from mlp import Network
from tests.conftest import VARIANT, compiled_only, parameters_of, same_bits

SIZES = (116, 60, 60, 60, 60, 60, 10)
X = np.random.default_rng(0).random((201, 116), np.float32)
Y = np.arange(201) % 10
AS_NETWORK = {"activation": "tanh", "initialization": "scaled", "seed": 1}


def network_in(budget, kind=NetworkWithCheckpointing):
    return kind(SIZES, budget_bytes=budget, **AS_NETWORK)


def test_last_mini_batch_has_the_bytes_of_a_whole_one():
    network, plain = network_in("60%", VerifyingNetwork), Network(SIZES, **AS_NETWORK)
    for each in (network, plain):
        each.SGD((X, Y), 2, 200, 0.01)  # where each step's bytes are compared with those predicted
    promised = all(keeps_bits(network.schedule_for(rows), network.chain(rows)) for rows in (1, 200))
    assert promised or VARIANT == UNCOMPILED
    assert same_bits(parameters_of(network), parameters_of(plain)) or not promised
    if VARIANT != UNCOMPILED:  # there no gradient is held, and the percent of its own would do
        with pytest.raises(BudgetError):  # the bytes of a whole one are more than the percent of its own
            plan_chain(network.chain(1), budget_bytes="60%")
    in_bytes = resolve_budget("60%", network.chain(200))
    alone = replace(network.chain(1), planned_rows=200)
    assert network.schedule_for(1) == plan_chain(alone, budget_bytes=in_bytes).schedule
    assert all(arena_bytes(network.schedule_for(rows), network.chain(rows)) <= in_bytes for rows in (1, 7, 200))


def test_percent_are_of_what_is_to_come_however_it_begins():
    network = network_in("60%")
    network.expect_batches((1, 200))
    assert network.schedule_for(200) == network_in("60%").schedule_for(200)
    network.update_mini_batch(X[:1], np.eye(10, dtype="f4")[Y[:1]], eta=0.01)


def test_schedules_exist_before_the_first_step():
    class WithoutTheLast(NetworkWithCheckpointing):
        def schedule_for(self, batch_size):
            if batch_size == 1:
                raise BudgetError("no room for 1 row", budget_bytes=1, minimum_bytes=2)
            return super().schedule_for(batch_size)

    network = network_in("60%", WithoutTheLast)
    before = [array.copy() for array in parameters_of(network)]
    with pytest.raises(BudgetError, match="for 1 row"):
        network.SGD((X, Y), 1, 200, 0.01)
    assert network.steps_trained == 0
    assert same_bits(before, parameters_of(network))
    network.SGD((X[:200], Y[:200]), 1, 100, 0.01)  # which has no such mini-batch


def test_saved_percentages_go_on_as_they_were(tmp_path: Path):
    network = network_in("60%")
    network.schedule_for(200)
    plans = {rows: network.schedule_for(rows) for rows in (1, 200)}
    network._schedules = dict(plans)  # the smaller one first
    network.save(tmp_path / "state.npz")
    again = load(tmp_path / "state.npz")
    assert isinstance(again, NetworkWithCheckpointing)
    assert (again.budget_bytes, again._schedules) == ("60%", {200: plans[200], 1: plans[1]})
    assert again.schedule_for(2) == network.schedule_for(2)
    again.SGD((X, Y), 1, 200, 0.01)


def test_estimators_take_percent_of_a_whole_mini_batch():
    model = MLPClassifier([60] * 6, budget_bytes="70%", max_iter=1, tol=0, random_state=0)
    model.fit(X[:, :5], Y % 3)
    assert model.network_.schedule_for(200) == model.plan_.schedule
    assert model.network_.steps_trained == 2


@compiled_only
def test_commands_name_the_whole_mini_batch(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    options = ["--data", "sample", "--sizes", "784,20x4,10", "--activation", "tanh", "--batch-size", "300"]
    assert main(["train", *options, "--budget", "50%", "--save", str(tmp_path / "state.npz")]) == 2
    assert "at batch 300" in capsys.readouterr().err
