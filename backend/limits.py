"""What this process may use of the machine: cores and memory, less than all where control groups limit it.

A container, a batch system or `systemd-run` puts a process into control groups (cgroups, of version 1 or 2). Their
limits hold for all processes of a group together, and a group is also held to the limits of every group that contains
it. The interfaces are described in the Linux kernel's documentation, admin-guide/cgroup-v1 and cgroup-v2.

`root` is the folder in which /proc and the mounted file systems are looked for; tests give another.
"""

import os
import re
from collections.abc import Iterator, Mapping
from math import ceil
from pathlib import Path

ROOT = Path("/")

MOST_DIGITS = 9
"""A longer number of threads is more than any machine has, and is read as no wish for fewer."""


def thread_count(*, root: Path = ROOT, environment: Mapping[str, str] | None = None) -> int:
    """The threads that compute: one for each core that may be used, or fewer where OMP_NUM_THREADS says so."""
    available = cores(root=root)
    wanted = requested_threads(os.environ if environment is None else environment)
    return available if wanted is None else min(available, wanted)


def requested_threads(environment: Mapping[str, str]) -> int | None:
    """The number of threads in OMP_NUM_THREADS, the first of a list; None where it holds no positive number.

    >>> requested_threads({"OMP_NUM_THREADS": "4,2"}), requested_threads({"OMP_NUM_THREADS": "many"})
    (4, None)
    """
    first = environment.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if not first.isdecimal() or len(first) > MOST_DIGITS:  # decimal in any script, which int() reads too
        return None
    return int(first) or None


def cores(*, root: Path = ROOT) -> int:
    """The cores that this process may use: those of its affinity, or fewer where a quota of CPU time is worth less.

    A quota is rounded up: with one and a half cores' time, two threads finish sooner than one.
    """
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [_cpu_quota(group) for group in _groups("cpu", root)]
    return max(1, min([own, *(ceil(quota) for quota in quotas if quota is not None)]))


def memory_bytes(*, root: Path = ROOT) -> int:
    """The most bytes that this process may ever take: the host's memory, or the least limit that it is held to."""
    import psutil  # which those who only count cores need not load

    limits = [_memory_limit(group) for group in _groups("memory", root)]
    return min([int(psutil.virtual_memory().total), *(limit for limit in limits if limit is not None)])


def free_memory_bytes(*, root: Path = ROOT) -> int:
    """The bytes that this process could take now: what the host has available and every limit leaves.

    Of what a group uses, cached files that were not used lately don't count: the kernel drops them first. A limit on
    the process's addresses, `ulimit -v`, counts too.
    """
    import psutil

    room = [int(psutil.virtual_memory().available)]
    for group in _groups("memory", root):
        limit = _memory_limit(group)
        if limit is not None:
            room.append(limit - _memory_used(group))
    addresses = _address_limit()
    if addresses is not None:
        room.append(addresses - int(psutil.Process().memory_info().vms))
    return max(min(room), 0)


def _cpu_quota(group: Path) -> float | None:
    """How many cores' time a group may use; None for no limit."""
    maximum = _text(group / "cpu.max").split()  # version 2: quota and period in microseconds
    if len(maximum) != 2:
        maximum = [_text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")]
    quota, period = (_number(text) for text in maximum)
    return quota / period if quota and period else None


def _memory_limit(group: Path) -> int | None:
    """The bytes that a group may use, with memory.high, past which it is slowed down to a halt; None for no limit."""
    names = ("memory.max", "memory.high", "memory.limit_in_bytes")
    limits = [_number(_text(group / name)) for name in names]
    return min((limit for limit in limits if limit is not None), default=None)


def _memory_used(group: Path) -> int:
    """The bytes that a group uses and cannot give back at once."""
    used = _number(_text(group / "memory.current") or _text(group / "memory.usage_in_bytes")) or 0
    statistics = dict(line.split(" ", 1) for line in _text(group / "memory.stat").splitlines() if " " in line)
    dropped = _number(statistics.get("total_inactive_file", statistics.get("inactive_file", ""))) or 0
    return max(used - dropped, 0)


def _address_limit() -> int | None:
    """The most bytes of addresses that this process may have; None for no limit, or where there are none."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """The folders of this process's groups that may limit something, its own first and then each that contains it."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, group = line.partition(":")  # after the hierarchy's number
        controllers, _, path = group.partition(":")
        if controllers and controller not in controllers.split(","):
            continue  # another hierarchy of version 1; that of version 2 names no controllers
        for mounted, place in _mounts(controller if controllers else None, root):
            # The part of the group's path below the mounted folder; in a container it may name what isn't visible.
            inside = os.path.relpath(path, mounted).split("/") if path.startswith(mounted) else []
            parts = [part for part in inside if part not in ("", ".", "..")]
            for depth in range(len(parts), -1, -1):
                yield place.joinpath(*parts[:depth])


def _mounts(controller: str | None, root: Path) -> Iterator[tuple[str, Path]]:
    """Each group of a controller's hierarchy, or for None of version 2's, that is mounted, and its folder."""
    for line in _text(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        if controller is None:
            matches = kind[0] == "cgroup2"
        else:
            matches = kind[0] == "cgroup" and controller in kind[2].split(",")
        if matches:
            yield _unescaped(fields[3]), root / _unescaped(fields[4]).lstrip("/")


def _unescaped(path: str) -> str:
    r"""A path as mountinfo writes it, with spaces and the like as octal numbers.

    >>> _unescaped(r"/my\040groups")
    '/my groups'
    """
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)


def _text(path: Path) -> str:
    """What a file holds; nothing where it isn't there or can't be read."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return ""


def _number(text: str) -> int | None:
    """A whole number that is 0 or more; None for "max", for -1, which mean no limit, and for anything else."""
    return int(text) if text.isdecimal() and len(text) < 20 else None
