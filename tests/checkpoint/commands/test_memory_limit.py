"""`train --memory-limit`: inside the limit where the system enforces it, and refused with what would do."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from checkpoint.commands.program import main
from checkpoint.units import format_bytes

ENFORCED = """
import re, resource, sys
from pathlib import Path
from checkpoint.commands import train
from checkpoint.commands.program import main

made = train.limited

def enforcing(*args):
    found = made(*args)
    status = Path("/proc/self/status").read_text()
    data = 1024 * int(re.search(r"VmData:\\\\s+(\\\\d+)", status)[1])
    most = data + found.memory.limit_bytes - found.memory.resident_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    return found

train.limited = enforcing
sys.exit(main(sys.argv[1:]))
"""

LONG = ["--sizes", "784,64x40,10", "--batch-size", "1000"]
DEEP = ["--sizes", "784,192x12,10", "--batch-size", "500"]


def train(sizes: list[str], limit: str, *more: str, program: str = ENFORCED) -> subprocess.CompletedProcess[str]:
    options = ["train", "--data", "sample", *sizes, "--epochs", "1", "--memory-limit", limit, *more]
    return subprocess.run(
        [sys.executable, "-c", program.replace("\\\\", "\\"), *options],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts private memory on Linux alone")
@pytest.mark.parametrize("sizes", [LONG, DEEP], ids=["long", "deep"])
def test_a_network_trains_inside_the_limit_that_the_error_names(sizes: list[str], tmp_path: Path) -> None:
    refused = train(sizes, "1MiB")
    assert refused.returncode == 2
    named = re.search(r"would fit in --memory-limit (\d+)", refused.stderr)
    assert named is not None
    limit = int(named[1]) + 2**20  # what is resident differs by some pages from process to process
    done = train(sizes, str(limit), "--json", str(tmp_path / "train.json"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "within the limit" in done.stdout
    memory = json.loads((tmp_path / "train.json").read_text())["memory"]
    assert memory["peak_bytes"] <= memory["limit_bytes"] == limit
    assert memory["budget_bytes"] < 2**22
    lower = train(sizes, str(limit - 2**22))
    assert lower.returncode == 2
    assert re.search(r"the smallest step takes .* would fit in --memory-limit \d+ .*largest part is", lower.stderr)


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts private memory on Linux alone")
def test_the_system_does_enforce_it() -> None:
    """A limit that is enforced at half of what the budget needs ends the run: the test above can fail."""
    less = ENFORCED.replace("found.memory.limit_bytes - found.memory.resident_bytes", "2**20")
    done = train(DEEP, "120MiB", program=less)
    assert done.returncode != 0
    assert "emory" in done.stderr


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        (["--budget", "4MiB"], "--memory-limit makes the budget itself"),
        (["--checkpoint", "sqrt"], "--memory-limit makes the budget itself"),
        (["--ranks"], "--memory-limit is for a run of one process"),
    ],
)
def test_a_limit_goes_with_no_other_way_to_choose(
    more: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--data", "sample", "--memory-limit", "200MiB", *more]) == 2
    assert wanted in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["50%", "nonsense", "auto"])
@pytest.mark.parametrize("command", [["train", "--data", "sample"], ["plan", *LONG]])
def test_limit_that_is_no_number_of_bytes_is_not_offered_a_share(
    command: list[str], limit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--memory-limit", limit]) == 2
    assert f"a number of bytes is written like 64MiB or 1.5GB; got '{limit}'" in capsys.readouterr().err


def test_plan_shows_the_limit_and_its_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "plan.json"
    assert main(["plan", *LONG, "--memory-limit", "2GiB", "--json", str(report)]) == 0
    out, record = capsys.readouterr().out, json.loads(report.read_text())
    assert "memory limit: 2.00 GiB for the whole process" in out
    assert f"the largest part is {record['largest_part']}" in out
    assert list(record["parts_bytes"]) == ["parameters", "optimizer_state", "step", "mini_batches", "libraries"]
    assert main(["plan", *LONG, "--optimizer", "adam", "--memory-limit", "2GiB", "--json", str(report)]) == 0
    with_adam = json.loads(report.read_text())
    assert with_adam["memory"]["rest_bytes"] == 3 * record["memory"]["rest_bytes"]
    assert f"optimizer-state {format_bytes(2 * record['parts_bytes']['parameters'])}" in capsys.readouterr().out
    assert record["budget_bytes"] == record["memory"]["budget_bytes"]
    assert main(["plan", *LONG, "--memory-limit", "2MiB"]) == 2
    assert "would fit in --memory-limit" in capsys.readouterr().err
