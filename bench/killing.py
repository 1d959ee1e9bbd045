"""What the commands that kill have in common: their options, their figures in print and in JSON."""

import argparse
import json
import random
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol


class KillOften(Protocol):
    """Kills so many times, in a folder, at moments that `chance` draws; returns the figures."""

    def __call__(self, folder: Path, kills: int, *, chance: random.Random) -> Mapping[str, object]: ...


def report_kills(
    kill_often: KillOften, good: Callable[[Mapping[str, object]], bool], *, name: str, description: str, kills: int
) -> int:
    """Kill as the command line says, by default `kills` times, and report; 0 if the figures are `good`."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=description)
    parser.add_argument("--kills", type=int, default=kills, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the moments")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = kill_often(Path(folder), args.kills, chance=random.Random(args.seed))  # noqa: S311
    for figure, value in found.items():
        print(f"{figure.replace('_', ' ')}: {value}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if good(found) else 1
