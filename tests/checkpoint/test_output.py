"""Files that the commands write: what cannot be written is found before the work, by making that very file."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from checkpoint.output import OutputError, check_writable, replace_file, write_json

AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def test_path_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.write_text("precious")
    check_writable(there)
    check_writable(tmp_path / "new.json")
    check_writable(None)
    assert there.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [there]


@pytest.mark.parametrize(
    "name", ["", "no/such/folder/a.json", "file/a.json", "a" * 256 + ".json", "a\0.json"], ids=lambda n: n[:20]
)
def test_path_that_cannot_be_written_is_refused_before_the_work(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write") as caught:
        check_writable(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(AS_ROOT, reason="root may write anywhere")
def test_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(OutputError, match="Permission denied"):
        check_writable(tmp_path / "a.json")


@pytest.mark.parametrize("length", [200, 240, 247, 250, 255])
def test_check_and_writing_agree_on_long_names(length: int, tmp_path: Path) -> None:
    """A name that the check passes is one that can be written; which names those are is the file system's affair."""
    path = tmp_path / ("a" * length)
    try:
        check_writable(path)
    except OutputError:
        with pytest.raises(OutputError):
            replace_file(path, b"x")
        assert list(tmp_path.iterdir()) == []
    else:
        replace_file(path, b"x")
        assert path.read_bytes() == b"x"


def test_json_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    write_json(path, {"a": "ü" * 5})
    assert json.loads(path.read_text()) == {"a": "ü" * 5}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
