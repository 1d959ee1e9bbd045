"""Kill a training with SIGKILL at random moments, many times, and see whether anything was lost.

    python -m bench.kill --kills 200

A child trains a small network, saves after every step, and is killed some milliseconds later. Then the state must be
there, whole, and not older than a step that the child had reported as saved; the next child goes on from it. When all
kills are done the last child trains to the end, and the final weights must be those of a run that was never killed, to
the last bit. Children are forks of this process, which has everything imported, so each starts in milliseconds.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a fork takes no threads along

from mlp import Network, Progress, StateError, Step, restore_state, save_state, train
from mlp.saving.atomic import remove_leftovers
from mlp.training.batches import ArrayBatches

SIZES = (64, 96, 96, 10)
EPOCHS = 10**9
BATCH = 50
SAMPLES = 1000
STEPS_PER_EPOCH = SAMPLES // BATCH


def child(path: Path, last_step: int | None, report: int) -> None:
    """Train on from the state at `path`, saving after each step and writing its number to `report`."""
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
    """The final weights' SHA-256 of a training of so many steps in one go."""
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
    """Fork a child; its process number, and where it reports the steps that it has saved."""
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
    """The number of the last step in the state at `path`, all of which is read; 0 where there is none."""
    if not path.exists():
        return 0
    progress = restore_state(path, Network(SIZES, momentum=0.9)).progress
    assert progress is not None
    return (progress.epoch - 1) * STEPS_PER_EPOCH + progress.step


def kill_often(path: Path, kills: int, *, chance: random.Random) -> dict[str, object]:
    """Kill `kills` children; what was found."""
    lost = in_saving = older = 0
    reached = 0
    for _ in range(kills):
        process, report = start(path, None)
        os.read(report, 8)  # it trains
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


def main() -> int:
    """Kill, report; 0 if nothing was lost."""
    parser = argparse.ArgumentParser(prog="python -m bench.kill", description="Kill a training at random moments.")
    parser.add_argument("--kills", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write what was found")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = kill_often(Path(folder) / "run.state", args.kills, chance=random.Random(args.seed))  # noqa: S311
    for name, value in found.items():
        print(f"{name.replace('_', ' ')}: {value}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if not found["states_lost"] and not found["states_older_than_reported"] and found["identical"] else 1


if __name__ == "__main__":
    sys.exit(main())
