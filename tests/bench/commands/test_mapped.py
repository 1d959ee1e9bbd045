"""A mapped data set that is larger than the memory that a process may have is trained on; one that is loaded is not."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.machine.child import ChildError, figures_of
from bench.mapped import __main__ as mapped
from tests.bench.commands.reports import rows_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells mapped pages apart")

SIZE, LIMIT = 96 * 2**20, 56 * 2**20


def train(*arguments: str) -> dict[str, Any]:
    options = ["--sizes", "16", "--epochs", "1", "--batch-size", "500", "--activation", "tanh", *arguments]
    return figures_of(["-m", "bench.mapped.child"], {"arguments": options, "more_bytes": LIMIT})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """X.npy of `SIZE` bytes, most of them a hole in the file, y.npy, and both in an .npz."""
    folder = tmp_path_factory.mktemp("mapped")
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", "float32", (SIZE // 8192, 2048))
    X[::50] = np.random.default_rng(0).random((len(X[::50]), 2048), dtype=np.float32)
    y = np.arange(len(X)) % 2
    np.save(folder / "y.npy", y)
    np.savez_compressed(folder / "whole.npz", X=X, y=y)
    return folder


def test_mapped_data_larger_than_the_limit_trains_within_the_promised_bytes(folder: Path) -> None:
    found = train("--data", f"{folder / 'X.npy'},{folder / 'y.npy'}", "--scale", "minmax")
    assert found["measured_peak_bytes"] == found["predicted_peak_bytes"]
    parameters, batch, numbers = 2048 * 16 + 16 + 16 * 2 + 2, 500 * (2048 + 2), SIZE // 8192 + SIZE // 8192 * 4 // 5
    assert found["rest_bytes"] == 4 * (parameters + batch) + 8 * (numbers + 1)  # and the sum of costs
    promised = found["rest_bytes"] + found["predicted_peak_bytes"]
    assert found["grown_bytes"] < promised + mapped.MORE_BYTES < SIZE * 2 // 3
    assert SIZE // 50 < found["mapped_bytes"] < SIZE  # libraries among them


def test_data_that_is_loaded_does_not_fit_in_that_limit(folder: Path) -> None:
    with pytest.raises(ChildError, match="memory"):
        train("--data", str(folder / "whole.npz"))


def test_command_measures_a_pass_and_none(report: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mapped.main(["--size", "24MB", "--json", str(report)]) == 0
    rows = rows_of(report, "mapped")
    assert [row["way"] for row in rows] == ["whole", "skipped"]
    assert all(row["within"] and 2**20 < row["mapped_bytes"] < 2**27 for row in rows)
    assert "within: at most the promised bytes and 32.0 MiB" in capsys.readouterr().out
