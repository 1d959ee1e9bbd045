"""An argument of a wrong type is named in the error: those of the public doors, given what none of them takes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from checkpoint import NetworkWithCheckpointing, chain_of, every_nth, front_of, plan, simulate, store_all
from mlp import Network

X, Y = np.zeros((20, 4), "float32"), np.eye(3, dtype="float32")[np.arange(20) % 3]
SIZES = [4, 3, 3, 3]
CHAIN = chain_of(SIZES, batch_size=20)


def network() -> Network:
    return Network([4, 3, 3])


DOORS: dict[str, tuple[Callable[..., Any], dict[str, Any], str]] = {
    "Network": (Network, {"sizes": SIZES}, "activation cost initialization dtype momentum seed backend"),
    "every n-th": (NetworkWithCheckpointing, {"sizes": SIZES, "checkpoint_every_nth_layer": 2}, "offload offloading"),
    "budget": (NetworkWithCheckpointing, {"sizes": SIZES, "budget_bytes": 1000}, ""),
    "schedule": (NetworkWithCheckpointing, {"sizes": SIZES, "schedule": store_all(n_layers=3)}, ""),
    "plan": (
        plan,
        {"sizes": SIZES, "batch_size": 20, "budget_bytes": 10**6},
        "dtype backend cost minimum_block_rows pieces offloading",
    ),
    "chain_of": (chain_of, {"sizes": SIZES, "batch_size": 20}, "dtype backend"),
    "front_of": (front_of, {"chain": CHAIN}, "cost minimum_block_rows offloading"),
    "simulate": (simulate, {"schedule": store_all(n_layers=3), "chain": CHAIN}, ""),
    "every_nth": (every_nth, {"n_layers": 5, "n": 2}, ""),
    "SGD": (
        lambda **given: network().SGD(**given),
        {"training_data": (X, Y), "epochs": 1, "mini_batch_size": 5, "eta": 1.0, "test_data": (X, Y)},
        "verbose",
    ),
    "update_mini_batch": (lambda **given: network().update_mini_batch(**given), {"X": X, "y": Y, "eta": 1.0}, ""),
    "evaluate": (lambda **given: network().evaluate(**given), {"X": X, "y": Y}, "batch_size"),
    "predict": (lambda **given: network().predict(**given), {"X": X}, "most_bytes"),
    "save": (lambda **given: network().save(**given), {"path": "net.state"}, "keep"),
}
"""What is called, arguments that it takes, and the names of others that it has."""

CASES = [(door, name) for door, (_, given, others) in DOORS.items() for name in (*given, *others.split())]


class Nothing:
    """Of no type that any argument has."""


@pytest.mark.parametrize(("door", "name"), CASES)
def test_argument_of_a_wrong_type_is_named(door, name):
    call, given, _ = DOORS[door]
    with pytest.raises((ValueError, RuntimeError)) as caught:
        call(**{**given, name: Nothing()})
    said = str(caught.value).lower().replace("-", "_").replace(" ", "_")
    assert name.lower() in said
    assert type(caught.value).__module__.split(".")[0] in ("backend", "mlp", "checkpoint")


@pytest.mark.parametrize("door", DOORS)
def test_arguments_of_these_doors_are_taken(door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call, given, _ = DOORS[door]
    call(**given)


@pytest.mark.parametrize(
    ("door", "budget"), [(door, budget) for door in ("plan", "budget") for budget in ("", "16 apples", "-5%", "0")]
)
def test_text_that_is_no_budget_is_named_with_its_argument(door, budget):
    call, given, _ = DOORS[door]
    with pytest.raises(ValueError, match=r"^budget_bytes: "):
        call(**{**given, "budget_bytes": budget})


@pytest.mark.parametrize("budget", ["1MB", "100%", "auto", "1.5 KiB", "1200"])
def test_budget_may_be_text_wherever_it_may_be_bytes(budget):
    found = plan(SIZES, batch_size=20, budget_bytes=budget)
    planned = NetworkWithCheckpointing(SIZES, budget_bytes=budget)
    assert planned.schedule_for(20).actions == found.schedule.actions
