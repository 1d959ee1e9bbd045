"""A share of the processor for one child, by a control group of Linux, version 1 or 2."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PERIOD_MICROSECONDS = 100_000


class NoQuota(Exception):
    """No quota can be set on this machine; its text says why."""


@contextmanager
def quota(cores: float) -> Iterator[Callable[[int], None]]:
    """A function that puts a process, by its number, into a new group with `cores` cores' worth of time.

    The group is removed at the end, when its processes must have ended. Raises `NoQuota`.
    """
    group = _own_group() / f"mlp-checkpointing-bench-{os.getpid()}"
    microseconds = int(cores * PERIOD_MICROSECONDS)
    try:
        group.mkdir()
    except OSError as error:
        raise NoQuota(f"cannot make a control group: {error.strerror}") from None
    try:
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text(f"{microseconds} {PERIOD_MICROSECONDS}")
        elif (group / "cpu.cfs_quota_us").exists():
            (group / "cpu.cfs_period_us").write_text(f"{PERIOD_MICROSECONDS}")
            (group / "cpu.cfs_quota_us").write_text(f"{microseconds}")
        else:
            raise NoQuota("the control group has no processor controller")
        yield lambda pid: _join(group, pid)
    except OSError as error:
        raise NoQuota(f"cannot set a quota: {error.strerror}") from None
    finally:
        with suppress(OSError):
            group.rmdir()


def _join(group: Path, pid: int) -> None:
    (group / "cgroup.procs").write_text(str(pid))


def _own_group() -> Path:
    """The folder of this process's group that has, or may have, the processor's controller. Raises `NoQuota`."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        raise NoQuota("there are no control groups on this system") from None
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            for root in (Path("/sys/fs/cgroup") / controllers, Path("/sys/fs/cgroup/cpu")):
                if root.is_dir():
                    return root / path.lstrip("/")
    for line in lines:
        if line.startswith("0::"):
            return Path("/sys/fs/cgroup") / line[3:].lstrip("/")
    raise NoQuota("this process is in no control group with a processor controller")
