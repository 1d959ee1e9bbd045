"""The benchmark: that every way does the same work, and that turns, tables, records and pictures say what they claim.

Nothing here asserts a speed.
"""

import importlib.util
import json
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.__main__ import main
from bench.steps import peers
from bench.steps.cases import CASES, MIB, Case
from bench.steps.labels import Label, overlaps, place_labels
from bench.steps.picture import draw, figure_of
from bench.steps.resident import Resident, resident_of
from bench.steps.runners import Absent, Runner, build
from bench.steps.table import record, table
from bench.steps.timing import SPINNING_SECONDS, Timed, order_of, time_interleaved
from bench.steps.ways import CONTROL, EAGER, JIT, PEERS, PLAIN, SEQUENTIAL, Way, our_ways, ways
from checkpoint import every_nth, simulate
from checkpoint.drawing.canvas import new_figure

TINY = Case("tiny", "a test", (12, *[8] * 11, 3), 16, every=3, row_block_mib=1, one_extra_mib=1, steps=2)
ROOT = Path(__file__).parents[2]


def timed(name: str, *turns: float, peak_mib: float | None = 1.0, **more: Any) -> Timed:
    kind = "control" if name == CONTROL else "peer" if name in PEERS else "ours"
    resident = more.pop("resident", None)
    return Timed(Way(name, kind, **more), turns, None if peak_mib is None else int(peak_mib * MIB), resident)


# The work


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [way.name for way in ways(TINY, front=True) if way.kind != "control"])
def test_every_way_takes_the_same_step(name: str) -> None:
    way = next(way for way in ways(TINY, front=True) if way.name == name)
    try:
        runner = build(way, TINY)
    except Absent as reason:
        pytest.skip(f"{name}: {reason}")
    plain = build(Way(PLAIN, "ours"), TINY)
    for before, same in zip(runner.weights(), plain.weights(), strict=True):
        np.testing.assert_array_equal(before, same)
    begun = [W.copy() for W in plain.weights()]
    for _ in range(3):
        runner.step()
        plain.step()
    for first, own, same in zip(begun, runner.weights(), plain.weights(), strict=True):
        np.testing.assert_allclose(own - first, same - first, rtol=1e-2, atol=2e-7)
    assert any((first != own).any() for first, own in zip(begun, runner.weights(), strict=True))


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_plans_keep_to_what_their_names_say(case: Case) -> None:
    for way in our_ways(case):
        if way.schedule is None:
            continue
        found = simulate(way.schedule, case.chain)
        budget = {"one extra forward": case.one_extra_mib, "row blocks": case.row_block_mib}.get(way.key)
        assert way.recompute_fraction == found.recompute_fraction <= (0 if way.key == "row blocks" else 1)
        assert budget is None or found.peak_bytes <= budget * MIB


# Turns


def entries(log: list[str], libraries: dict[str, str]) -> list[tuple[Way, Runner]]:
    def entry(name: str, library: str) -> tuple[Way, Runner]:
        return Way(name, "ours", library), Runner(name, "ours", lambda: log.append(name), lambda: 7)

    return [entry(name, library) for name, library in libraries.items()]


def test_each_turn_takes_every_runner_once_after_a_step_that_is_not_timed() -> None:
    log: list[str] = []
    found = entries(log, dict.fromkeys("abcd", "numpy"))
    rows = time_interleaved(TINY, found, turns=3, sleep=lambda seconds: None)
    per_runner = 1 + TINY.steps
    assert len(log) == 3 * 4 * per_runner
    blocks = [log[start : start + per_runner] for start in range(0, len(log), per_runner)]
    assert all(len(set(block)) == 1 for block in blocks)
    for turn in range(3):
        assert sorted(block[0] for block in blocks[4 * turn : 4 * turn + 4]) == list("abcd")
    assert [row.way.name for row in rows] == list("abcd")
    assert {len(row.turns) for row in rows} == {3}
    assert {row.peak_bytes for row in rows} == {7}


def test_threads_of_another_library_are_waited_for_and_its_own_are_not() -> None:
    log: list[str] = []
    found = entries(log, {"a": "numpy", "b": "numpy", "c": "torch", "d": "jax"})

    def sleep(seconds: float) -> None:
        assert seconds == SPINNING_SECONDS
        log.append("sleep")

    time_interleaved(TINY, found, turns=6, sleep=sleep)
    library = {way.name: way.library for way, _ in found}
    taken = log[log.index("sleep") + 1 :]
    for place, name in enumerate(taken[1:-1], start=1):
        before, after = taken[place - 1], taken[place + 1]
        if name == "sleep":
            assert library[before] != library[after]
        elif after != "sleep":
            assert library[name] == library[after]


def test_no_runner_always_follows_the_same_one() -> None:
    followed = {after: set() for after in range(6)}
    for turn in range(10):
        for before, after in pairwise(order_of(turn, 6, seed=0)):
            followed[after].add(before)
    assert all(len(neighbours) > 2 for neighbours in followed.values())
    assert [order_of(turn, 6, seed=0) for turn in range(5)] != [order_of(turn, 6, seed=1) for turn in range(5)]


def test_ratio_is_the_median_of_the_turns_ratios_and_not_the_ratio_of_medians() -> None:
    control, own = timed(CONTROL, 1.0, 10.0, 2.0), timed(PLAIN, 2.0, 10.0, 6.0)
    assert own.ratio_to(control) == 2.0
    assert own.seconds / control.seconds == 3.0


def test_seconds_are_of_one_step() -> None:
    ticks = iter([0.0, 3.0])
    row = time_interleaved(
        TINY, entries([], {"a": "numpy"}), turns=1, clock=lambda: next(ticks), sleep=lambda seconds: None
    )[0]
    assert row.seconds == 1.5


# The table


def rows() -> list[Timed]:
    return [
        timed(CONTROL, 0.010, peak_mib=None),
        timed(PLAIN, 0.015, peak_mib=100, recompute_fraction=0.0, resident=Resident(120 * MIB, 200 * MIB, True)),
        timed("sqrt", 0.020, peak_mib=25, recompute_fraction=0.88),
        timed(EAGER, 0.030, peak_mib=125, library="torch"),
        timed(SEQUENTIAL, 0.040, peak_mib=50, library="torch"),
        timed(JIT, 0.050, peak_mib=110, library="jax"),
    ]


def cells(text: str, name: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(name)).removeprefix(name).split()


def test_table_has_time_and_bytes_as_ratios_to_each_that_is_compared_with() -> None:
    text = table(TINY, rows())
    times = ["20.00", "2.00", "1.33", "0.67", "0.50", "0.40"]
    assert cells(text, "sqrt") == [*times, "25.0", "0.250", "0.200", "0.88"]
    assert cells(text, "plain")[-6:] == ["100.0", "1.000", "0.800", "120", "200", "0.00"]
    assert cells(text, CONTROL) == ["10.00", "1.00", "0.67", "0.33", "0.25", "0.20"]


def test_table_without_peers_or_resident_sets_has_no_empty_columns() -> None:
    text = table(TINY, [rows()[0], timed(PLAIN, 0.02, peak_mib=4, recompute_fraction=0.0)])
    assert "PyTorch" not in text
    assert "resident" not in text
    assert cells(text, "plain") == ["20.00", "2.00", "1.00", "4.0", "1.000", "0.00"]


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_table_is_at_most_150_columns_wide(case: Case) -> None:
    found = [Timed(way, (12.3456,), 2**30, Resident(2**31, 2**32, True)) for way in ways(case, front=True)]
    assert max(map(len, table(case, found).splitlines())) <= 150


def test_record_has_bytes_seconds_and_every_turn() -> None:
    found = record(rows()[1], rows())
    assert found["seconds"] == 0.015
    assert found["turn_seconds"] == [0.015]
    assert found["peak_bytes"] == 100 * MIB
    assert found["resident"] == {"above_start_bytes": 120 * MIB, "peak_bytes": 200 * MIB, "own_peak": True}
    assert found["time_ratios"] == {CONTROL: 1.5, PLAIN: 1.0, EAGER: 0.5, SEQUENTIAL: 0.375, JIT: pytest.approx(0.3)}


# The resident set


def test_resident_set_of_a_process_apart_sees_the_step_and_not_this_process() -> None:
    case = Case("wide", "a test", (256, *[256] * 8, 10), 8192, every=2, row_block_mib=None)  # 8 MiB a layer
    here = np.ones(512 * MIB, np.uint8)
    plain = resident_of(Way(PLAIN, "ours"), case)
    checkpointed = resident_of(Way("every 4th", "ours", schedule=every_nth(n_layers=9, n=4)), case)
    assert here.nbytes > 400 * MIB
    assert 60 * MIB < plain.above_start_bytes < 160 * MIB
    assert checkpointed.above_start_bytes < plain.above_start_bytes - 8 * MIB
    assert plain.above_start_bytes < plain.peak_bytes < 512 * MIB


# Peers that are not there


def hide(monkeypatch: pytest.MonkeyPatch, *libraries: str) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name in libraries else found(name, *more)
    )


def test_peers_that_are_absent_are_left_out_by_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(CASES, "classic", TINY)
    hide(monkeypatch, "torch", "jax")
    report, figure = tmp_path / "bench.json", tmp_path / "bench.png"
    options = ["--case", "classic", "--turns", "2", "--no-resident", "--json", str(report), "--figure", str(figure)]
    assert main(options) == 0
    printed = capsys.readouterr().out
    for name, library in PEERS.items():
        assert f"{name} is left out: {library} is not installed\n" in printed
    found = json.loads(report.read_text())
    assert set(found["left_out"]) == set(PEERS)
    assert {row["kind"] for row in found["cases"]["tiny"]} == {"control", "ours"}
    assert all(row["peak_bytes"] > 0 for row in found["cases"]["tiny"][1:])
    assert found["environment"]["versions"]["numpy"] == np.__version__
    assert found["environment"]["threads"]["blas"] >= 1
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_compiled_peer_is_left_out_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: object())
    assert peers.absent_peers() == {"PyTorch compile": "it needs a C++ compiler, and none of g++, clang++, c++ is here"}


def test_absent_peer_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "jax")
    with pytest.raises(Absent, match="jax is not installed"):
        build(Way(JIT, "peer", "jax"), TINY)


def test_unusable_backend_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--backend", "abacus"]) == 2
    assert capsys.readouterr().err == "bench: error: unknown backend 'abacus'; choose numpy or cupy\n"


def test_peers_are_in_an_extra_and_nowhere_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    others = [
        *project["dependencies"],
        *(name for extra, names in extras.items() if extra != "bench" for name in names),
    ]
    for peer in ("torch", "jax"):
        assert any(name.startswith(peer) for name in extras["bench"])
        assert not any(name.startswith(peer) for name in others)


# The picture


def test_labels_of_crowded_points_cover_neither_each_other_nor_the_border() -> None:
    figure = new_figure(7, 5)
    axes = figure.subplots()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    labels = [Label(9.0 + 0.05 * place, 5.0 + 0.1 * place, f"label number {place}", "black") for place in range(6)]
    placed = place_labels(figure, axes, labels)
    assert len(placed) == 6
    assert overlaps(placed) == 0
    assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in placed)
    assert all(axes.bbox.y0 <= box.y0 and box.y1 <= axes.bbox.y1 for box in placed)


def test_labels_that_cover_each_other_are_noticed() -> None:
    figure = new_figure(7, 5)
    axes = figure.subplots()
    axes.set(xlim=(0, 10), ylim=(0, 10))
    found = place_labels(figure, axes, [Label(5, 5, "one", "black")])
    assert overlaps([*found, *found]) == 1


def test_picture_has_the_front_as_a_line_by_bytes_and_the_floor(tmp_path: Path) -> None:
    found = [
        *rows(),
        timed("planned", 0.017, peak_mib=30, planned=True),
        timed("half", 0.016, peak_mib=50, planned=True),
    ]
    figure = figure_of({"classic": found})
    lines = {str(line.get_label()): line for line in figure.axes[0].lines}
    front = lines["our front, whole mini-batches"]
    assert list(front.get_xdata()) == [30, 50]
    assert list(front.get_ydata()) == pytest.approx([1.7, 1.6])
    assert list(lines["matrix products alone"].get_ydata()) == [1, 1]
    draw({"classic": found, "deep": found, "long": found}, tmp_path / "three.png")
    assert (tmp_path / "three.png").stat().st_size > 1000
