"""What was timed, as a table for people and as records for programs. Measures nothing."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from bench.steps.cases import MIB, Case
from bench.steps.timing import Timed
from bench.steps.ways import CONTROL, EAGER, JIT, PLAIN, SEQUENTIAL

TIMES = {
    CONTROL: "floor",
    PLAIN: "plain's",
    EAGER: "PyTorch\neager's",
    SEQUENTIAL: "sequen-\ntial's",
    JIT: "JAX\njit's",
}
"""What times are compared with, and its name in the table; the floor is the matrix products alone."""

BYTES = {PLAIN: "plain's", EAGER: "PyTorch\neager's"}
"""What bytes are compared with."""


def table(case: Case, rows: Sequence[Timed]) -> str:
    """The table of a case: a line for each way, a column for each comparison with a way that ran."""
    named = {row.way.name: row for row in rows}
    times = {name: of for name, of in TIMES.items() if name in named}
    sizes = {name: of for name, of in BYTES.items() if name in named and named[name].peak_bytes}
    resident = any(row.resident for row in rows)
    headers = ["step", "ms", *(f"time of\n{of}" for of in times.values()), "MiB\nabove\nrest"]
    headers += [f"bytes of\n{of}" for of in sizes.values()]
    headers += ["resident\nMiB over\nstart", "resident\nMiB\nat most"] if resident else []
    headers.append("recom-\nputed")
    body = []
    for row in rows:
        cells = [row.way.name, f"{row.seconds * 1e3:.2f}", *(f"{row.ratio_to(named[name]):.2f}" for name in times)]
        cells.append("" if row.peak_bytes is None else f"{row.peak_bytes / MIB:.1f}")
        cells += [_share(row.peak_bytes, named[name].peak_bytes) for name in sizes]
        if resident:
            found = row.resident
            cells += [f"{found.above_start_bytes / MIB:.0f}", f"{found.peak_bytes / MIB:.0f}"] if found else ["", ""]
        cells.append("" if row.way.recompute_fraction is None else f"{row.way.recompute_fraction:.2f}")
        body.append(cells)
    title = f"{case.name}: {case.why}, {case.n_layers} layers, batch {case.batch_size}"
    return "\n".join([title, *_lines(headers, body)])


def _lines(headers: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table; headers of several lines are aligned with the rule below them.

    As tabulate's own headers, each would be two characters wider than its text.
    """
    height = max(header.count("\n") for header in headers)
    lifted = ["\n" * (height - header.count("\n")) + header for header in headers]
    text = tabulate([lifted, *body], tablefmt="plain", disable_numparse=True, stralign="right", colalign=("left",))
    lines = text.splitlines()
    lines.insert(height + 1, "-" * max(map(len, lines)))
    return lines


def record(row: Timed, rows: Sequence[Timed]) -> dict[str, Any]:
    """Every figure of a row, in bytes and seconds, with its ratio to each way that times are compared with."""
    way = row.way
    return {
        "name": way.name,
        "key": way.key,
        "kind": way.kind,
        "library": way.library,
        "seconds": row.seconds,
        "turn_seconds": list(row.turns),
        "time_ratios": {other.way.name: row.ratio_to(other) for other in rows if other.way.name in TIMES},
        "peak_bytes": row.peak_bytes,
        "resident": None if row.resident is None else asdict(row.resident),
        "recompute_fraction": way.recompute_fraction,
        "row_blocks": way.row_blocks,
        "planned": way.planned,
        "optimal_among": way.optimal_among,
    }


def _share(own: int | None, of: int | None) -> str:
    return "" if own is None or not of else f"{own / of:.3f}"
