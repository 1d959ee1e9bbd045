"""The measurements of ranks run, and see what they look for."""

import random

from bench.ranks.__main__ import measure
from bench.ranks.kill import kill_often
from tests.ranks.launching import needs_mpi

pytestmark = needs_mpi


def test_killed_ranks_lose_nothing(tmp_path):
    found = kill_often(tmp_path, 1, chance=random.Random(1))
    assert (found["states_lost"], found["states_older"], found["identical"]) == (0, 0, True)


def test_ranks_are_measured_beside_one_process(monkeypatch):
    monkeypatch.setattr(
        "bench.ranks.__main__.NETWORK", ("--data", "sample", "--sizes", "784,16,10", "--batch-size", "2000")
    )
    row = measure(2, rounds=1, epochs=1)
    assert row["peaks_as_predicted"]
    assert row["sent_bytes"] > 0
    assert row["seconds"] > 0
