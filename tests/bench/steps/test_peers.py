"""Peers that cannot run are left out by name."""

import importlib.util
import tomllib
from pathlib import Path

import pytest

from bench.steps.peers import absent_peers, present
from bench.steps.runner import Absent
from bench.steps.runners import build
from bench.steps.ways import BUDGETS, COMPILED, JIT, Way
from tests.bench.steps.rows import TINY

ROOT = Path(__file__).parents[3]


def test_compiled_peer_is_left_out_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(present.shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: object())
    reason = "it needs a C++ compiler, and none of g++, clang++, c++ is installed"
    assert absent_peers() == dict.fromkeys((COMPILED, *BUDGETS), reason)


def test_absent_peer_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None)
    with pytest.raises(Absent, match="jax is not installed"):
        build(Way(JIT, "peer", "jax"), TINY)


def test_peers_are_in_extras_that_ask_for_them_and_nowhere_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for peer, asking in (("torch", {"bench", "torch"}), ("jax", {"bench"})):
        naming = {extra for extra, names in extras.items() if any(name.startswith(peer) for name in names)}
        assert naming == asking
        assert not any(name.startswith(peer) for name in project["dependencies"])
