"""The median seconds of our plain step in a process of its own: `python -m bench.steps.pace`, facts on standard input.

Everything is imported before the facts are read, so whoever starts it can first put it under a quota or a load.
"""

import json
import statistics
import sys
import time

from backend import select_backend
from bench.steps.cases import Case
from bench.steps.runners import ours
from bench.steps.ways import PLAIN, Way


def pace(case: Case, *, seconds: float) -> dict[str, float]:
    """Steps for about `seconds`: their median and their mean, and how many there were; three or more."""
    runner = ours(Way(PLAIN, "ours", key=PLAIN), case, select_backend("numpy"))
    runner.step()
    found: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(found) < 3:
        begun = time.perf_counter()
        runner.step()
        found.append(time.perf_counter() - begun)
    return {"median_seconds": statistics.median(found), "mean_seconds": statistics.fmean(found), "steps": len(found)}


def main() -> int:
    """Take the steps that standard input asks for, and print the figures as a line of JSON; 0."""
    facts = json.load(sys.stdin)
    case = Case(**{**facts["case"], "sizes": tuple(facts["case"]["sizes"])})
    print(json.dumps(pace(case, seconds=facts["seconds"])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
