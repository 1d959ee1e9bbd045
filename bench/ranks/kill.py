"""Kill one of several ranks with SIGKILL at random moments, many times, and check that nothing is lost.

    python -m bench.ranks.kill --kills 20

Two to four ranks train a small network and save after every step. Some time later one of them is killed. All must end
within seconds, one line must name the rank, and the saved state must be whole and no older than before; the next ranks,
of another number, go on from it. After all kills the last ones train to the end of an epoch, and the final weights must
be those of one process that was never killed.
"""

import os
import random
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bench.killing import report_kills
from bench.ranks.launching import report, started
from mlp import StateError, read_state

NETWORK = ("--data", "sample", "--sizes", "784,20,12,10", "--batch-size", "700", "--momentum", "0.9", "--eta", "0.05")
SECONDS = 10.0
"""So long it may take until all ranks have ended."""


def kill_often(folder: Path, kills: int, *, chance: random.Random) -> dict[str, object]:
    """Kill one of several ranks so many times; returns the counts and whether the final weights are identical."""
    state = folder / "run.state"
    lost = older = unnamed = 0
    slowest = 0.0
    reached = (1, 0)
    for _ in range(kills):
        ranks, victim = chance.randint(2, 4), chance.random()
        begin = ["--resume", str(state)] if state.exists() else [*NETWORK, "--save", str(state)]
        process = started(ranks, [*begin, "--epochs", "100000", "--save-every", "1step"])
        assert process.stdout is not None
        line = ""
        while "as processes" not in line:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the ranks did not begin: {process.communicate()[1][-300:]}")
        numbers = re.findall(r"\d+", line.partition("processes")[2].partition(":")[0])
        rank = int(victim * ranks)
        time.sleep(chance.uniform(0.1, 1.5))
        begun = time.monotonic()
        os.kill(int(numbers[rank]), signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
        slowest = max(slowest, time.monotonic() - begun)
        if f"rank {rank} of {ranks} " not in errors:
            print(f"rank {rank} of {ranks} was killed, and this was said: {errors.strip()[-300:]}", file=sys.stderr)
            unnamed += 1
        try:
            progress = read_state(state).progress if state.exists() else None
        except StateError as error:
            print(f"lost: {error}", file=sys.stderr)
            lost += 1
            continue
        now = (1, 0) if progress is None else (progress.epoch, progress.step)
        older += now < reached
        reached = max(now, reached)
    epochs = str(reached[0])
    last = report(chance.randint(1, 4), ["--resume", str(state), "--epochs", epochs])
    once = report(None, [*NETWORK, "--epochs", epochs])
    return {
        "kills": kills,
        "states_lost": lost,
        "states_older": older,
        "ranks_not_named": unnamed,
        "slowest_end_seconds": round(slowest, 3),
        "epochs": reached[0],
        "identical": last["weights_sha256"] == once["weights_sha256"],
    }


def lost_nothing(found: Mapping[str, object]) -> bool:
    """Whether every state was whole and recent, the end the same, and all ranks ended in time."""
    good = not found["states_lost"] and not found["states_older"] and found["identical"]
    return bool(good) and float(str(found["slowest_end_seconds"])) < SECONDS


def main() -> int:
    """Kill and report; 0 if nothing was lost."""
    about = "Kill ranks at random moments."
    return report_kills(kill_often, lost_nothing, name="ranks.kill", description=about, kills=20)


if __name__ == "__main__":
    sys.exit(main())
