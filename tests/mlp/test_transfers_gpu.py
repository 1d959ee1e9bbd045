"""What crosses between host and device: a mini-batch once, and of an evaluation its counts. Read off the stand-in."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from backend import BackendUnavailable
from backend.cupy.detection import count_devices
from mlp.buffers import LEAST_ROWS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif("CUPY_ON_HOST_LIB" not in os.environ, reason="only the stand-in for a GPU prints its calls"),
]

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
import numpy as np
from mlp import ImageBatches, Network
net = Network([30, 20, 10], backend="cupy")
images, labels = np.ones((2500, 30), np.uint8), np.arange(2500) % 10
batches = ImageBatches(net, images, labels)
net.evaluate(*batches.take(slice(0, 9)))  # compiles the kernels
def say(text):
    print(text, file=sys.stderr, flush=True)
say("take")
X, y = batches.take(np.arange(9)[::-1])
say("step of the user")
net.update_mini_batch(X, y, eta=0.1)
with net.trusting_inputs():  # as within a training, whose data set was looked through
    say("step")
    net.update_mini_batch(X, y, eta=0.1)
say("evaluate")
from mlp import accuracy
accuracy(net, batches)
say("end")
"""
TO_DEVICE, TO_HOST = "1", "2"


@pytest.fixture(scope="module")
def copies() -> dict[str, list[tuple[str, int]]]:
    """(direction, bytes) of each copy, for each part of the program; one that waits is a test's failure."""
    try:
        count_devices()
    except BackendUnavailable as error:
        pytest.skip(f"no CuPy device answers: {error}")
    environment = {**os.environ, "EMU_TRACE": "1"}
    command = [sys.executable, "-c", PROGRAM]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, list[tuple[str, int]]] = {}
    part = "start"
    for line in ended.stderr.splitlines():
        if not line.startswith("[emu]"):
            part = line
        elif match := re.match(r"\[emu\] (memcpy\w*) kind (\d) n (\d+)", line):
            assert match[1] == "memcpyAsync"
            found.setdefault(part, []).append((match[2], int(match[3])))
    return found


def test_mini_batch_goes_to_the_device_once(copies: dict[str, list[tuple[str, int]]]) -> None:
    assert copies["take"] == [(TO_DEVICE, 9 * 30), (TO_DEVICE, 9 * 10 * 4)]  # images in bytes, targets in floats


def test_step_copies_nothing(copies: dict[str, list[tuple[str, int]]]) -> None:
    assert "step" not in copies


def test_step_on_a_mini_batch_of_the_user_asks_for_one_number_of_its_inputs(
    copies: dict[str, list[tuple[str, int]]],
) -> None:
    assert copies["step of the user"] == [(TO_HOST, 8)]


def test_evaluation_copies_back_counts_alone(copies: dict[str, list[tuple[str, int]]]) -> None:
    """At most 256 partial counts a turn; the outputs would be 100,000 bytes.

    A turn has as many rows as fit in the arena of this small network's steps, and no fewer than `LEAST_ROWS`.
    """
    back = [size for direction, size in copies["evaluate"] if direction == TO_HOST]
    there = sum(size for direction, size in copies["evaluate"] if direction == TO_DEVICE)
    assert len(back) == -(-2500 // LEAST_ROWS)
    assert max(back) <= 256 * 8
    assert there == 2500 * (30 + 10 * 4)
