"""Timings of this machine that are kept from run to run, with the state of the machine that they are true of.

One JSON file in the user's cache folder. A record that was made with other versions, another number of threads or on
another processor is never found again, so what depends on them is timed anew.
"""

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from backend import Backend
from checkpoint.output import OutputError, write_json
from mlp.saving import environment

FILE_NAME = "timings.json"

REPEATS = 3
"""Each time is the least of this many: what disturbs a timing only adds to it."""


class Timings:
    """What was timed on `backend`, by name: numbers, or records of numbers.

    `path`: the file that they are kept in, that of the user's cache folder by default; `save` writes it.
    """

    def __init__(self, backend: Backend, path: Path | None = None) -> None:
        self._path = default_file() if path is None else path
        self.state = machine_state(backend)
        self._records = dict(_kept(_read(self._path), self.state))
        self._changed = False

    def get(self, name: str) -> Any:
        """What was timed under `name`; None where nothing was."""
        return self._records.get(name)

    def put(self, name: str, record: Any) -> None:
        """Remember `record` under `name`."""
        self._records[name] = record
        self._changed = True

    def save(self) -> None:
        """Write the file, if anything is new. A folder that cannot be written costs a measurement next time."""
        if not self._changed:
            return
        others = [kept for kept in _read(self._path) if kept["state"] != self.state]
        ours = {"state": self.state, "timings": {**_kept(_read(self._path), self.state), **self._records}}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, {"machines": [*others, ours]})
        except (OSError, OutputError):
            return
        self._changed = False


def default_file() -> Path:
    """The file in the user's cache folder."""
    import pooch

    return Path(pooch.os_cache("mlp-checkpointing")) / FILE_NAME


def machine_state(backend: Backend) -> dict[str, str]:
    """What a time depends on beside what is timed: versions, device, threads, processor and cores."""
    return {**environment(backend), "processor": processor_name(), "cores": str(_usable_cores())}


def processor_name() -> str:
    """What the processor calls itself; "" where nobody says."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # not Linux
        pass
    return platform.processor()


def least_seconds(run: Callable[[], None], backend: Backend) -> float:
    """The least seconds of `REPEATS` runs, after one that warms up."""
    run()
    least = float("inf")
    for _ in range(REPEATS):
        backend.synchronize()
        begun = time.perf_counter()
        run()
        backend.synchronize()
        least = min(least, time.perf_counter() - begun)
    return least


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read(path: Path) -> list[dict[str, Any]]:
    """The records of all machine states in a file; none where there is no file, or something else is in it."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    machines = record.get("machines") if isinstance(record, dict) else None
    return [kept for kept in machines if _is_record(kept)] if isinstance(machines, list) else []


def _is_record(kept: object) -> bool:
    return isinstance(kept, dict) and isinstance(kept.get("state"), dict) and isinstance(kept.get("timings"), dict)


def _kept(machines: list[dict[str, Any]], state: Mapping[str, str]) -> dict[str, Any]:
    return next((kept["timings"] for kept in machines if kept["state"] == state), {})
