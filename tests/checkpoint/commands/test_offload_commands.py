"""The commands with --offload: bytes as predicted, plans without a GPU, and one line for each wrong input."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend import select_backend
from checkpoint import BudgetError, NetworkWithCheckpointing, Offloading, chain_of, plan_chain
from checkpoint.measuring.bandwidth import ASSUMED_FLOPS, measured_rates, rates_for
from tests.checkpoint.commands.test_commands import run
from tests.conftest import VARIANT, NumpyBackend, backend_called

DEEP = ["--data", "sample", "--sizes", "784,32x12,10", "--epochs", "1", "--batch-size", "200"]
"""A batch that is too small for row blocks to do without recomputing in these budgets."""
WAYS = [
    ["--checkpoint", "every:1"],
    ["--checkpoint", "every:3", "--dtype", "float64", "--verify"],
    ["--checkpoint", "sqrt", "--momentum", "0.5", "--cost", "cross-entropy"],
    ["--budget", "45%", "--bandwidth", "900GB/s", "--speed", "1GFLOP/s"],
]


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nothing that is measured here is kept for real."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("pooch.os_cache", lambda project: folder / project)
    return folder


def on(name: str, folder: Path) -> list[str]:
    """The options that offload on a backend; skips the test where it cannot run."""
    backend_called(name)
    return ["--backend", name, "--offload", "host" if name == "cupy" else str(folder)]


BACKENDS = pytest.mark.parametrize("name", ["numpy", pytest.param("cupy", marks=pytest.mark.gpu)])


@BACKENDS
@pytest.mark.parametrize("how", WAYS, ids=" ".join)
def test_train_takes_the_bytes_predicted_and_ends_with_plain_s_weights(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, how: list[str]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    options = ["train", *DEEP, *how, *on(name, place)]
    report, plain = tmp_path / "run.json", tmp_path / "plain.json"
    status, out, err = run(capsys, *options, "--json", report)
    record = json.loads(report.read_text())
    assert (status, err) == (0, "")
    assert "(as predicted)" in out
    assert "offloaded: " in out
    assert record["measured_peak_bytes"] == record["predicted_peak_bytes"]
    assert 0 < record["host_asked_bytes"] <= record["offloaded_bytes"]
    assert record["host_asked_bytes"] <= record["host_held_bytes"]
    assert list(place.iterdir()) == []
    pairs = [how[place : place + 2] for place in range(len(how)) if how[place] in ("--dtype", "--momentum", "--cost")]
    run(capsys, "train", *DEEP, "--backend", name, *(x for pair in pairs for x in pair), "--json", plain)
    assert record["weights_sha256"] == json.loads(plain.read_text())["weights_sha256"]


def test_compare_shows_each_way_with_and_without(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report = tmp_path / "compare.json"
    options = ["compare", *DEEP, "--checkpoint", "every:1", "--checkpoint", "slots:2", "--budget", "45%"]
    options += ["--offload", str(tmp_path), "--bandwidth", "900GB/s", "--speed", "1GFLOP/s"]
    status, out, err = run(capsys, *options, "--figure", tmp_path / "compare.png", "--json", report)
    rows = json.loads(report.read_text())["runs"]
    assert (status, err) == (0, "")
    assert "every 1st layer, offloaded" in out
    ways = [(row["settings"]["checkpoint"], bool(row["settings"]["offload"])) for row in rows]
    wanted = [("none", False), ("slots:2", False), ("optimal", False)]  # every:1 is store all until it offloads
    assert ways == [*wanted, ("every:1", True), ("optimal", True)]
    assert all(row["measured_peak_bytes"] == row["predicted_peak_bytes"] for row in rows)
    assert all(row["identical_weights"] for row in rows if row["settings"]["checkpoint"] != "optimal")
    assert [bool(row["offloaded_bytes"]) for row in rows] == [False] * 3 + [True] * 2


def test_saved_training_goes_on_offloading(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    whole, resumed, state = (tmp_path / name for name in ("whole.json", "resumed.json", "run.state"))
    options = ["train", *DEEP, "--checkpoint", "every:1", "--offload", str(tmp_path), "--epochs"]
    assert run(capsys, *options, "2", "--json", whole)[0] == 0
    assert run(capsys, *options, "1", "--save", state)[0] == 0
    status, out, _ = run(capsys, "train", "--resume", state, "--epochs", "2", "--json", resumed)
    assert status == 0
    assert "offloaded: " in out
    assert len({json.loads(path.read_text())["weights_sha256"] for path in (whole, resumed)}) == 1


# Plans

PLAN = ["plan", "--sizes", "784,256x16,10", "--batch-size", "2048", "--budget", "12MiB", "--no-row-blocks"]


def test_plan_for_a_card_that_is_not_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    report = tmp_path / "plan.json"
    options = [*PLAN, "--backend", "cupy", "--offload", "host"]
    status, out, err = run(capsys, *options, "--bandwidth", "50GB/s", "--speed", "1TFLOP/s", "--json", report)
    record = json.loads(report.read_text())
    assert (status, err) == (0, "")
    assert "cheaper than the best plan without it" in out
    assert record["offloaded_bytes"] == record["host_peak_bytes"] > 0
    assert 0 < record["offload_gain"] < 1
    assert record["peak_bytes"] <= record["budget_bytes"]
    status, out, _ = run(capsys, *options, "--bandwidth", "50GB/s")
    assert status == 0
    assert f"{ASSUMED_FLOPS:.3g} operations a second" in out
    status, _, err = run(capsys, *options)
    assert status == 2
    assert "cannot be measured here" in err
    assert "such as --bandwidth 12GB/s" in err
    assert err.count("\n") == 1


@BACKENDS
def test_plan_measures_what_is_not_given_and_keeps_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, cache: Path, name: str
) -> None:
    assert run(capsys, *PLAN, *on(name, tmp_path))[0] == 0
    (kept,) = (cache / "mlp-checkpointing").iterdir()
    before = kept.read_text()
    assert run(capsys, *PLAN, *on(name, tmp_path))[0] == 0
    assert kept.read_text() == before
    assert list(tmp_path.iterdir()) == []


def test_front_and_shown_schedules_can_offload(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rates = ["--offload", str(tmp_path), "--bandwidth", "900GB/s", "--speed", "1TFLOP/s"]
    status, out, _ = run(capsys, "plan", "--sizes", "64x13", "--batch-size", 512, "--front", *rates)
    assert status == 0
    assert "each checkpoint kept or offloaded" in out
    status, out, _ = run(capsys, "plan", "--sizes", "64x13", "--checkpoint", "every:2", "--offload", str(tmp_path))
    assert status == 0
    assert "every 2nd layer, offloaded" in out
    picture = tmp_path / "timeline.png"
    assert run(capsys, *PLAN, *rates, "--timeline", picture)[0] == 0
    assert picture.exists()


def test_calibrated_plan_that_offloads_is_timed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ["--sizes", "784,32x6,10", "--batch-size", 256, "--budget", "80%", "--calibrate", "--no-row-blocks"]
    status, out, _ = run(capsys, "plan", *options, "--offload", str(tmp_path), "--bandwidth", "900GB/s")
    assert status == 0
    assert "ms predicted" in out


# Rates


def test_rates_are_measured_once(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    numpy = select_backend("numpy")
    found = measured_rates(numpy, tmp_path, path=kept)
    assert found.bytes_per_second > 1e6
    assert found.flops_per_second is not None
    assert measured_rates(numpy, tmp_path, path=kept) == found
    kept.write_text("nonsense")
    assert measured_rates(numpy, tmp_path, path=kept).bytes_per_second > 0


def test_speed_that_is_given_takes_the_place_of_the_measured_one(tmp_path: Path) -> None:
    assert rates_for("numpy", tmp_path, dtype="float32", speed="3GFLOP/s").flops_per_second == 3e9


def test_network_plans_its_budget_with_offload(tmp_path: Path) -> None:
    sizes = [20, *[64] * 9, 4]
    chain = chain_of(sizes, batch_size=256, backend=VARIANT)
    rates = Offloading(1e12, 1e9)
    with pytest.raises(BudgetError) as refused:
        plan_chain(chain, budget_bytes=0, row_blocks=False)
    budget = refused.value.minimum_bytes * 5 // 4
    net = NetworkWithCheckpointing(sizes, budget_bytes=budget, offload=tmp_path, offloading=rates)
    assert net.schedule_for(256) == plan_chain(chain, budget_bytes=budget, offloading=rates).schedule
    measured = NetworkWithCheckpointing(sizes, budget_bytes=budget, offload=tmp_path)
    assert measured.schedule_for(256).n_layers == 10
    assert measured.transfers is not None
    assert measured.transfers.held_bytes == 0


# Wrong input

WRONG: dict[str, tuple[list[str], str]] = {
    "host on numpy": (["train", "--offload", "host", "--budget", "50%"], "in the host's memory already"),
    "path on cupy": (["train", "--backend", "cupy", "--offload", "x", "--checkpoint", "sqrt"], "not to 'x'"),
    "nothing to offload": (["train", "--offload", "."], "none keeps no checkpoints that could be offloaded"),
    "slots": (["train", "--offload", ".", "--checkpoint", "slots:2"], "slots:2 keeps no checkpoints"),
    "no such folder": (["train", "--data", "sample", "--checkpoint", "sqrt", "--offload", "no/where"], "No such file"),
    "bandwidth without offload": (["plan", "--budget", "50%", "--bandwidth", "1GB/s"], "add --offload"),
    "bandwidth unreadable": (["plan", "--offload", ".", "--bandwidth", "fast"], "written like 12GB/s"),
    "bandwidth of nothing": (["plan", "--offload", ".", "--bandwidth", "0GB/s"], "written like 12GB/s"),
    "bandwidth a part": (["plan", "--offload", ".", "--bandwidth", "50%/s"], "written like 12GB/s"),
    "speed unreadable": (["plan", "--offload", ".", "--speed", "30"], "written like 30TFLOP/s"),
    "compare": (["compare", "--offload", "host"], "in the host's memory already"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=list(WRONG))
def test_wrong_place_or_rate_is_one_line_and_status_2(
    wrong_input: Callable[..., None], arguments: list[str], words: str
) -> None:
    wrong_input(arguments, words)


def test_file_that_exists_is_not_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    status, _, err = run(capsys, "train", *DEEP, "--checkpoint", "sqrt", "--offload", there)
    assert status == 2
    assert "it exists, and is not overwritten" in err
    assert there.read_text() == "mine"


# A full disk


def test_full_disk_is_a_fault_of_one_line_and_the_saved_state_stays(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state, taken = tmp_path / "run.state", 0
    plain = NumpyBackend.synchronize

    def fill_the_disk(self: Any) -> None:
        """Called at the end of each epoch."""
        nonlocal taken
        taken += 1
        plain(self)
        if taken == 1:
            monkeypatch.setattr("os.pwritev", _no_room)

    monkeypatch.setattr(NumpyBackend, "synchronize", fill_the_disk)
    options = [*DEEP, "--checkpoint", "every:1", "--offload", str(tmp_path), "--epochs", "2", "--save", state]
    status, _, err = run(capsys, "train", *options)
    assert status == 1
    assert "after 1 epoch: offloading to" in err
    assert "No space left on device; make room" in err
    assert err.count("\n") == 1
    assert state.exists()


def _no_room(*_: object) -> int:
    raise OSError(28, "No space left on device")


def test_file_that_may_not_grow_is_a_fault_of_one_line(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from checkpoint.commands.program import main;"
        "sys.dont_write_bytecode = True; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "train", *DEEP, "--checkpoint", "every:1", "--offload", tmp_path]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "failed with" in ended.stderr
    assert "File too large" in ended.stderr
    assert list(tmp_path.iterdir()) == []
