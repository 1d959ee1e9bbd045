"""The commands, as a user types them: what they print, write and return, and one line for each wrong input."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpoint.commands.program import COMMANDS, main

TINY = ["--sizes", "784,8,10", "--epochs", "1", "--data", "sample"]
PLAN = ["plan", "--sizes", "784,64x9,10", "--budget", "1GB"]
PNG = b"\x89PNG"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Status, output and errors of one command."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as ended:  # argparse's way out
        status = int(ended.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    status, out, _ = run(capsys, command, "--help")
    assert status == 0
    assert command in out


@pytest.mark.parametrize("how", ["none", "every:2", "sqrt", "slots:2", "micro:30"])
def test_train_measures_what_it_predicted(capsys: pytest.CaptureFixture[str], tmp_path: Path, how: str) -> None:
    report = tmp_path / "run.json"
    status, out, _ = run(capsys, "train", *TINY, "--sizes", "784,8,8,8,8,10", "--checkpoint", how, "--json", report)
    record = json.loads(report.read_text())
    assert status == 0
    assert "(as predicted)" in out
    assert record["measured_peak_bytes"] == record["predicted_peak_bytes"] > 0
    assert record["epochs"][0]["test_accuracy"] == record["test_accuracy"]


def test_train_says_where_the_time_went(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report = tmp_path / "run.json"
    _, out, _ = run(capsys, "train", *TINY, "--epochs", 2, "--json", report)
    record = json.loads(report.read_text())
    assert 0 < record["batch_seconds"] < record["seconds"]
    assert record["evaluation_seconds"] == sum(epoch["evaluation_seconds"] for epoch in record["epochs"]) > 0
    known = record["seconds"] + record["evaluation_seconds"] + record["loading_seconds"]
    assert record["loading_seconds"] > 0
    assert known < record["wall_seconds"]
    assert record["busy_share"] == (record["seconds"] + record["evaluation_seconds"]) / record["wall_seconds"]
    assert f"{record['busy_share']:.0%} of {record['wall_seconds']:.2f} s in steps and evaluation" in out


def test_wall_begins_with_the_process_and_not_with_its_imports() -> None:
    code = (
        "import time; first = time.perf_counter(); time.sleep(0.3)\n"
        "from checkpoint.runs.clock import process_begun\n"
        "begun = process_begun(); assert first - 30 < begun < first + 0.1, (begun, first)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_train_keeps_to_a_budget(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report = tmp_path / "run.json"
    sizes = ",".join(["784", "64x12", "10"])
    status, _, _ = run(
        capsys, "train", *TINY, "--sizes", sizes, "--batch-size", 500, "--budget", "50%", "--json", report
    )
    record = json.loads(report.read_text())
    assert status == 0
    assert record["measured_peak_bytes"] == record["predicted_peak_bytes"]
    plain = tmp_path / "plain.json"
    run(capsys, "train", *TINY, "--sizes", sizes, "--batch-size", 500, "--json", plain)
    assert record["measured_peak_bytes"] <= json.loads(plain.read_text())["measured_peak_bytes"] / 2


def test_compare_ends_with_identical_weights_and_a_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture, report = tmp_path / "compare.png", tmp_path / "compare.json"
    options = ["--sizes", "784,32x6,10", "--data", "sample", "--epochs", "1", "--batch-size", "1000", "--budget", "60%"]
    status, out, _ = run(capsys, "compare", *options, "--figure", picture, "--json", report)
    rows = json.loads(report.read_text())["runs"]
    assert status == 0
    assert picture.read_bytes().startswith(PNG)
    assert [row["settings"]["checkpoint"] for row in rows] == ["none", "every:2", "sqrt", "optimal"]
    assert all(row["measured_peak_bytes"] == row["predicted_peak_bytes"] for row in rows)
    assert all(row["identical_weights"] for row in rows[:3])
    assert out.count("identical") >= 3


def test_analyze_agrees_with_itself(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture, report = tmp_path / "analyze.png", tmp_path / "analyze.json"
    options = ["--depths", "1,3,9", "--width", "16", "--batch-size", "50"]
    status, out, _ = run(capsys, "analyze", *options, "--figure", picture, "--json", report)
    points = json.loads(report.read_text())["points"]
    assert status == 0
    assert "checkpointing saves next to nothing" in out
    assert len(points) == 9
    assert all(point["predicted_bytes"] == point["measured_bytes"] for point in points)
    assert picture.read_bytes().startswith(PNG)


def test_plan_stays_within_its_budget_and_draws(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture, arena, report = (tmp_path / name for name in ("timeline.png", "arena.png", "plan.json"))
    options = ["--sizes", "784,64x12,10", "--batch-size", "256", "--budget", "400KiB"]
    status, out, _ = run(capsys, "plan", *options, "--timeline", picture, "--arena", arena, "--json", report)
    record = json.loads(report.read_text())
    assert status == 0
    assert record["peak_bytes"] == max(record["peak_bytes"], *record["bytes_after"]) <= 400 * 1024
    assert record["peak_bytes"] <= record["arena_bytes"] <= record["budget_bytes"] == 400 * 1024
    assert f"arena: {record['arena_bytes']:,} bytes in one block" in out
    assert "optimal among" in out
    assert picture.read_bytes().startswith(PNG)
    assert arena.read_bytes().startswith(PNG)


def test_plan_for_a_card_needs_no_card(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(
        capsys, "plan", "--sizes", "784,64x12,10", "--batch-size", 1000, "--backend", "cupy", "--budget", "50%"
    )
    assert status == 0
    assert "peak above rest" in out


WRONG = {
    "one layer": (["plan", "--sizes", "784", "--budget", "1GB"], "at least one layer"),
    "zero width": (["train", "--sizes", "784,0,10"], "width must be from 1"),
    "negative width": (["train", "--sizes", "784,-3,10"], "whole numbers"),
    "width too large": (["train", "--sizes", "784,99999999999,10"], "whole numbers"),
    "repeat too large": (["train", "--sizes", "784,2x999999999,10"], "repeat"),
    "n of 0": (["train", *TINY, "--checkpoint", "every:0"], "whole number, 1 or more"),
    "unknown way": (["train", *TINY, "--checkpoint", "sometimes"], "choose none"),
    "unknown backend": (["train", *TINY, "--backend", "cuda"], "choose numpy or cupy"),
    "device on numpy": (["train", *TINY, "--device", "1"], "numpy has no device 1"),
    "unknown activation": (["train", *TINY, "--activation", "gelu"], "choose sigmoid"),
    "unknown cost": (["train", *TINY, "--cost", "l1"], "choose quadratic"),
    "unknown dtype": (["train", *TINY, "--dtype", "float16"], "choose float32"),
    "batch larger than the data": (["train", *TINY, "--batch-size", "4001"], "at most the 4000 samples"),
    "batch of none": (["train", *TINY, "--batch-size", "0"], "1 or more"),
    "eta not finite": (["train", *TINY, "--eta", "nan"], "eta must be above 0"),
    "eta 0 in the dtype": (["train", *TINY, "--eta", "1e-50"], "is 0 in float32"),
    "rate not finite": (["train", *TINY, "--rate", "step:every=1,factor=1e200"], "eta"),
    "too few outputs": (["train", *TINY, "--sizes", "784,8,9"], "at least 10"),
    "wrong inputs": (["train", *TINY, "--sizes", "100,8,10"], "784 inputs"),
    "no such data": (["train", "--data", "/no/such/file.npz"], "/no/such/file.npz"),
    "unwritable report": (["train", *TINY, "--json", "/no/such/folder/a.json"], "cannot write"),
    "unwritable picture": (["compare", "--data", "sample", "--figure", "/no/such/folder/a.png"], "cannot write"),
    "report at no path": (["plan", "--sizes", "784,10", "--budget", "1GB", "--json", ""], "the path is empty"),
    "picture at no path": (["compare", "--data", "sample", "--figure", ""], "the path is empty"),
    "state at no path": (["train", *TINY, "--save", ""], "the path is empty"),
    "timeline that is no PNG": ([*PLAN, "--timeline", "t.pdf"], "cannot write t.pdf: pictures are PNGs"),
    "arena that is no PNG": ([*PLAN, "--arena", "a.svg"], "cannot write a.svg: pictures are PNGs"),
    "front that is no PNG": ([*PLAN, "--figure", "front"], "name a file that ends in .png"),
    "comparison that is no PNG": (["compare", "--data", "sample", "--figure", "c.jpg"], "ends in .png"),
    "growth that is no PNG": (["analyze", "--figure", "g.png.pdf"], "ends in .png"),
    "budget too small": (["plan", "--sizes", "784,64x9,10", "--budget", "1KiB"], "smallest peak"),
    "budget unreadable": (["plan", "--budget", "lots"], "64MiB"),
    "no budget": (["plan", "--sizes", "784,10"], "needs a budget"),
    "depth unreadable": (["analyze", "--depths", "a,b"], "whole numbers"),
    "unknown option": (["train", "--frobnicate"], "unknown option --frobnicate (see mlp-checkpointing train --help)"),
    "unknown command": (["frobnicate"], "unknown command 'frobnicate'; choose train or evaluate"),
    "number unreadable": (["train", "--epochs", "many"], "argument --epochs: must be a whole number; got 'many'"),
    "number not whole": (["train", "--batch-size", "10.5"], "--batch-size: must be a whole number; got '10.5'"),
    "share unreadable": (["train", "--momentum", "much"], "--momentum: must be a number; got 'much'"),
    "hidden layers to plan": (["plan", "--sizes", "in,32x8,3", "--budget", "1MB"], "plan has no data: give all widths"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=list(WRONG))
def test_wrong_input_gives_one_line_and_status_2(
    wrong_input: Callable[..., None], arguments: list[str], words: str
) -> None:
    wrong_input(arguments, words)


def test_pictures_may_end_in_capitals_or_go_to_a_device(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "TIMELINE.PNG"
    assert run(capsys, *PLAN, "--timeline", picture, "--arena", os.devnull)[0] == 0
    assert picture.read_bytes().startswith(PNG)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_picture_is_written_to_a_pipe_of_any_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        assert run(capsys, *PLAN, "--timeline", pipe)[0] == 0
        assert reader.communicate(timeout=60)[0].startswith(PNG)


def test_comparison_on_a_device_has_no_file_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "compare", *TINY, "--checkpoint", "sqrt", "--figure", os.devnull)
    assert status == 0
    assert "another process that computes changes them" in out
    assert f"the picture is {os.devnull}; those of the bytes after each action are drawn beside a file only" in out


def test_a_report_that_exists_survives_a_failed_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    report = tmp_path / "run.json"
    report.write_text("precious")
    assert run(capsys, "train", *TINY, "--eta", "-1", "--json", report)[0] == 2
    assert report.read_text() == "precious"


@pytest.mark.usefixtures("default_signals")
def test_ctrl_c_in_training_ends_with_status_130() -> None:
    command = [sys.executable, "-m", "checkpoint", "train", "--data", "sample", "--epochs", "100000"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch"):
                break
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err


def test_calibrated_plan_shows_predicted_and_real_time_and_measures_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / project)
    options = ["--sizes", "784,32x6,10", "--batch-size", 256, "--budget", "80%", "--calibrate"]
    report = tmp_path / "plan.json"
    status, out, _ = run(capsys, "plan", *options, "--json", report)
    record = json.loads(report.read_text())
    assert status == 0
    assert "ms predicted" in out
    assert record["predicted_seconds"] > 0
    assert record["measured_seconds"] > 0
    (kept,) = (tmp_path / "mlp-checkpointing").iterdir()
    before = kept.read_text()
    monkeypatch.setattr("checkpoint.measuring.calibration.differs", lambda *_: False)  # whatever else runs here
    assert run(capsys, "plan", *options)[0] == 0
    assert kept.read_text() == before


def test_timings_that_a_step_shows_to_be_wrong_are_made_again_and_that_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / project)
    options = [
        "plan",
        "--sizes",
        "784,32x6,10",
        "--batch-size",
        256,
        "--budget",
        "80%",
        "--json",
        tmp_path / "plan.json",
    ]
    status, out, _ = run(capsys, *options, "--calibrate")
    assert (status, "made again" in out) == (0, False)
    (kept,) = (tmp_path / "mlp-checkpointing").iterdir()

    def slowed(times: float) -> None:
        record = json.loads(kept.read_text())
        timings = record["machines"][0]["timings"]
        record["machines"][0]["timings"] = {name: times * seconds for name, seconds in timings.items()}
        kept.write_text(json.dumps(record))

    slowed(1000)
    status, out, _ = run(capsys, *options, "--calibrate")
    report = json.loads((tmp_path / "plan.json").read_text())
    assert status == 0
    assert re.search(r"kept timings were made again, as a step was \S+ times faster than they predicted", out)
    assert report["kept_timings_off"] < 0.01
    assert report["predicted_seconds"] < 1
    slowed(1000)
    status, out, _ = run(capsys, *options, "--recalibrate")
    report = json.loads((tmp_path / "plan.json").read_text())
    assert (status, "made again" in out, report["kept_timings_off"]) == (0, False, None)
    assert report["predicted_seconds"] < 1


def test_front_marks_plain_micro_batching(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "front.png"
    options = ["--sizes", "784,32x6,10", "--batch-size", 512, "--front", "--figure", picture]
    status, out, _ = run(capsys, "plan", *options)
    assert status == 0
    assert "micro-batches of 256" in out
    assert "store all" in out
    assert picture.read_bytes().startswith(PNG)


def test_a_plan_in_seconds_measures_once_and_says_what_a_step_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / project)
    options = ["plan", "--sizes", "784,32x6,10", "--batch-size", 512, "--budget", "60%", "--seconds"]
    status, out, _ = run(capsys, *options)
    assert status == 0
    assert re.search(r"a step: \S+ ms predicted, \S+ of store all's predicted time", out)
    (kept,) = (tmp_path / "mlp-checkpointing").iterdir()
    before = kept.read_text()
    assert run(capsys, *options)[:2] == (0, out)
    assert kept.read_text() == before
    assert run(capsys, *options, "--calibrate")[0] == 2


def test_a_plan_by_operations_alone_recomputes_nothing_where_blocks_spare_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["plan", "--sizes", "784,32x6,10", "--batch-size", 512, "--budget", "50%"]
    status, out, _ = run(capsys, *options, "--operations")
    assert status == 0
    assert "recomputed: 0 layers a step" in out
    assert "cost in operations: " in out
    status, out, _ = run(capsys, *options)
    assert status == 0
    assert "cost in operations and weights read again: " in out
    for other in ("--seconds", "--calibrate"):
        assert run(capsys, *options, "--operations", other)[0] == 2
