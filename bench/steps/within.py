"""A way's first steps in a process of its own whose private memory the system may limit: Linux's RLIMIT_DATA.

    echo '{"case": ..., "way": ..., "steps": 2, "limit_bytes": 300000000}' | python -m bench.steps.within

The limit holds from before the way's library is loaded. It counts what the process alone may write, stacks of threads
included, whether it is touched or not; code that libraries share is not in it, but in the resident set.
"""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from backend import peak_resident_bytes
from bench.machine.child import figures_of
from bench.steps.cases import Case
from bench.steps.resident import facts_of, way_and_case
from bench.steps.runners import build
from bench.steps.ways import Way

SAMPLE_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Taken:
    """`peak_bytes`: the resident peak of the process. `private_bytes`: its private memory at most; None under a limit.

    Samples tell it, by a thread that takes some MiB itself.
    """

    peak_bytes: int
    private_bytes: int | None


def taken_by(
    way: Way, case: Case, *, steps: int, limit_bytes: int | None = None, within_seconds: float | None = None
) -> Taken:
    """What `steps` steps take within a limit. Raises `ChildError` where they fail, `ChildLate` after some seconds."""
    facts = {**facts_of(way, case), "steps": steps, "limit_bytes": limit_bytes}
    return Taken(**figures_of(["-m", "bench.steps.within"], facts, within_seconds=within_seconds))


@contextmanager
def _private_bytes() -> Iterator[list[int]]:
    """A list whose only item is the most private memory that was seen, by samples."""
    most, over = [_now()], threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_SECONDS):
            most[0] = max(most[0], _now())

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield most
    finally:
        over.set()
        watching.join()


def _now() -> int:
    with Path("/proc/self/status").open(encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData:"))


def main() -> int:
    """Take the steps that standard input names and print the figures as a line of JSON; 0."""
    facts = json.load(sys.stdin)
    limit = facts["limit_bytes"]
    if limit is not None:
        import resource  # which Windows has not

        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    way, case = way_and_case(facts)
    with _private_bytes() if limit is None else nullcontext([None]) as most:
        step = build(way, case).step
        for _ in range(facts["steps"]):
            step()
    print(json.dumps(asdict(Taken(peak_resident_bytes(), most[0]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
