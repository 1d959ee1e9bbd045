"""Objects of compiled kernels: which is loaded, and what becomes of those that are stale, cut short or not there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend import BackendUnavailable
from backend.facts import UNCOMPILED
from backend.numpy.kernels import compiling
from backend.numpy.kernels.compiling import FOLDER, LEVELS, MANIFEST, here, object_name, sources_hash
from backend.numpy.kernels.loading import VARIABLE, load_library

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path, compiled: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the objects that are here."""
    monkeypatch.delenv(VARIABLE, raising=False)
    facts = json.loads((FOLDER / MANIFEST).read_text())
    for name in (MANIFEST, *facts["objects"]):
        shutil.copy(FOLDER / name, tmp_path)
    return tmp_path


def change_manifest(folder: Path, **facts: Any) -> None:
    found = json.loads((folder / MANIFEST).read_text()) | facts
    (folder / MANIFEST).write_text(json.dumps(found))


def refused(folder: Path, name: str) -> str:
    with pytest.raises(BackendUnavailable) as caught:
        load_library(folder)
    assert name in caught.value.reason
    assert "pip install" in caught.value.remedy
    assert "\n" not in str(caught.value)
    return caught.value.reason


def best(folder: Path) -> Path:
    target = here()
    return folder / object_name(LEVELS[target.machine][0], target)


def test_best_object_is_loaded(folder, compiled):
    library, level = load_library(folder)
    assert library is not None
    assert level == compiled.engine.level


def test_level_can_be_asked_for(folder, compiled, monkeypatch):
    monkeypatch.setenv(VARIABLE, compiled.engine.level)
    assert load_library(folder)[1] == compiled.engine.level
    monkeypatch.setenv(VARIABLE, "v9")
    with pytest.raises(BackendUnavailable, match="is 'v9'; choose numpy or"):
        load_library(folder)


def test_numpy_s_kernels_can_be_asked_for(folder, monkeypatch):
    monkeypatch.setenv(VARIABLE, "numpy")
    assert load_library(folder)[0] is None


def test_nothing_compiled_is_said(tmp_path, compiled, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert load_library(tmp_path) == (
        None,
        f"none were compiled when this was installed, for want of a C compiler ({tmp_path})",
    )


def test_objects_of_other_sources_are_refused_by_name(folder):
    change_manifest(folder, sources="0" * 16)
    assert "made of other sources" in refused(folder, MANIFEST)


def test_object_left_by_an_older_version_is_refused_by_name(folder, monkeypatch):
    """Its manifest was renewed, and it was not."""
    change_manifest(folder, sources="f" * 16)
    monkeypatch.setattr("backend.numpy.kernels.loading.sources_hash", lambda: "f" * 16)
    assert "was made of other sources" in refused(folder, best(folder).name)


@pytest.mark.parametrize("keep", [0, 100, 50_000])
def test_object_that_is_cut_short_is_refused_and_not_loaded(keep, folder):
    best(folder).write_bytes(best(folder).read_bytes()[:keep])
    assert "cut short" in refused(folder, best(folder).name)


def test_object_that_is_gone_is_refused_by_name(folder):
    best(folder).unlink()
    assert "cannot be read" in refused(folder, best(folder).name)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sources": 1}', '{"objects": 3, "sources": "a"}', "\xff"])
def test_manifest_that_is_no_manifest_is_refused(text, folder):
    (folder / MANIFEST).write_text(text, encoding="latin-1")
    refused(folder, MANIFEST)


def test_object_that_is_no_library_is_refused(folder):
    import hashlib

    best(folder).write_bytes(b"not a library" * 100)
    change_manifest(folder, objects={best(folder).name: hashlib.sha256(best(folder).read_bytes()).hexdigest()})
    assert "cannot be loaded" in refused(folder, best(folder).name)


def test_read_only_installation_works_and_nothing_is_written(compiled):
    """Of compiled code nothing is kept anywhere: there is no cache to be read-only, full, truncated or stale."""
    code = "from backend import select_backend; print(select_backend('numpy').engine.level)"
    environment = {
        **os.environ,
        "HOME": "/nonexistent",
        "XDG_CACHE_HOME": "/nonexistent",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    before = {path: path.stat().st_mtime_ns for path in FOLDER.iterdir()}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, check=False)
    assert done.stdout.decode().strip() == compiled.engine.level
    assert {path: path.stat().st_mtime_ns for path in FOLDER.iterdir()} == before


def test_where_nothing_is_compiled_one_line_says_so_and_numpy_s_kernels_serve(compiled, tmp_path):
    shutil.copytree(
        ROOT / "backend", tmp_path / "backend", ignore=shutil.ignore_patterns("*.so", MANIFEST, "__pycache__")
    )
    code = "from backend import select_backend; print(select_backend('numpy').variant)"
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE} | {
        "PYTHONPATH": str(tmp_path)
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == UNCOMPILED, done.stderr
    assert done.stderr.count("NumPy's own kernels are used") == 1


# Compiling


def test_hash_changes_with_every_source(tmp_path, monkeypatch):
    for path in compiling.sources():
        shutil.copy(path, tmp_path)
    whole = sources_hash()
    monkeypatch.setattr(compiling, "FOLDER", tmp_path)
    assert sources_hash() == whole
    found = set()
    for path in compiling.sources():
        text = path.read_text()
        path.write_text(text + " ")
        found.add(sources_hash())
        path.write_text(text)
    assert len(found - {whole}) == len(compiling.sources())


def test_without_a_compiler_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(compiling, "zig_compiler", lambda: None)
    with pytest.raises(compiling.NotCompiled, match="there is no C compiler"):
        compiling.compile_objects(folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_compiler_that_compiles_nothing_is_not_taken(monkeypatch, tmp_path):
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CC", str(broken))
    assert compiling.system_compiler() is None


def test_other_processors_have_no_kernels(tmp_path):
    with pytest.raises(compiling.NotCompiled, match="no kernels for riscv64"):
        compiling.compile_objects(compiling.Target("riscv64", None, ".so"), tmp_path)
