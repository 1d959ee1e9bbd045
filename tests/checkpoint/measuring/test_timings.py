"""Timings are kept with the state of the machine that they are true of, and found in no other state."""

import json
from pathlib import Path
from typing import Any

import pytest

from backend import select_backend
from checkpoint.measuring import timings as kept_timings
from checkpoint.measuring.bandwidth import measured_rates
from checkpoint.measuring.calibration import Calibration, differs
from checkpoint.measuring.timings import Timings, machine_state

NUMPY = select_backend("numpy")


def test_timings_are_found_again(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "timings.json"
    first = Timings(NUMPY, path)
    first.put("a layer", 0.25)
    assert first.get("a layer") == 0.25
    assert not path.exists()
    first.save()
    assert Timings(NUMPY, path).get("a layer") == 0.25
    assert Timings(NUMPY, path).get("another") is None


@pytest.mark.parametrize("fact", ["numpy", "threads", "processor", "cores", "device", "mlp-checkpointing"])
def test_timings_of_another_state_of_the_machine_are_kept_and_not_found(
    fact: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "timings.json"
    here = Timings(NUMPY, path)
    here.put("a layer", 0.25)
    here.save()
    state = machine_state(NUMPY)
    assert fact in state
    monkeypatch.setattr(kept_timings, "machine_state", lambda backend: {**state, fact: "another"})
    there = Timings(NUMPY, path)
    assert there.get("a layer") is None
    there.put("a layer", 0.5)
    there.save()
    monkeypatch.undo()
    assert Timings(NUMPY, path).get("a layer") == 0.25
    assert len(json.loads(path.read_text())["machines"]) == 2


@pytest.mark.parametrize(
    "content", ["", "nonsense", "[1]", '{"machines": 3}', '{"machines": [3, {"state": 1}]}', "[" * 100_000, "\xff"]
)
def test_file_of_something_else_is_no_timings(content: str, tmp_path: Path) -> None:
    path = tmp_path / "timings.json"
    path.write_text(content, encoding="latin-1")
    timings = Timings(NUMPY, path)
    assert timings.get("a layer") is None
    timings.put("a layer", 1.0)
    timings.save()
    assert Timings(NUMPY, path).get("a layer") == 1.0


def test_folder_that_cannot_be_written_loses_the_timings_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    timings = Timings(NUMPY, tmp_path / "file" / "timings.json")
    timings.put("a layer", 1.0)
    timings.save()
    assert timings.get("a layer") == 1.0


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), "1", None, [1.0]])
def test_kept_value_that_is_no_time_is_measured_again(value: Any, tmp_path: Path) -> None:
    path = tmp_path / "timings.json"
    calibration = Calibration([4, 3], dtype="float32", backend=NUMPY, path=path)
    calibration.forward(1, 5)
    calibration.save()
    path.write_text(path.read_text().replace(json.dumps(calibration.forward(1, 5)), json.dumps(value)))
    again = Calibration([4, 3], dtype="float32", backend=NUMPY, path=path)
    assert again.forward(1, 5) > 0
    assert (calibration.measured, again.measured) == (1, 1)


def kept_as(path: Path, seconds: float) -> Calibration:
    """A calibration whose file says that the layer 4 -> 3 takes `seconds`."""
    first = Calibration([4, 3], dtype="float32", backend=NUMPY, path=path)
    first.forward(1, 5)
    first.save()
    text = path.read_text()
    path.write_text(text.replace(json.dumps(first.forward(1, 5)), json.dumps(seconds)))
    return Calibration([4, 3], dtype="float32", backend=NUMPY, path=path)


def test_forgotten_timings_are_made_again_once_and_kept(tmp_path: Path) -> None:
    calibration = kept_as(tmp_path / "timings.json", 1e6)
    assert [calibration.forward(1, 5) for _ in range(2)] == [1e6, 1e6]
    assert (calibration.found, calibration.measured) == (1, 0)
    calibration.forget()
    again = calibration.forward(1, 5)
    assert again < 1e3
    assert calibration.forward(1, 5) == again
    assert (calibration.found, calibration.measured) == (0, 1)
    calibration.save()
    assert Calibration([4, 3], dtype="float32", backend=NUMPY, path=tmp_path / "timings.json").forward(1, 5) == again


def test_timings_made_afresh_take_nothing_from_the_file(tmp_path: Path) -> None:
    kept_as(tmp_path / "timings.json", 1e6)
    path = tmp_path / "timings.json"
    calibration = Calibration([4, 3], dtype="float32", backend=NUMPY, path=path, afresh=True)
    assert calibration.forward(1, 5) < 1e3
    assert (calibration.found, calibration.measured) == (0, 1)


def test_rates_are_measured_afresh_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "timings.json"
    timings = Timings(NUMPY, path)
    name = f"float32 offloading to {tmp_path.resolve()}"
    timings.put(name, {"bytes_per_second": 123.0, "flops_per_second": 1.0})
    timings.save()
    assert measured_rates(NUMPY, tmp_path, path=path).bytes_per_second == 123.0
    assert measured_rates(NUMPY, tmp_path, path=path, afresh=True).bytes_per_second > 1e6
    assert measured_rates(NUMPY, tmp_path, path=path).bytes_per_second > 1e6


@pytest.mark.parametrize(
    ("predicted", "measured", "wrong"),
    [(1, 1, False), (1, 1.49, False), (1, 1.51, True), (1.51, 1, True), (3, 1, True)],
)
def test_step_differs_where_it_is_more_than_half_again_as_long(predicted: float, measured: float, wrong: bool) -> None:
    assert differs(predicted, measured) is wrong
