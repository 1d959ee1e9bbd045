"""Pictures whatever matplotlib is set to: by the environment, by a file where one stands, in the process itself."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest

import checkpoint

ROOT = Path(__file__).parents[3]
DRAW = """
import sys
import checkpoint
from checkpoint.drawing.canvas import check_drawable, save
from pathlib import Path
plan = checkpoint.plan([784, 32, 32, 32, 10], batch_size=256, budget_bytes=400_000)
check_drawable(Path("front.png"))
save(checkpoint.figure(plan), Path("front.png"))
save(checkpoint.timeline(plan), Path("timeline.png"))
assert "matplotlib.pyplot" not in sys.modules
"""


def draw(folder: Path, before: str = "", **environment: str) -> list[bytes]:
    """The two pictures, drawn by a process of its own in `folder`."""
    subprocess.run(
        [sys.executable, "-c", before + DRAW],
        cwd=folder,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    return [(folder / name).read_bytes() for name in ("front.png", "timeline.png")]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return draw(tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense", "TkAgg", "svg"])
def test_backend_of_a_notebook_or_of_nobody_changes_no_picture(
    pictures: list[bytes], tmp_path: Path, backend: str
) -> None:
    assert draw(tmp_path, MPLBACKEND=backend) == pictures


def test_settings_where_one_stands_change_no_picture(pictures: list[bytes], tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nlines.linewidth: 9\naxes.facecolor: red\n")
    assert draw(tmp_path) == pictures


def test_style_of_the_process_changes_no_picture_and_is_kept(pictures: list[bytes], tmp_path: Path) -> None:
    before = "import matplotlib; matplotlib.rcParams['axes.facecolor'] = 'black'; matplotlib.rcParams['font.size'] = 30"
    after = "\nassert matplotlib.rcParams['font.size'] == 30"
    assert draw(tmp_path, before + after) == pictures
    size = mpl.rcParams["font.size"]
    from checkpoint.drawing.canvas import default_style

    with mpl.rc_context({"font.size": size + 7}):
        with default_style():
            assert mpl.rcParams["font.size"] != size + 7
        assert mpl.rcParams["font.size"] == size + 7


def test_backend_that_can_be_had_is_obeyed_where_it_is_asked_for() -> None:
    code = "import checkpoint.drawing, matplotlib; print(matplotlib.rcParams['backend'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "MPLBACKEND": "svg", "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == "svg"


def test_notebook_shows_a_figure_without_pyplot():
    found = checkpoint.timeline(checkpoint.plan([8, 8, 8, 4], batch_size=4, budget_bytes="100%"))
    assert found._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
