"""Kill a training run with SIGKILL at random moments, many times, and check that nothing is lost.

    python -m bench.kill --kills 200

A child trains a small network, saves after every step, and is killed some milliseconds later. The saved state must then
exist, be whole, and be no older than the last step that the child reported as saved; the next child resumes from it.
After all kills the last child trains to the end, and its final weights must be bit-identical to those of a run that was
never killed. Children are forks of this process, which has imported everything, so each starts in milliseconds.
"""

import hashlib
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads do not survive a fork

from bench.killing import report_kills
from mlp import Network, Progress, StateError, Step, restore_state, save_state, train
from mlp.saving.atomic import remove_leftovers
from mlp.training.batches import ArrayBatches

SIZES = (64, 96, 96, 10)
EPOCHS = 10**9
BATCH = 50
SAMPLES = 1000
STEPS_PER_EPOCH = SAMPLES // BATCH


def child(path: Path, last_step: int | None, report: int) -> None:
    """Resume from the state at `path`, saving after each step and writing its number to `report`."""
    network = Network(SIZES, momentum=0.9, seed=1)
    first = (1, 1)
    if path.exists():
        progress = restore_state(path, network).progress
        assert progress is not None
        first = (progress.epoch, progress.step + 1)
    remove_leftovers(path)

    def after_step(step: Step) -> None:
        number = (step.epoch - 1) * STEPS_PER_EPOCH + step.step
        progress = Progress(step.epoch, step.step, EPOCHS, BATCH, 0.1, True, SAMPLES)
        save_state(path, network, progress, keep=1)
        os.write(report, number.to_bytes(8, "little"))
        if number == last_step:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        _train(network, first, after_step)


def _train(network: Network, first: tuple[int, int], after_step: object) -> None:
    import numpy as np

    values = np.random.default_rng(0)
    X = values.random((SAMPLES, SIZES[0]), dtype="float32")
    y = np.eye(SIZES[-1], dtype="float32")[values.integers(SIZES[-1], size=SAMPLES)]
    train(
        network,
        ArrayBatches(network, X, y),
        epochs=EPOCHS,
        mini_batch_size=BATCH,
        eta=0.1,
        first_epoch=first[0],
        first_step=first[1],
        after_step=after_step,  # type: ignore[arg-type]
    )


def uninterrupted(last_step: int) -> str:
    """The SHA-256 of the final weights of `last_step` steps in one run."""
    network = Network(SIZES, momentum=0.9, seed=1)

    def after_step(step: Step) -> None:
        if (step.epoch - 1) * STEPS_PER_EPOCH + step.step == last_step:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        _train(network, (1, 1), after_step)
    return digest(network)


def digest(network: Network) -> str:
    """SHA-256 of weights, biases and velocities."""
    arrays = [*network.weights, *network.biases, *(v for pair in network.velocities for v in pair)]
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()


def start(path: Path, last_step: int | None) -> tuple[int, int]:
    """Fork a child; returns its process number and the pipe on which it reports the steps that it has saved."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            os.close(reading)
            child(path, last_step, writing)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    return process, reading


def number_saved(path: Path) -> int:
    """The number of the last step in the state at `path`, which is read whole; 0 if there is no state."""
    if not path.exists():
        return 0
    progress = restore_state(path, Network(SIZES, momentum=0.9)).progress
    assert progress is not None
    return (progress.epoch - 1) * STEPS_PER_EPOCH + progress.step


def kill_often(folder: Path, kills: int, *, chance: random.Random) -> dict[str, object]:
    """Kill `kills` children; returns the counts and whether the final weights are identical."""
    path = folder / "run.state"
    lost = in_saving = older = 0
    reached = 0
    for _ in range(kills):
        process, report = start(path, None)
        os.read(report, 8)  # until it trains
        time.sleep(chance.uniform(0, 0.03))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        with os.fdopen(report, "rb") as file:
            reports = file.read()
        told = int.from_bytes(reports[-8:], "little") if reports else 0
        in_saving += any(path.parent.glob(".mlp-*.tmp"))
        try:
            now = number_saved(path)
        except StateError as error:
            print(f"lost: {error}", file=sys.stderr)
            lost += 1
            continue
        older += now < max(told, reached)
        reached = max(now, reached)
    process, report = start(path, reached + 5)
    _, status = os.waitpid(process, 0)
    os.close(report)
    network = Network(SIZES, momentum=0.9)
    restore_state(path, network)
    return {
        "kills": kills,
        "states_lost": lost,
        "states_older_than_reported": older,
        "kills_while_saving": in_saving,
        "steps": reached + 5,
        "identical": status == 0 and digest(network) == uninterrupted(reached + 5),
    }


def lost_nothing(found: Mapping[str, object]) -> bool:
    """Whether every state was whole and recent, and the end the same."""
    return not found["states_lost"] and not found["states_older_than_reported"] and bool(found["identical"])


def main() -> int:
    """Kill and report; 0 if nothing was lost."""
    about = "Kill a training run at random moments."
    return report_kills(kill_often, lost_nothing, name="kill", description=about, kills=200)


if __name__ == "__main__":
    sys.exit(main())
