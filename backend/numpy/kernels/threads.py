"""How many threads the kernels may have: cores of this process, quotas of its control groups, and OMP_NUM_THREADS."""

import os
from collections.abc import Iterator
from pathlib import Path

MOST_THREADS = 64


def thread_count(*, root: Path = Path("/")) -> int:
    """The cores that this process may use, no more than its CPU quota is worth, or fewer where OMP_NUM_THREADS says so.

    `root` is where /proc and the control groups' file systems are looked for.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [cores, MOST_THREADS, *(max(1, -int(-cpus // 1)) for cpus in quotas(root))]
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if wanted.isdecimal():  # digits of any script
        asked = int(wanted) if len(wanted) < 10 else MOST_THREADS
        limits += [asked] if asked else []
    return min(limits)


def quotas(root: Path = Path("/")) -> list[float]:
    """The CPUs' worth of time that each control group of this process, and each above it, may use; () for no limit."""
    found = []
    for folder in _group_folders(root):
        try:
            if (folder / "cpu.max").is_file():  # version 2
                quota, period = (folder / "cpu.max").read_text().split()
            else:
                quota = (folder / "cpu.cfs_quota_us").read_text().strip()
                period = (folder / "cpu.cfs_period_us").read_text().strip()
            if quota != "max" and int(quota) > 0 and int(period) > 0:
                found.append(int(quota) / int(period))
        except (OSError, ValueError):  # a group without this controller, or of another version
            continue
    return found


def _group_folders(root: Path) -> Iterator[Path]:
    """The folders of this process's groups that may limit CPU time, from its own up to where they are mounted."""
    try:
        groups = [line.split(":", 2) for line in (root / "proc/self/cgroup").read_text().splitlines()]
        mounts = [line.split() for line in (root / "proc/self/mountinfo").read_text().splitlines()]
    except OSError:  # not Linux
        return
    for group in groups:
        if len(group) != 3 or (group[1] and "cpu" not in group[1].split(",")):
            continue
        for fields in mounts:
            kind, options = (fields[fields.index("-") + 1], fields[-1]) if "-" in fields else ("", "")
            if kind != ("cgroup" if group[1] else "cgroup2") or (group[1] and "cpu" not in options.split(",")):
                continue
            mounted, place = fields[3].rstrip("/"), root / fields[4].lstrip("/")
            inside = group[2].removeprefix(mounted) if group[2].startswith(mounted) else ""  # else a container's view
            parts = [part for part in inside.split("/") if part not in ("", "..")]
            for depth in range(len(parts), -1, -1):
                yield place.joinpath(*parts[:depth])
