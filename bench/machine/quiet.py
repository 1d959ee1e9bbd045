"""Whether anything else runs on this machine while a benchmark does: load, steal and other busy processes."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil

WATCHED_SECONDS = 1.0
BUSY_SHARE = 0.05
"""A process that takes more of one core than this disturbs a benchmark."""

MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Busy:
    """Another process and the share of one core that it took."""

    pid: int
    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """What was seen over a second in which this process slept.

    `load`: the system's average over the last minute, None where there is none. `others_share`: what the rest of the
    machine took, in cores, processes that cannot be seen included; `stolen_share`: what the hypervisor took.
    """

    load: float | None
    others_share: float
    stolen_share: float
    busy: tuple[Busy, ...]

    @property
    def quiet(self) -> bool:
        """Whether nothing else ran that would show in a ratio."""
        return not self.busy and self.others_share < 2 * BUSY_SHARE and self.stolen_share < BUSY_SHARE

    def __str__(self) -> str:
        """One line that says what else ran."""
        load = "" if self.load is None else f"; load {self.load:.2f}"
        if self.quiet:
            return f"nothing else runs{load}"
        named = ", ".join(f"{one.name} ({one.pid}) {one.share:.0%}" for one in self.busy[:MOST_NAMED])
        more = f" and {len(self.busy) - MOST_NAMED} more" if len(self.busy) > MOST_NAMED else ""
        seen = f": {named}{more}" if named else ""
        stolen = f", {self.stolen_share:.0%} of a core stolen" if self.stolen_share >= BUSY_SHARE else ""
        others = f"others take {self.others_share:.2f} cores{stolen}{seen}{load}"
        return f"NOT QUIET, so times and ratios are unreliable: {others}"


def look_around(seconds: float = WATCHED_SECONDS, *, sleep: Callable[[float], None] = time.sleep) -> Quiet:
    """What else ran while this process slept for `seconds`; its children and its threads count as its own."""
    own = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    before, system, begun = _seconds_by_process(), psutil.cpu_times(), time.perf_counter()
    sleep(seconds)
    after, later = _seconds_by_process(), psutil.cpu_times()
    passed = time.perf_counter() - begun
    shares = {pid: (taken - before.get(pid, ("", 0.0))[1]) / passed for pid, (_, taken) in after.items()}
    busy = [Busy(pid, after[pid][0], share) for pid, share in shares.items() if pid not in own and share > BUSY_SHARE]
    mine = sum(share for pid, share in shares.items() if pid in own)
    taken = (_busy_seconds(later) - _busy_seconds(system)) / passed
    return Quiet(
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        others_share=max(taken - mine, 0.0),
        stolen_share=(getattr(later, "steal", 0.0) - getattr(system, "steal", 0.0)) / passed,
        busy=tuple(sorted(busy, key=lambda one: -one.share)),
    )


def _seconds_by_process() -> dict[int, tuple[str, float]]:
    """The name of each process, and the seconds of a core that it has taken since it started."""
    found = {}
    for process in psutil.process_iter(["pid", "name", "cpu_times"]):
        times = process.info["cpu_times"]
        if times is not None:
            found[process.info["pid"]] = process.info["name"] or "?", times.user + times.system
    return found


def _busy_seconds(times: Any) -> float:
    idle = times.idle + getattr(times, "iowait", 0.0) + getattr(times, "steal", 0.0)
    # Guests' seconds are part of the user's.
    inside = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times) - idle - inside)
