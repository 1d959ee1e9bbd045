"""`python -m bench` prints, draws and writes what it measured."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from bench import __main__ as bench_main
from bench.__main__ import main
from bench.machine.quiet import Busy, Quiet
from bench.machine.rates import Rates
from bench.steps.cases import CASES
from bench.steps.peers.present import LIBRARIES
from bench.steps.ways import BUDGETS, COMPILED, JIT
from tests.bench.steps.rows import TINY


def hide(monkeypatch: pytest.MonkeyPatch, *libraries: str) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name in libraries else found(name, *more)
    )


def test_peers_that_are_absent_are_left_out_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(CASES, "classic", TINY)
    hide(monkeypatch, "torch", "jax", "sklearn")
    report, figure = tmp_path / "bench.json", tmp_path / "bench.png"
    options = ["--case", "classic", "--turns", "2", "--no-resident", "--json", str(report), "--figure", str(figure)]
    assert main(options) == 0
    printed = capsys.readouterr().out
    assert "NOT QUIET" in printed or "nothing else runs" in printed
    assert "of the time in layers bound by memory" in printed
    for name, library in LIBRARIES.items():
        assert f"{name} is left out: {library} is not installed\n" in printed
    found = json.loads(report.read_text())
    assert set(found["left_out"]) == set(LIBRARIES)
    assert {row["kind"] for row in found["cases"]["tiny"]} == {"control", "ours"}
    assert all(row["peak_bytes"] > 0 for row in found["cases"]["tiny"][1:])
    assert all(row["roofline"]["seconds"] > 0 for row in found["cases"]["tiny"][1:])
    assert found["environment"]["quiet"]["tiny"]["others_share"] >= 0
    assert found["environment"]["versions"]["numpy"] == np.__version__
    assert found["environment"]["threads"]["blas"] >= 1
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_only_quiet_ends_where_something_else_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench_main, "look_around", lambda: Quiet(2.0, 0.9, 0.0, (Busy(7, "other", 0.9),)))
    monkeypatch.setattr(bench_main, "measured_rates", lambda threads: Rates(1e11, 1e10, 2**25))
    assert main(["--case", "classic", "--no-peers", "--only-quiet"]) == 3
    assert "other (7) 90%" in capsys.readouterr().out


def test_compiled_steps_can_be_left_out(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench_main, "look_around", lambda: Quiet(2.0, 0.9, 0.0, ()))
    monkeypatch.setattr(bench_main, "measured_rates", lambda threads: Rates(1e11, 1e10, 2**25))
    monkeypatch.setattr(bench_main, "peer_facts", dict)
    monkeypatch.setattr(bench_main, "absent_peers", lambda: {JIT: "jax is not installed"})
    assert main(["--case", "classic", "--no-compile", "--only-quiet"]) == 3
    printed = capsys.readouterr().out
    left_out = [line.split(" is left out: ") for line in printed.splitlines() if " is left out: " in line]
    assert dict(left_out) == {JIT: "jax is not installed"} | dict.fromkeys((COMPILED, *BUDGETS), "--no-compile")


def test_unusable_backend_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--backend", "abacus"]) == 2
    assert capsys.readouterr().err == "bench: error: unknown backend 'abacus'; choose numpy or cupy\n"
