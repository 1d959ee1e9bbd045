"""The exercise as a notebook: it runs from top to bottom, its assertions hold, and it is kept without outputs."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "bench" / "exercise.ipynb"

EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": "."}}).execute()
nbformat.write(notebook, "executed.ipynb")
"""

can_execute = pytest.mark.skipif(
    not all(find_spec(name) for name in ("nbclient", "ipykernel")),
    reason="nbclient or ipykernel is not installed; they come with the extra dev",
)


def cells_of(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return cells


def test_notebook_is_kept_without_outputs() -> None:
    code = [cell for cell in cells_of(NOTEBOOK) if cell["cell_type"] == "code"]
    assert len(code) > 10
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_class_of_the_exercise_is_short() -> None:
    (source,) = ["".join(cell["source"]) for cell in cells_of(NOTEBOOK) if "class Network" in "".join(cell["source"])]
    assert len(source.splitlines()) < 40
    assert "def forward_between_checkpoints" in source


@can_execute
def test_notebook_runs_and_shows_its_pictures(tmp_path: Path) -> None:
    folders = {name: str(tmp_path / name) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR")}
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(NOTEBOOK)],
        cwd=tmp_path,
        env={**os.environ, **folders},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outputs = [output for cell in cells_of(tmp_path / "executed.ipynb") for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    shown = [kind for output in outputs for kind in output.get("data", {})]
    assert shown.count("image/png") == 2
    html = ["".join(output["data"]["text/html"]) for output in outputs if "text/html" in output.get("data", {})]
    assert sum("<svg" in text for text in html) == 3
    assert sum("<th>test accuracy</th>" in text for text in html) == 1
