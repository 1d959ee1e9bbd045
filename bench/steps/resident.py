"""The resident set of one way's steps in a process of its own: what the operating system had to provide.

    echo '{"case": ..., "way": ...}' | python -m bench.steps.resident

The peak of the resident set never falls, so a process that trains ten networks says nothing about one of them. It
counts libraries, BLAS's packing buffers and what malloc has not returned, so it is reported beside the array bytes and
proves nothing about them.
"""

import ctypes
import gc
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from backend import peak_resident_bytes, resident_bytes
from bench.machine.child import figures_of
from bench.steps.cases import Case
from bench.steps.runners import build
from bench.steps.ways import Way
from checkpoint import Schedule


@dataclass(frozen=True, slots=True)
class Resident:
    """`above_start_bytes`: the peak of the first steps above the resident set before them. `peak_bytes`: that peak.

    `own_peak`: whether the system reset the peak before them. If not, building the runner (a compiler's memory,
    say) may have set it, and `above_start_bytes` is too large.
    """

    above_start_bytes: int
    peak_bytes: int
    own_peak: bool


def resident_of(way: Way, case: Case, *, backend_name: str = "numpy", steps: int = 1) -> Resident:
    """The figures of a way in a process of its own. Raises `ChildError` where it cannot be built."""
    facts = {**facts_of(way, case), "backend": backend_name, "steps": steps}
    return Resident(**figures_of(["-m", "bench.steps.resident"], facts))


def measure(way: Way, case: Case, *, backend_name: str, steps: int) -> Resident:
    """Build the runner in this process and measure its first steps; compilation happens before."""
    return grown_bytes(build(way, case, backend_name=backend_name).step, times=steps)


def grown_bytes(step: Callable[[], None], *, times: int) -> Resident:
    """The resident set of this process while it takes its first steps."""
    gc.collect()
    own_peak = _reset_peak()
    before = resident_bytes()
    for _ in range(times):
        step()
    peak = peak_resident_bytes()
    return Resident(max(peak - before, 0), peak, own_peak)


def _reset_peak() -> bool:
    """Return freed memory and reset the peak; whether that worked. Linux can."""
    if sys.platform != "linux":
        return False
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (AttributeError, OSError):  # another C library, or a system that forbids it
        return False
    return True


def facts_of(way: Way, case: Case) -> dict[str, Any]:
    """A way and a case for a child, as JSON has them."""
    schedule = None if way.schedule is None else way.schedule.to_json()
    return {"way": {**asdict(replace(way, schedule=None)), "schedule": schedule}, "case": asdict(case)}


def way_and_case(facts: dict[str, Any]) -> tuple[Way, Case]:
    """Those of `facts_of`."""
    way, case = facts["way"], facts["case"]
    schedule = None if way["schedule"] is None else Schedule.from_json(way["schedule"])
    return Way(**{**way, "schedule": schedule}), Case(**{**case, "sizes": tuple(case["sizes"])})


def main() -> int:
    """Measure what standard input names and print the figures as a line of JSON; 0."""
    facts = json.load(sys.stdin)
    way, case = way_and_case(facts)
    print(json.dumps(asdict(measure(way, case, backend_name=facts["backend"], steps=facts["steps"]))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
