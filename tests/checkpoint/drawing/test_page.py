"""The page to explore a front: complete, self-contained, refused in time where it cannot be; and in a browser."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from checkpoint import Layer, chain_of, front_of, general_chain, plan_chain, simulate
from checkpoint.commands.program import main
from checkpoint.drawing import page
from checkpoint.output import OutputError
from checkpoint.schedule.columns import counted_actions
from checkpoint.schedule.spans import walk

CHAIN = chain_of([20, *[64] * 6, 4], batch_size=256)
FRONT = front_of(CHAIN)
BUDGET = "60%"
PLAN = ["plan", "--sizes", "20,64x6,4", "--batch-size", "256"]

with_plotly = pytest.mark.skipif(
    find_spec("plotly") is None, reason="plotly is not installed; it comes with the extra page"
)


def record_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    record: dict[str, Any] = json.loads(found[1])
    return record


@pytest.fixture
def html(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(page, "_library", lambda: "/* the library */")
    found = plan_chain(CHAIN, budget_bytes=BUDGET)
    return page.page_html(FRONT, schedule=found.schedule, plan=found)


def test_page_has_every_plan_of_the_front_and_opens_at_the_chosen_one(html: str) -> None:
    record, chosen = record_of(html), plan_chain(CHAIN, budget_bytes=BUDGET)
    peaks = [entry["peak"] for entry in record["plans"]]
    assert set(peaks) == {chosen.peak_bytes, *(found.peak_bytes for found in FRONT.plans)}
    assert peaks == sorted(peaks)
    assert record["plans"][record["chosen"]]["peak"] == chosen.peak_bytes
    assert record["plans"][record["chosen"]]["budget"] == chosen.budget_bytes
    assert len(record["marks"]) == len(FRONT.marks)


def test_bytes_of_the_page_are_the_simulator_s(html: str) -> None:
    entries = {entry["peak"]: entry for entry in record_of(html)["plans"]}
    for found in FRONT.plans:
        entry, simulation = entries[found.peak_bytes], simulate(found.schedule, CHAIN)
        assert entry["together"] == 1
        assert entry["columns"]["names"] == [str(found.schedule.actions[at]) for at in counted_actions(found.schedule)]
        assert max(entry["columns"]["most"]) == simulation.peak_bytes
        assert set(entry["columns"]["after"]) <= set(simulation.bytes_after)
        held = Counter(at for flat in entry["cells"] for k in range(0, len(flat), 3) for at in range(*flat[k : k + 2]))
        assert max(held.values()) == walk(found.schedule.actions, CHAIN).most_held


def test_page_is_one_file(html: str) -> None:
    assert "<title>20,64x6,4, batch 256</title>" in html
    assert not re.search(r"""(src|href)\s*=\s*["']?http""", html)
    assert "default-src 'none'" in html


def test_name_of_a_chain_stays_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_library", lambda: "")
    layers = [Layer(output_bytes=1000 * size, needs="both") for size in (3, 1, 4, 1, 5)]
    html = page.page_html(front_of(general_chain(layers, name="</script><script>alert(1)</script>")))
    assert html.count("<script") == page.page_html(FRONT).count("<script")
    assert "<title>&lt;/script&gt;" in html


def test_long_steps_take_a_bounded_part_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_library", lambda: "")
    chain = chain_of([64] * 129, batch_size=2048)
    found = plan_chain(chain, budget_bytes="4%", minimum_block_rows=32)
    front = FRONT.__class__(chain, (found,), FRONT.marks, complete=False)
    html = page.page_html(front)
    assert record_of(html)["plans"][0]["together"] > 5
    assert len(html) < 200_000
    monkeypatch.setattr(page, "MOST_ACTIONS", 100)
    (entry,) = record_of(page.page_html(front))["plans"]
    assert "columns" not in entry
    assert entry["actions"] > 5000


@with_plotly
def test_command_writes_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plan.html"
    assert main([*PLAN, "--page", str(path)]) == 0
    assert capsys.readouterr().out.endswith(f"the page is {path}; open it in a browser\n")
    assert len(record_of(path.read_text(encoding="utf-8"))["plans"]) == len(FRONT.plans)
    assert 4_000_000 < path.stat().st_size < 6_000_000


@with_plotly
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("plan.png", "a page is HTML; name a file that ends in .html"),
        ("missing/plan.html", "No such file or directory"),
        ("folder", "it is a folder"),
    ],
)
def test_page_that_cannot_be_written_is_refused_before_the_work(
    name: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr("checkpoint.commands.found.front_of", lambda *_, **__: pytest.fail("planned before it looked"))
    assert main([*PLAN, "--page", str(tmp_path / name)]) == 2
    assert said in capsys.readouterr().err


def test_page_over_another_output_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "plan.html")
    assert main([*PLAN, "--page", path, "--json", path]) == 2
    assert f"--json and --page both name {path}" in capsys.readouterr().err


def test_page_without_plotly_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "plotly.offline", None)
    with pytest.raises(OutputError, match=r"cannot make a page here: .*; pip install 'mlp-checkpointing\[page\]'"):
        page.check_page(tmp_path / "plan.html")


# In a browser


def chromium() -> str | None:
    """Debian's Chromium, or one under another usual name."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


can_browse = pytest.mark.skipif(
    find_spec("playwright") is None or chromium() is None,
    reason="playwright (of the extra dev) or Chromium (a package of the system) is not installed",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "plan.html"
    page.write_page(FRONT, path)
    return path


@can_browse
@with_plotly
@pytest.mark.parametrize("width", [1280, 360])
def test_sliders_move_the_pictures_by_keyboard_at_any_width(width: int, browser: Any, written: Path) -> None:
    complaints: list[str] = []
    tab = browser.new_page(viewport={"width": width, "height": 800})
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: complaints.append(request.url) if not request.url.startswith("file:") else None)
    tab.goto(written.as_uri())
    plans = [found.schedule.name for found in sorted(FRONT.plans, key=lambda found: found.peak_bytes)]
    assert tab.get_attribute("#plan", "max") == str(len(plans) - 1)
    for number in (len(plans) - 1, len(plans) - 2):  # it opens at the most bytes; an arrow key takes the next fewer
        said = tab.inner_text("#chosen")
        assert plans[number] in said
        assert tab.get_attribute("#plan", "aria-valuetext") == said
        tab.focus("#plan")
        tab.keyboard.press("ArrowLeft")
    tab.focus("#action")
    tab.keyboard.press("Home")
    assert tab.inner_text("#held").startswith("1 of ")
    assert ": F1, forward. " in tab.inner_text("#held")
    assert "from the forward pass: a1." in tab.inner_text("#held")
    tab.keyboard.press("End")
    assert re.search(r": B1(\[\d+:\d+\])?, backward\. ", tab.inner_text("#held"))
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate("document.querySelectorAll('#step .bars path, #step .heatmaplayer image').length") > 20
    assert complaints == []
    tab.close()


@can_browse
@with_plotly
def test_hovering_names_the_action_and_its_bytes(browser: Any, written: Path) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 1100})
    tab.goto(written.as_uri())
    box = tab.locator("#step .bars path").nth(3).bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 3)
    tab.wait_for_selector("#step .hoverlayer text")
    assert re.search(r"[FB]\d.* after, .* at most", tab.text_content("#step .hoverlayer"))
    tab.close()
