"""Limits of control groups, read from files as Linux writes them, for processes in groups of every kind."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from backend import free_bytes
from backend.limits import cores, free_memory_bytes, memory_bytes, requested_threads, thread_count

MIB = 2**20

V2 = "30 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n"
V1 = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)
UNLIMITED_V1 = "9223372036854771712"


@pytest.fixture
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


def tree(folder: Path, *, groups: str, mounts: str, files: dict[str, str]) -> Path:
    """A root folder with a process's groups, what is mounted, and the files of the groups."""
    texts = {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **files}
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


V2_GROUP = "sys/fs/cgroup/user.slice/job"


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize(
    ("inner", "outer", "wanted"),
    [
        ("max 100000", "max 100000", 64),
        ("200000 100000", "max 100000", 2),
        ("max 100000", "150000 100000", 2),  # a group that contains it
        ("400000 100000", "50000 100000", 1),
        ("25000 50000", "max 100000", 1),
        ("150000 100000", "max 100000", 2),  # one and a half cores' time
        ("garbage", "", 64),
    ],
)
def test_cores_are_no_more_than_the_least_quota_of_version_2(
    tmp_path: Path, inner: str, outer: str, wanted: int
) -> None:
    files = {f"{V2_GROUP}/cpu.max": inner, "sys/fs/cgroup/user.slice/cpu.max": outer}
    assert cores(root=tree(tmp_path, groups="0::/user.slice/job\n", mounts=V2, files=files)) == wanted


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize(("quota", "wanted"), [("-1", 64), ("200000", 2), ("50000", 1), ("0", 64)])
def test_cores_are_no_more_than_a_quota_of_version_1(tmp_path: Path, quota: str, wanted: int) -> None:
    place = "sys/fs/cgroup/cpu,cpuacct/docker/0f"
    files = {f"{place}/cpu.cfs_quota_us": quota, f"{place}/cpu.cfs_period_us": "100000"}
    groups = "9:name=systemd:/\n3:cpu,cpuacct:/docker/0f\n2:memory:/docker/0f\n0::/\n"
    assert cores(root=tree(tmp_path, groups=groups, mounts=V1, files=files)) == wanted


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize("groups", ["3:cpu,cpuacct:/docker/0f\n", "3:cpu,cpuacct:/\n", "3:cpu,cpuacct:/../elsewhere\n"])
def test_container_that_sees_its_own_group_alone_finds_its_limit(tmp_path: Path, groups: str) -> None:
    mounts = "32 31 0:29 /docker/0f /sys/fs/cgroup/cpu rw master:11 - cgroup cgroup rw,cpu,cpuacct\n"
    files = {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}
    assert cores(root=tree(tmp_path, groups=groups, mounts=mounts, files=files)) == 2


@pytest.mark.usefixtures("many_cores")
def test_folder_with_a_space_in_its_name_is_found(tmp_path: Path) -> None:
    mounts = r"30 23 0:28 / /my\040groups rw - cgroup2 cgroup2 rw" + "\n"
    root = tree(tmp_path, groups="0::/a\n", mounts=mounts, files={"my groups/a/cpu.max": "300000 100000"})
    assert cores(root=root) == 3


def test_where_there_are_no_groups_the_affinity_is_all(tmp_path: Path, many_cores: None) -> None:
    assert cores(root=tmp_path) == 64
    assert thread_count(root=tmp_path, environment={}) == 64


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        *[("4", 4), (" 4 ", 4), ("4,2", 4), ("٤", 4), ("٠١", 1), ("04", 4), ("४,2", 4)],
        *[("", None), ("0", None), ("-2", None), ("four", None), ("²", None), (",4", None), ("9" * 5000, None)],
    ],
)
def test_threads_asked_for_are_read_in_any_digits(text: str, wanted: int | None) -> None:
    assert requested_threads({"OMP_NUM_THREADS": text}) == wanted


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize(("asked", "wanted"), [("3", 3), ("100", 64), ("nonsense", 64)])
def test_fewer_threads_may_be_asked_for_and_no_more(tmp_path: Path, asked: str, wanted: int) -> None:
    assert thread_count(root=tmp_path, environment={"OMP_NUM_THREADS": asked}) == wanted


# Memory


def memory_v2(folder: Path, **files: str) -> Path:
    named = {f"{V2_GROUP}/memory.{name}": text for name, text in files.items()}
    return tree(folder, groups="0::/user.slice/job\n", mounts=V2, files=named)


def test_free_memory_is_what_the_group_of_version_2_has_left(tmp_path: Path) -> None:
    stat = f"anon {5 * MIB}\ninactive_file {3 * MIB}\nactive_file 7\n"
    root = memory_v2(tmp_path, max=str(40 * MIB), current=str(13 * MIB), stat=stat)
    assert (memory_bytes(root=root), free_memory_bytes(root=root)) == (40 * MIB, 30 * MIB)


def test_group_that_is_slowed_down_past_a_limit_is_held_to_that(tmp_path: Path) -> None:
    root = memory_v2(tmp_path, max="max", high=str(20 * MIB), current=str(21 * MIB))
    assert (memory_bytes(root=root), free_memory_bytes(root=root)) == (20 * MIB, 0)


def test_limit_of_a_group_that_contains_it_counts(tmp_path: Path) -> None:
    root = memory_v2(tmp_path, max="max", current=str(MIB))
    (root / "sys/fs/cgroup/user.slice/memory.max").write_text(str(30 * MIB))
    (root / "sys/fs/cgroup/user.slice/memory.current").write_text(str(25 * MIB))
    assert (memory_bytes(root=root), free_memory_bytes(root=root)) == (30 * MIB, 5 * MIB)


@pytest.mark.parametrize("limit", [str(50 * MIB), UNLIMITED_V1])
def test_free_memory_is_what_the_group_of_version_1_has_left(tmp_path: Path, limit: str) -> None:
    place = "sys/fs/cgroup/memory/docker/0f/memory"
    stat = f"inactive_file 1\ntotal_inactive_file {4 * MIB}\n"
    files = {f"{place}.limit_in_bytes": limit, f"{place}.usage_in_bytes": str(24 * MIB), f"{place}.stat": stat}
    root = tree(tmp_path, groups="2:memory:/docker/0f\n0::/\n", mounts=V1, files=files)
    if limit == UNLIMITED_V1:
        assert memory_bytes(root=root) == psutil.virtual_memory().total
        assert free_memory_bytes(root=root) > 30 * MIB
    else:
        assert (memory_bytes(root=root), free_memory_bytes(root=root)) == (50 * MIB, 30 * MIB)


def test_free_bytes_of_numpy_are_those_of_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    root = memory_v2(tmp_path, max=str(40 * MIB), current=str(13 * MIB))
    monkeypatch.setattr("backend.resident.free_memory_bytes", lambda: free_memory_bytes(root=root))
    assert free_bytes("numpy") == 27 * MIB


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits addresses by RLIMIT_AS")
def test_limit_on_addresses_counts() -> None:
    code = (
        "import resource, psutil; from backend.limits import free_memory_bytes;"
        "limit = psutil.Process().memory_info().vms + 2**26; resource.setrlimit(resource.RLIMIT_AS, (limit, limit));"
        "print(free_memory_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert 2**25 < int(done.stdout) <= 2**26
