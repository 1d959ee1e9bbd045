"""The page to explore a front: one HTML file that needs nothing beside it, with a slider for the budget.

It shows the bytes over the actions of a step and, layer over action, which activations are held: for each plan of the
front, and for one more schedule if there is one. Long steps have several actions to a column, so that the file stays
below ten megabytes: Plotly's script is half of it.
"""

import json
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from checkpoint.output import OutputError, check_writable, is_stream, replace_file
from checkpoint.palette import BUDGET, OF_KINDS, OUTLINE
from checkpoint.planning.front import Front
from checkpoint.planning.planned import Plan, keeps_bits
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.columns import columns_and_cells, counted_actions
from checkpoint.schedule.placement import arena_bytes
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import Simulation, simulate
from checkpoint.schedule.spans import MOST_ACTIONS, walk
from checkpoint.units import byte_scale

MOST_COLUMNS, MOST_CELLS = 800, 16_000
"""What a plan's picture takes of the file: some 200 kB at most."""

KINDS = tuple(OF_KINDS)
WORDS = ("forward", "recomputed", "backward", "a copy")
HELD_WORDS = ("from the forward pass", "recomputed", "the error in its place", "copied back")
LEGEND = ("forward", "recompute", "backward, or the error in an activation's place", "copy")


def check_page(path: Path) -> None:
    """Raise `OutputError` unless a page can be made here and put at `path`: asked before the work, not after."""
    check_writable(path)
    if path.suffix.lower() not in (".html", ".htm") and not is_stream(path):
        raise OutputError(f"cannot write {path}: a page is HTML; name a file that ends in .html")
    _library()


def write_page(front: Front, path: Path, *, schedule: Schedule | None = None, plan: Plan | None = None) -> None:
    """Write the page of `front` to `path`, whole or not at all; it opens at `schedule`, that of `plan` if planned."""
    replace_file(path, page_html(front, schedule=schedule, plan=plan).encode())


def page_html(front: Front, *, schedule: Schedule | None = None, plan: Plan | None = None) -> str:
    """The text of the page."""
    parts = {
        name: files(__package__).joinpath(f"page.{name}").read_text(encoding="utf-8") for name in ("html", "css", "js")
    }
    data = json.dumps(_record(front, schedule, plan), separators=(",", ":")).replace("<", "\\u003c")
    return Template(parts["html"]).substitute(
        title=escape(front.chain.title), style=parts["css"], script=parts["js"], library=_library(), data=data
    )


def _library() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise OutputError(f"cannot make a page here: {error}; pip install 'mlp-checkpointing[page]'") from None
    return str(get_plotlyjs())


def _record(front: Front, schedule: Schedule | None, plan: Plan | None) -> dict[str, Any]:
    """What the page's script reads: the plans from the fewest bytes to the most, the marks, and words and colours."""
    chain = front.chain
    entries = [
        _entry(chain, found.schedule, budget_bytes=found.budget_bytes) | {"front": True} for found in front.plans
    ]
    chosen = entries[0]
    if schedule is not None:
        budget_bytes = arena_bytes(schedule, chain) if plan is None else plan.budget_bytes
        chosen = _entry(chain, schedule, budget_bytes=budget_bytes)
        same = [
            entry for entry in entries if (entry["peak"], entry["fraction"]) == (chosen["peak"], chosen["fraction"])
        ]
        chosen["front"] = bool(same)
        entries = [entry for entry in entries if entry not in same] + [chosen]
    entries.sort(key=lambda entry: (entry["peak"], -entry["fraction"]))
    unit_bytes, unit = byte_scale(min(entry["peak"] for entry in entries))
    return {
        "layers": chain.n_layers,
        "unit": unit,
        "unit_bytes": unit_bytes,
        "kinds": KINDS,
        "words": WORDS,
        "held_words": HELD_WORDS,
        "legend": LEGEND,
        "colours": {**OF_KINDS, "budget": BUDGET, "outline": OUTLINE},
        "chosen": entries.index(chosen),
        "plans": entries,
        "marks": [
            {"name": mark.name, "peak": mark.peak_bytes, "fraction": mark.recompute_fraction} for mark in front.marks
        ],
    }


def _entry(chain: Chain, schedule: Schedule, *, budget_bytes: int) -> dict[str, Any]:
    simulation = simulate(schedule, chain)
    drawn = dict(_picture(chain, schedule, simulation)) if len(schedule) <= MOST_ACTIONS else {}
    return {
        "name": schedule.name,
        "peak": simulation.peak_bytes,
        "budget": budget_bytes,
        "fraction": simulation.recompute_fraction,
        "rows": schedule.row_block,
        "bits": keeps_bits(schedule, chain),
        "actions": len(counted_actions(schedule)),
        **drawn,
    }


def _picture(chain: Chain, schedule: Schedule, simulation: Simulation) -> Iterator[tuple[str, Any]]:
    found = walk(schedule.actions, chain)
    columns, cells = columns_and_cells(schedule.actions, found, most_columns=MOST_COLUMNS, most_cells=MOST_CELLS)
    yield "together", -(-len(counted_actions(schedule)) // len(columns))
    yield (
        "columns",
        {
            "names": [column.name for column in columns],
            "kinds": [KINDS.index(column.kind) for column in columns],
            "after": [simulation.bytes_after[column.last] for column in columns],
            "most": [max(simulation.peaks[column.first : column.last + 1]) for column in columns],
        },
    )
    layers: list[list[int]] = [[] for _ in range(chain.n_layers)]
    for cell in cells:
        layers[cell.layer - 1] += (cell.left, cell.right, KINDS.index(cell.kind))
    yield "cells", layers
