"""Train for 10,000 steps and check that nothing grows: the peak of a step, the resident set, the open files.

    python -m bench.long_run --steps 10000

Stands for a run of hours. It measures the array bytes of every 100th step and saves the state every 500 steps. The
resident set should not grow after the first tenth, in which libraries take what they need.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from backend import resident_bytes
from checkpoint import NetworkWithCheckpointing, simulate
from mlp import ImageBatches, Network, Progress, Step, data, parse_sizes, save_state, train
from mlp.saving import environment

BATCH = 100
MEASURED_EVERY = 100
SAVED_EVERY = 500


@dataclass(frozen=True, slots=True)
class LongRun:
    """What was measured: the distinct peaks of a step, and resident bytes and open files after each tenth."""

    sizes: str
    strategy: str
    steps: int
    seconds: float
    predicted_peak_bytes: int
    peaks_bytes: list[int]
    resident_bytes: list[int]
    open_files: list[int]

    @property
    def resident_growth_bytes(self) -> int:
        """The growth of the resident set from the first tenth to the end."""
        return self.resident_bytes[-1] - self.resident_bytes[0]


def long_run(steps: int, sizes: str, every: int, folder: Path) -> LongRun:
    """Train for `steps` steps, keeping every `every`-th layer and saving into `folder`; returns what was measured."""
    network = NetworkWithCheckpointing(
        parse_sizes(sizes), checkpoint_every_nth_layer=every, activation="tanh", initialization="scaled"
    )
    sample = data.load("sample")
    batches = ImageBatches(network, sample.train_images, sample.train_labels)
    schedule = network.schedule_for(BATCH)
    peaks: set[int] = set()
    resident: list[int] = []
    files: list[int] = []
    taken = 0

    def update(X: Any, y: Any, eta: float) -> None:
        if taken % MEASURED_EVERY:
            network.update_mini_batch(X, y, eta=eta)
            return
        with network.backend.measure() as usage:
            network.update_mini_batch(X, y, eta=eta)
        peaks.add(usage.peak_bytes)

    def after_step(step: Step) -> None:
        nonlocal taken
        taken += 1
        if taken % SAVED_EVERY == 0:
            _save(folder / "run.state", network, step, len(batches))
        if taken % (steps // 10) == 0:
            resident.append(resident_bytes())
            files.append(psutil.Process().num_fds())

    begun = time.perf_counter()
    steps_per_epoch = -(-len(batches) // BATCH)
    train(
        network,
        batches,
        epochs=steps // steps_per_epoch,
        mini_batch_size=BATCH,
        eta=0.01,
        update=update,
        after_step=after_step,
    )
    seconds = time.perf_counter() - begun
    predicted = simulate(schedule, network.chain(BATCH)).peak_bytes
    return LongRun(sizes, schedule.name, taken, seconds, predicted, sorted(peaks), resident, files)


def _save(path: Path, network: Network, step: Step, n_samples: int) -> None:
    progress = Progress(step.epoch, step.step, step.epoch, BATCH, 0.01, True, n_samples)
    save_state(path, network, progress, keep=2)


def main() -> int:
    """Run and print what was measured; 0 if nothing grew."""
    parser = argparse.ArgumentParser(prog="python -m bench.long_run", description="Train long and watch the memory.")
    parser.add_argument("--steps", type=int, default=10_000, metavar="N", help="(default: 10000)")
    parser.add_argument("--sizes", default="784,64x16,10", metavar="SIZES", help="(default: 784,64x16,10)")
    parser.add_argument("--every", type=int, default=4, metavar="N", help="keep every N-th layer (default: 4)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write every figure")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = long_run(args.steps, args.sizes, args.every, Path(folder))
    constant = seen.peaks_bytes == [seen.predicted_peak_bytes]
    print(f"{seen.sizes}, {seen.strategy}, batch {BATCH}: {seen.steps} steps in {seen.seconds:.1f} s")
    print(f"peak of a step: {', '.join(f'{peak:,}' for peak in seen.peaks_bytes)} bytes, predicted", end=" ")
    print(f"{seen.predicted_peak_bytes:,}")
    print("resident MiB after each tenth: " + " ".join(f"{held / 2**20:.1f}" for held in seen.resident_bytes))
    print(f"growth since the first tenth: {seen.resident_growth_bytes / 2**10:.0f} KiB; open files: {seen.open_files}")
    if args.json:
        from backend import select_backend

        record = {**asdict(seen), "environment": environment(select_backend("numpy"))}
        args.json.write_text(json.dumps(record, indent=2) + "\n")
    return 0 if constant and seen.resident_growth_bytes < 2**22 and len(set(seen.open_files)) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
