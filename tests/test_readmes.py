"""The READMEs do what they say: commands and code run, figures are so, links lead somewhere."""

import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from checkpoint import chain_of, plan_chain, simulate, square_root, store_all
from tests.conftest import compiled_only
from tests.readmes import ROOT, blocks, commands, links

READMES = ("README.md", "mlp/README.md", "checkpoint/README.md", "bench/README.md")
PROGRAM = ".venv/bin/mlp-checkpointing "

NOT_RUN = {
    # Installs, and trains for two minutes; tests/checkpoint/commands/test_shown_reports.py runs a small comparison.
    "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/mlp-checkpointing compare",
    # Needs MPI; tests/ranks/test_ranks.py trains so.
    ".venv/bin/pip install -q '.[mpi]' && .venv/bin/mpiexec -n 2 .venv/bin/mlp-checkpointing train "
    "--sizes 784,256x8,10 --batch-size 2000 --momentum 0.9 --eta 0.02 --ranks",
    # Is what runs this.
    "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/python -m pytest -q",
}
"""The commands that no test runs."""

COMMANDS = [line for name in READMES for line in commands(name)]
RUN = [line for line in COMMANDS if line not in NOT_RUN]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each command wrote with --json. They run in their order, in one folder, on the built-in images."""
    folder = tmp_path_factory.mktemp("reader")
    _write_tables(folder)
    found = {}
    for line in RUN:
        words = shlex.split(line.removeprefix(PROGRAM))
        data = ["--data", "sample"] if words[0] in ("train", "evaluate") and "--data" not in words else []
        command = [sys.executable, "-P", "-m", "checkpoint", *words, *data, "--json", "report.json"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (line, done.stderr)
        found[line] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    found["files"] = {path.name: path.stat().st_size for path in folder.iterdir()}
    return found


def _write_tables(folder: Path) -> None:
    """A table as a reader may have one, and some of its rows without the column that is to be told."""
    rows = [f"{k % 7},{k % 11 / 2},{'red' if k % 3 else 'blue'}" for k in range(200)]
    kinds = ["low" if k % 7 < 3 else "high" for k in range(200)]
    table = [f"{row},{kind}" for row, kind in zip(rows, kinds, strict=True)]
    (folder / "table.csv").write_text("\n".join(["size,weight,colour,kind", *table]) + "\n")
    (folder / "new.csv").write_text("\n".join(["size,weight,colour", *rows[:9]]) + "\n")


def of(reports: dict[str, dict[str, Any]], *words: str) -> dict[str, Any]:
    """The report of the one command that has all these words."""
    (line,) = [line for line in RUN if all(word in line for word in words)]
    return reports[line]


def test_every_command_is_run_or_listed_with_a_reason() -> None:
    assert all(line.startswith(PROGRAM) for line in RUN)
    assert set(COMMANDS) >= NOT_RUN


@compiled_only
def test_trainings_take_what_the_text_says(reports: dict[str, dict[str, Any]]) -> None:
    chain = chain_of([784, *[128] * 20, 10], batch_size=1000, momentum=0.9)
    whole = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
    kept = of(reports, "train", "every:4")
    assert kept["measured_peak_bytes"] == kept["predicted_peak_bytes"]
    assert kept["measured_peak_bytes"] / whole == pytest.approx(0.40, abs=0.01)
    planned = of(reports, "train", "--budget 25%")
    assert planned["measured_peak_bytes"] == planned["predicted_peak_bytes"] <= whole / 4
    assert planned["weights_sha256"] == kept["weights_sha256"]
    assert of(reports, "evaluate")["test_accuracy"] == planned["test_accuracy"] > 0.3
    offloaded = of(reports, "train", "--offload .")
    assert offloaded["measured_peak_bytes"] / whole == pytest.approx(1 / 6, abs=0.02)
    assert offloaded["offloaded_bytes"] > whole * 0.8
    assert offloaded["weights_sha256"] == kept["weights_sha256"]


def test_table_is_told_by_the_names_of_its_classes(reports: dict[str, dict[str, Any]]) -> None:
    trained, told = of(reports, "train", "table.csv"), of(reports, "predict", "new.csv")
    assert trained["settings"]["sizes"] == [4, *[32] * 8, 2]
    assert (trained["training_samples"], trained["test_samples"]) == (160, 40)
    assert trained["measured_peak_bytes"] == trained["predicted_peak_bytes"]
    assert {*told["names"]} <= {"low", "high"}
    assert len(told["names"]) == 9


def test_images_are_trained_with_all_that_the_text_names(reports: dict[str, dict[str, Any]]) -> None:
    trained = of(reports, "train", "--dropout", "--early-stopping")
    assert trained["measured_peak_bytes"] == trained["predicted_peak_bytes"]
    assert trained["epochs"][-1]["validation_cost"] > 0
    assert len(of(reports, "export")["names"]) == 18


def test_plans_are_what_the_text_says(reports: dict[str, dict[str, Any]]) -> None:
    timeline = of(reports, "plan", "--timeline", "24MiB")
    assert timeline["peak_bytes"] <= timeline["budget_bytes"] == 24 * 2**20
    offloading = of(reports, "plan", "--offload host")
    assert offloading["recomputed_layers"] == 0
    assert offloading["offloaded_bytes"] / 2**30 == pytest.approx(1.06, abs=0.01)
    assert {"timeline.png", "front.png", "analyze.png", "deep.state"} <= set(reports["files"])


def test_ranks_compute_as_the_text_says(reports: dict[str, dict[str, Any]]) -> None:
    text = " ".join((ROOT / "checkpoint/README.md").read_text(encoding="utf-8").split())
    for entry in of(reports, "plan", "--ranks")["efficiencies"]:
        if entry["ranks"] in (16, 64, 256, 1000):
            assert f"{entry['ranks']} ranks {entry['efficiency']:.2f}" in text


def test_front_is_what_the_text_says(reports: dict[str, dict[str, Any]]) -> None:
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    points = of(reports, "plan", "--front")["front"]

    def mebibytes(*, work: float) -> float:
        return min(point["peak_bytes"] for point in points if point["recompute_fraction"] <= work) / 2**20

    (sqrt,) = [point for point in points if point["name"].startswith("sqrt")]
    (plain,) = [point for point in points if point["name"] == "store all"]
    (star,) = [point for point in points if point["name"] == "micro-batches of 128"]
    for said, bytes_of in (
        ("Storing all activations takes {:.0f} MiB", plain["peak_bytes"] / 2**20),
        ("fit in {:.0f} MiB with nothing recomputed", mebibytes(work=0)),
        ("128 rows at a time, {:.0f}% dearer", 100 * (star["cost_ratio"] - 1)),
        ("in {:.0f} MiB with less than one extra forward pass", mebibytes(work=1)),
        ("in {:.1f} MiB if time does not matter", mebibytes(work=1e9)),
        ("`sqrt`, the usual advice, takes {:.0f} MiB", sqrt["peak_bytes"] / 2**20),
    ):
        assert said.format(bytes_of) in text


@compiled_only
def test_python_of_the_readme_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    found = blocks("README.md", "python")
    assert [len([line for line in block.splitlines() if line]) <= 11 for block in found] == [True, True]
    for block in found:  # each by itself
        exec(compile(block, "README.md", "exec"), {})  # noqa: S102
    first, second = capsys.readouterr().out.splitlines()
    assert int(first.split()[0]) <= 16 * 2**20
    assert 0 <= float(second.split()[0]) <= 1


def test_python_of_training_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = [block for block in blocks("mlp/README.md", "python") if "Adam" in block]
    exec(compile(block, "mlp/README.md", "exec"), {})  # noqa: S102
    assert all(0 < float(cost) < 2 for cost in capsys.readouterr().out.split())


@compiled_only
def test_python_of_own_data_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # where it saves a network
    (block,) = [block for block in blocks("mlp/README.md", "python") if "net.save" in block]
    assert len([line for line in block.splitlines() if line]) <= 11
    exec(compile(block, "mlp/README.md", "exec"), {})  # noqa: S102
    assert 0 <= float(capsys.readouterr().out.split()[0]) <= 1


def test_python_of_estimators_runs(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    (block,) = [block for block in blocks("checkpoint/README.md", "python") if "MLPRegressor" in block]
    exec(compile(block, "checkpoint/README.md", "exec"), {})  # noqa: S102
    score, peak_bytes, _ = map(float, capsys.readouterr().out.split())
    assert 0 <= score <= 1
    assert peak_bytes > 0


CHAINS = {
    "long": ([784, *[256] * 256, 10], 4096),
    "deep": ([784, *[512] * 64, 10], 1024),
    "ragged": ([784, *[1024, 64, 512, 32] * 12, 10], 4096),
}


@pytest.mark.parametrize("name", CHAINS)
def test_table_of_bytes_is_what_plans_take(name: str) -> None:
    sizes, batch_size = CHAINS[name]
    chain = chain_of(sizes, batch_size=batch_size)
    lines = (ROOT / "checkpoint/README.md").read_text(encoding="utf-8").splitlines()
    cells = next(line for line in lines if line.startswith(f"| {name}: ")).strip("| ").split(" | ")
    assert float(cells[1]) == round(simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes / 2**20, 1)
    assert cells[2] == _cell(simulate(square_root(n_layers=chain.n_layers), chain))
    for cell, row_blocks in ((cells[3], False), (cells[4], True), (cells[5], True)):
        peak, work = (float(number.strip("()")) for number in cell.split())
        budget = int((peak + 0.05) * 2**20)
        found = plan_chain(chain, budget_bytes=budget, row_blocks=row_blocks, pieces="small", cost="operations")
        assert round(found.peak_bytes / 2**20, 1) == peak
        assert found.recompute_fraction <= work + 0.005
    peak, work = (float(number.strip("()")) for number in cells[6].split())
    with_momentum = chain_of(sizes, batch_size=batch_size, momentum=0.9)
    found = plan_chain(with_momentum, budget_bytes=int((peak + 0.05) * 2**20), cost="operations")
    assert round(found.peak_bytes / 2**20, 1) == peak
    assert found.recompute_fraction <= work + 0.005
    for least, row_blocks in zip(cells[7].split(" / "), (False, True), strict=True):
        budget = int((float(least) + 0.05) * 2**20)
        found = plan_chain(chain, budget_bytes=budget, row_blocks=row_blocks, pieces="small")
        assert round(found.peak_bytes / 2**20, 1) == float(least)


def _cell(simulation: Any) -> str:
    return f"{simulation.peak_bytes / 2**20:.1f} ({simulation.recompute_fraction:.2f})"


@pytest.mark.parametrize("name", READMES)
def test_links_lead_to_files(name: str) -> None:
    for link in links(name):
        if not link.startswith("https://"):
            assert (ROOT / name).parent.joinpath(link).exists(), link


def test_page_on_a_package_index_needs_nothing_beside_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert links(project["readme"]) == []
    assert blocks(project["readme"], "python") == blocks("README.md", "python")[:1]
    assert len(links("README.md")) > 3


def test_licence_names_that_of_the_images_too() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "MIT AND CC-BY-SA-3.0"
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in project["license-files"]]
    assert "MIT License" in texts[0]
    assert "CC BY-SA 3.0" in texts[1]


def test_citation_and_changelog_name_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
