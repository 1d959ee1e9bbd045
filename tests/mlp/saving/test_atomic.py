"""Files replaced whole or not at all: through links, with their modes, beside other writers; pipes stay pipes."""

import multiprocessing
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlp.saving.atomic import check_replaceable, remove_leftovers, replaced

ROOT = Path(__file__).parents[3]
posix = pytest.mark.skipif(os.name != "posix", reason="links, modes and pipes of POSIX")


def write(path: Path, content: bytes, **how: int) -> None:
    with replaced(path, **how) as file:
        file.write(content)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.state"


@posix
def test_older_file_that_is_the_same_one_leaves_nothing_behind(path):
    """Two writers at once, or one that was stopped, may have put this very file aside already."""
    write(path, b"old")
    path.with_name("run.state.1").hardlink_to(path)
    write(path, b"new", keep=1)
    assert names(path.parent) == ["run.state", "run.state.1"]
    assert (path.read_bytes(), path.with_name("run.state.1").read_bytes()) == (b"new", b"old")


def test_block_that_raises_changes_nothing_and_leaves_nothing(path):
    write(path, b"old")

    def give_up() -> None:
        with replaced(path, keep=2) as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        give_up()
    assert path.read_bytes() == b"old"
    assert names(path.parent) == ["run.state"]


def test_old_file_is_there_until_the_end(path):
    write(path, b"old")
    with replaced(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


# Links, modes, names


@posix
def test_link_is_written_through(tmp_path):
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    write(target, b"old")
    link.symlink_to(Path("folder") / "target")
    check_replaceable(link)
    write(link, b"new", keep=1)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["folder", "link"]
    assert names(tmp_path / "folder") == ["target", "target.1"]


@posix
def test_link_to_nothing_yet_makes_what_it_names(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "later")
    check_replaceable(link)
    assert names(tmp_path) == ["link"]
    write(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "later").read_bytes() == b"new"


@posix
@pytest.mark.parametrize("bits", [0o600, 0o640, 0o664, 0o444])
def test_mode_is_kept(path, bits):
    write(path, b"old")
    path.chmod(bits)
    check_replaceable(path)
    write(path, b"new", keep=1)
    assert (mode(path), path.read_bytes()) == (bits, b"new")


@posix
def test_what_was_private_is_so_at_every_moment(path):
    write(path, b"old")
    path.chmod(0o600)
    with replaced(path) as file:
        file.write(b"new")
        assert [mode(entry) for entry in path.parent.iterdir()] == [0o600, 0o600]


@posix
def test_new_file_has_the_mode_of_a_new_file(path):
    before = os.umask(0o027)
    try:
        write(path, b"new")
    finally:
        os.umask(before)
    assert mode(path) == 0o640


@pytest.mark.parametrize("length", [200, 250, 255])
def test_name_as_long_as_the_disk_takes_is_taken(tmp_path, length):
    path = tmp_path / ("a" * length)
    check_replaceable(path)
    assert names(tmp_path) == []
    write(path, b"new")
    assert names(tmp_path) == [path.name]


@pytest.mark.parametrize("name", ["a" * 256, "none/x", "x\0y", ""])
def test_name_that_the_disk_does_not_take_is_found_beforehand(tmp_path, name):
    with pytest.raises(OSError):
        check_replaceable(tmp_path / name)
    assert names(tmp_path) == []


def test_looking_beforehand_leaves_what_is_there(path):
    write(path, b"old")
    before = path.stat()
    check_replaceable(path)
    assert (path.stat().st_ino, path.read_bytes()) == (before.st_ino, b"old")
    assert names(path.parent) == ["run.state"]


# What is no regular file


@posix
def test_pipe_stays_a_pipe_and_its_reader_has_it_all(tmp_path):
    pipe, content = tmp_path / "pipe", bytes(range(256)) * 2000
    os.mkfifo(pipe)
    check_replaceable(pipe)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    with replaced(pipe, keep=3) as file:
        file.write(b"?" + content[1:])
        file.seek(0)
        file.write(content[:1])
    reader.join(20)
    assert found == [content]
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert names(tmp_path) == ["pipe"]


@posix
def test_device_stays_a_device():
    ours, theirs = os.openpty()
    try:
        terminal = Path(os.ttyname(theirs))
        check_replaceable(terminal)
        write(terminal, b"new")
        assert os.read(ours, 99) == b"new"
        assert stat.S_ISCHR(terminal.stat().st_mode)
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")
def test_file_by_the_name_of_what_is_open_is_added_to(path):
    with path.open("wb", buffering=0) as file:
        file.write(b"before, ")
        write(Path(f"/proc/self/fd/{file.fileno()}"), b"new")
    assert path.read_bytes() == b"before, new"


def test_folder_is_refused(tmp_path):
    for act in (check_replaceable, lambda path: write(path, b"new")):
        with pytest.raises(IsADirectoryError):
            act(tmp_path)
    assert names(tmp_path) == []


# Other writers


def write_often(path: Path, letter: bytes, times: int) -> None:
    for _ in range(times):
        write(path, letter * 300_000, keep=2)


@posix
@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_readers_find_a_whole_file_beside_any_number_of_writers(path, kind):
    write(path, b"a" * 300_000)
    make = threading.Thread if kind == "threads" else multiprocessing.get_context("spawn").Process
    writers = [make(target=write_often, args=(path, letter, 30)) for letter in (b"b", b"c", b"d")]
    for writer in writers:
        writer.start()
    reads = 0
    while any(writer.is_alive() for writer in writers):
        content = path.read_bytes()
        remove_leftovers(path)  # takes nothing from the living
        assert len(content) == 300_000
        assert len(set(content)) == 1
        reads += 1
    for writer in writers:
        writer.join()
        assert kind == "threads" or writer.exitcode == 0
    assert reads > 5
    assert names(path.parent) == ["run.state", "run.state.1", "run.state.2"]


HOLDS_ONE = """
import sys
from pathlib import Path
from mlp.saving.atomic import replaced
with replaced(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("ready", flush=True)
    sys.stdin.read()
"""


@posix
def test_leftover_of_a_killed_writer_is_removed_and_that_of_a_living_one_is_not(path):
    command = [sys.executable, "-c", HOLDS_ONE, path]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        (path.parent / ".mlp-notes.tmp").touch()
        remove_leftovers(path)
        assert len(names(path.parent)) == 2
        writer.kill()
        writer.wait()
        assert len(names(path.parent)) == 2
        remove_leftovers(path)
        assert names(path.parent) == [".mlp-notes.tmp"]


@posix
def test_leftover_that_is_a_link_is_not_followed(path):
    write(path, b"old")
    link = path.parent / ".mlp-0123456789abcdef.tmp"
    link.symlink_to(path)
    remove_leftovers(path)
    assert path.read_bytes() == b"old"


@posix
def test_file_taken_for_a_leftover_before_it_is_locked_is_made_again(path, monkeypatch):
    from mlp.saving import atomic

    lock, times = atomic._lock, []

    def too_late(descriptor: int) -> bool | None:
        times.append(descriptor)
        if len(times) == 1:
            remove_leftovers(path)
        return lock(descriptor)

    write(path, b"old")
    monkeypatch.setattr(atomic, "_lock", too_late)
    write(path, b"new")
    assert path.read_bytes() == b"new"
    assert len(times) == 3  # made, removed, made again
    assert names(path.parent) == ["run.state"]


def test_as_many_older_files_stay_as_there_are(tmp_path: Path) -> None:
    """A number to keep that is far larger than the files there are costs nothing."""
    path = tmp_path / "state"
    for content in (b"1", b"2", b"3"):
        write(path, content, keep=10**12)
    assert [(tmp_path / name).read_bytes() for name in ("state", "state.1", "state.2")] == [b"3", b"2", b"1"]
    assert len(names(tmp_path)) == 3
