"""Ranks that fail, are stopped or killed: all end within seconds, the last state is whole, and fewer go on from it."""

import json
import os
import signal
import threading
import time

import pytest

from checkpoint.commands.program import main
from mlp import read_state
from tests.ranks.launching import PROGRAM, needs_mpi, processes, run, started

pytestmark = [*needs_mpi, pytest.mark.usefixtures("default_signals")]

LONG = (*PROGRAM[:-1], "100000", "--ranks", "--save-every", "1step")
SECONDS = 5
"""So long it may take until all ranks have ended."""


def interrupted(ranks, state, act):
    """(status, output, errors, seconds) of a training that `act(process, ranks' numbers)` ends after some steps."""
    with started(ranks, *LONG, "--save", state) as process:
        limit = threading.Timer(60, process.kill)
        limit.start()
        lines = []
        while not lines or not lines[-1].startswith("epoch   2"):
            lines.append(process.stdout.readline())
            assert lines[-1], process.stderr.read()
        begun = time.monotonic()
        act(process, processes("".join(lines)))
        output, errors = process.communicate(timeout=30)
        limit.cancel()
        return process.returncode, "".join(lines) + output, errors, time.monotonic() - begun


def check_goes_on(state, folder, ranks):
    """The state is whole, and its training goes on to the bits of one that was never interrupted."""
    epochs = str(read_state(state).progress.epoch)
    resumed = ("-m", "checkpoint", "train", "--resume", state, "--epochs", epochs, "--ranks")
    done = run(ranks, *resumed, "--json", folder / "resumed.json")
    assert done.returncode == 0, done.stderr
    assert main([*PROGRAM[2:-1], epochs, "--json", str(folder / "whole.json")]) == 0
    found, expected = (json.loads((folder / f"{name}.json").read_text()) for name in ("resumed", "whole"))
    assert found["weights_sha256"] == expected["weights_sha256"]


def named(errors):
    """The lines that this program wrote about the end."""
    return [line for line in errors.splitlines() if line.startswith("mlp-checkpointing: ")]


def test_killed_rank_ends_all_and_fewer_go_on(tmp_path):
    def kill(process, numbers):
        os.kill(numbers[1], signal.SIGKILL)

    status, _, errors, seconds = interrupted(3, tmp_path / "run.state", kill)
    assert status != 0
    assert seconds < SECONDS
    (line,) = named(errors)
    assert line.startswith("mlp-checkpointing: rank 1 of 3 (process ")
    check_goes_on(tmp_path / "run.state", tmp_path, 2)


@pytest.mark.parametrize(("name", "of"), [("SIGTERM", "one rank"), ("SIGINT", "the launcher")])
def test_signal_to_one_stops_all_after_a_step_that_is_saved(tmp_path, name, of):
    number = getattr(signal, name)

    def send(process, numbers):
        os.kill(numbers[1] if of == "one rank" else process.pid, number)

    status, _, errors, seconds = interrupted(2, tmp_path / "run.state", send)
    assert status == 128 + number
    assert seconds < SECONDS
    (line,) = named(errors)
    who = "rank 1 of 2" if of == "one rank" else "rank "
    assert line.startswith(f"mlp-checkpointing: {who}")
    assert f"stopped by {name} after" in line
    assert "holds the training after" in line
    where = line.partition("stopped by")[2].partition(";")[0].partition("after")[2]
    assert line.endswith(where)  # the last step is saved
    if of == "one rank":
        check_goes_on(tmp_path / "run.state", tmp_path, 1)


def test_rank_that_raises_is_named_once(tmp_path):
    how = ("--activation", "relu", "--initialization", "scaled", "--eta", "1e30")
    begun = time.monotonic()
    done = run(2, *PROGRAM, *how, "--ranks", "--save", tmp_path / "run.state")
    assert done.returncode == 1
    assert time.monotonic() - begun < 10
    assert len(named(done.stderr)) == 1, done.stderr
    (line,) = named(done.stderr)
    assert "of 2: epoch 1, step " in line
    assert "not finite" in line
    assert line.endswith("nothing was saved")
