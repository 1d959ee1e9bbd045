"""The commands on a CuPy device: they name it, predict its bytes, and train as on NumPy; and a device that is full."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend import BackendUnavailable, select_backend
from backend.cupy.backend import CupyBackend
from backend.cupy.detection import count_devices
from checkpoint import NetworkWithCheckpointing
from checkpoint.commands.program import main
from mlp import ImageBatches, Network, data, train

pytestmark = pytest.mark.gpu

SIZES = "784,16x6,10"
TINY = ["--data", "sample", "--sizes", SIZES, "--epochs", "1", "--batch-size", "500"]
DEEP = ["--data", "sample", "--sizes", "784,64x20,10", "--epochs", "1", "--batch-size", "1000"]


@pytest.fixture
def cupy_backend() -> Iterator[CupyBackend]:
    try:
        count_devices()
    except BackendUnavailable as error:
        pytest.skip(f"no CuPy device answers: {error}")
    backend = CupyBackend()
    yield backend
    backend.limit_bytes = None


@pytest.mark.parametrize(
    "how",
    [
        [],
        ["--checkpoint", "every:2"],
        ["--checkpoint", "sqrt", "--dtype", "float64"],
        ["--checkpoint", "slots:2", "--momentum", "0.5"],
        ["--budget", "60%"],
        ["--budget", "auto"],
        ["--checkpoint", "every:2", "--verify", "--cost", "cross-entropy", "--activation", "tanh"],
    ],
    ids=" ".join,
)
def test_train_on_a_device_takes_the_bytes_predicted(
    cupy_backend: CupyBackend, tmp_path: Path, capsys: pytest.CaptureFixture[str], how: list[str]
) -> None:
    report = tmp_path / "run.json"
    assert main(["train", *TINY, "--backend", "cupy", *how, "--json", str(report)]) == 0
    record = json.loads(report.read_text())
    assert "(as predicted)" in capsys.readouterr().out
    assert record["device"] == cupy_backend.device_name
    assert record["measured_peak_bytes"] == record["predicted_peak_bytes"] > 0
    assert record["measured_peak_bytes"] % cupy_backend.facts.allocation_bytes == 0


def test_saved_training_goes_on_to_the_same_bits(cupy_backend: CupyBackend, tmp_path: Path) -> None:
    options = [*TINY, "--backend", "cupy", "--checkpoint", "sqrt", "--epochs"]
    whole, resumed, state = (tmp_path / name for name in ("whole.json", "resumed.json", "run.state"))
    assert main(["train", *options, "2", "--json", str(whole)]) == 0
    assert main(["train", *options, "1", "--save", str(state)]) == 0
    assert main(["train", "--resume", str(state), "--epochs", "2", "--json", str(resumed)]) == 0
    shas = {json.loads(path.read_text())["weights_sha256"] for path in (whole, resumed)}
    assert len(shas) == 1


def test_compare_names_the_device_and_ends_with_identical_weights(
    cupy_backend: CupyBackend, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report, picture = tmp_path / "compare.json", tmp_path / "compare.png"
    ways = ["--checkpoint", "sqrt", "--budget", "60%"]
    assert main(["compare", *TINY, "--backend", "cupy", *ways, "--figure", str(picture), "--json", str(report)]) == 0
    assert f"cupy on {cupy_backend.device_name}" in capsys.readouterr().out
    rows = json.loads(report.read_text())["runs"]
    assert [row["settings"]["checkpoint"] for row in rows] == ["none", "sqrt", "optimal"]
    assert all(row["device"] == cupy_backend.device_name for row in rows)
    assert all(row["measured_peak_bytes"] == row["predicted_peak_bytes"] for row in rows)
    assert all(row["identical_weights"] for row in rows[:2])
    assert picture.exists()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_analyze_names_the_device_and_agrees_with_itself(
    cupy_backend: CupyBackend, tmp_path: Path, capsys: pytest.CaptureFixture[str], dtype: str
) -> None:
    report = tmp_path / "analyze.json"
    options = ["--depths", "1,3,9", "--width", "48", "--batch-size", "50", "--dtype", dtype, "--backend", "cupy"]
    assert main(["analyze", *options, "--figure", str(tmp_path / "a.png"), "--json", str(report)]) == 0
    assert f"cupy on {cupy_backend.device_name}" in capsys.readouterr().out
    points = json.loads(report.read_text())["points"]
    assert len(points) == 9
    assert all(point["predicted_bytes"] == point["measured_bytes"] for point in points)


# An epoch as on NumPy


def losses_and_accuracy(backend: Any, ways: dict[str, Any], dtype: str) -> tuple[list[float], float | None]:
    """The mean cost of each mini-batch of an epoch, as its step finds it, and the test accuracy after."""
    more: dict[str, Any] = {"activation": "tanh", "cost": "cross-entropy", "initialization": "scaled", "dtype": dtype}
    kind = NetworkWithCheckpointing if ways else Network
    net = kind([784, 30, 20, 20, 10], backend=backend, **ways, **more)
    sample = data.load("sample")
    losses = []

    def update(X: Any, y: Any, eta: float) -> None:
        losses.append(net.backend.cost_sum(net.feedforward(X), y, net.cost) / X.shape[0])
        net.update_mini_batch(X, y, eta=eta)

    (record,) = train(
        net,
        ImageBatches(net, sample.train_images, sample.train_labels),
        epochs=1,
        mini_batch_size=100,
        eta=0.1,
        test_data=ImageBatches(net, sample.test_images, sample.test_labels),
        update=update,
    )
    return losses, record.test_accuracy


@pytest.mark.parametrize("ways", [{}, {"checkpoint_every_nth_layer": 2}], ids=["plain", "every 2nd"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_of_an_epoch_are_numpy_s(cupy_backend: CupyBackend, dtype: str, ways: dict[str, Any]) -> None:
    losses, accuracy = losses_and_accuracy(cupy_backend, ways, dtype)
    wanted, wanted_accuracy = losses_and_accuracy(select_backend("numpy"), ways, dtype)
    assert len(losses) == 40
    assert losses[-1] < losses[0] / 2
    np.testing.assert_allclose(losses, wanted, rtol=1e-5 if dtype == "float32" else 1e-12)
    assert accuracy == wanted_accuracy


# A device that is full


def used_at_rest(backend: CupyBackend) -> int:
    """What a `DEEP` training holds between steps."""
    before = backend.device_memory().used_bytes
    net = Network([784, *[64] * 20, 10], backend=backend)
    batch = [backend.zeros((1000, width), "float32") for width in (784, 10, 10)]
    batch.append(backend.zeros((1000, 784), "uint8"))  # the next one's images
    held = backend.device_memory().used_bytes - before
    del net, batch
    return held


def test_out_of_device_memory_names_a_budget_and_it_fits(
    cupy_backend: CupyBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    rest, used = used_at_rest(cupy_backend), cupy_backend.device_memory().used_bytes
    cupy_backend.limit_bytes = used + rest + 2 * 2**20
    options = ["train", *DEEP, "--backend", "cupy"]
    assert main(options) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "out of memory before the first step was done: out of device memory: asked for " in error
    assert f"the limit is {cupy_backend.limit_bytes:,}; " in error
    assert "in the 2.00 MiB that are free" in error
    (budget,) = re.findall(r"--budget (\d+)", error)
    assert cupy_backend.device_memory().used_bytes == used
    assert main([*options, "--budget", budget]) == 0
    assert "(as predicted)" in capsys.readouterr().out


def test_out_of_device_memory_that_no_budget_helps_says_so(
    cupy_backend: CupyBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    rest, used = used_at_rest(cupy_backend), cupy_backend.device_memory().used_bytes
    cupy_backend.limit_bytes = used + rest + 2**14
    assert main(["train", *DEEP, "--backend", "cupy"]) == 1
    error = capsys.readouterr().err
    assert "the smallest plan takes --budget" in error
    assert "and 16.0 KiB are free; give a smaller --batch-size" in error


def test_network_that_is_too_large_for_the_device_ends_in_one_line(
    cupy_backend: CupyBackend, capsys: pytest.CaptureFixture[str]
) -> None:
    cupy_backend.limit_bytes = cupy_backend.device_memory().used_bytes + 10_000
    assert main(["train", *DEEP, "--backend", "cupy"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "out of memory: out of device memory: asked for 200,704 bytes" in error
