"""What was timed, as a table for people and as records for programs. Measures nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from bench.steps.cases import MIB, Case
from bench.steps.roofline import Roofline
from bench.steps.timing import Timed
from bench.steps.ways import CONTROL, EAGER, EAGERS, JIT, PLAIN, PRODUCTS, SEQUENTIAL

COMPARED = (CONTROL, PLAIN, EAGER, SEQUENTIAL, JIT)
"""The ways whose time the others' is compared with, in records."""

TIMES = {CONTROL: "prod-\nucts", PLAIN: "plain", EAGER: "PyTorch\neager"}
"""Those of the table, and their names in it; the products are NumPy's matrix products alone."""


def table(case: Case, rows: Sequence[Timed], rooflines: Mapping[str, Roofline] | None = None) -> str:
    """The table of a case: a line for each way, a column for each comparison with a way that ran.

    `rooflines`: the least a step takes on this machine, by name of the way, with that of plain among them.
    """
    named = {row.way.name: row for row in rows}
    times = {name: of for name, of in TIMES.items() if name in named}
    whole = named[PLAIN].peak_bytes if PLAIN in named else None
    peers = any(row.way.kind == "peer" for row in rows)
    resident = any(row.resident for row in rows)
    headers = ["step", "ms", *(f"time\nover\n{of}" for of in times.values())]
    headers += ["own\nprod-\nucts", "own\neager"] if peers else []
    headers += ["roof-\nline", "memory-\nbound"] if rooflines else []
    headers += ["MiB\nabove\nrest", *(["bytes\nover\nplain"] if whole else [])]
    headers += ["RSS\nMiB over\nstart", "RSS MiB\nat most"] if resident else []
    headers.append("recom-\nputed")
    body = []
    for row in rows:
        cells = [row.way.name, f"{row.seconds * 1e3:.2f}", *(f"{row.ratio_to(named[name]):.2f}" for name in times)]
        if peers:
            own = own_ratios(row, named)
            cells += [_figure(own["own_products"], ".2f"), _figure(own["own_eager"], ".2f")]
        if rooflines:
            found = rooflines.get(row.way.name)
            cells.append(f"{row.seconds / rooflines[PLAIN].seconds:.2f}")
            cells.append("" if found is None else f"{found.memory_bound:.0%}")
        cells.append("" if row.peak_bytes is None else f"{row.peak_bytes / MIB:.1f}")
        cells += ["" if row.peak_bytes is None else f"{row.peak_bytes / whole:.3f}"] if whole else []
        if resident:
            held = row.resident
            cells += [f"{held.above_start_bytes / MIB:.0f}", f"{held.peak_bytes / MIB:.0f}"] if held else ["", ""]
        cells.append(_figure(row.way.recompute_fraction, ".2f"))
        body.append(cells)
    title = f"{case.name}: {case.why}, {case.n_layers} layers, batch {case.batch_size}"
    return "\n".join([title, *_of_roofline(rooflines), *lines(headers, body)])


def own_ratios(row: Timed, named: Mapping[str, Timed]) -> dict[str, float | None]:
    """A row's time over that of its own library's products and of its own library's plainest step."""
    library = row.way.library
    products = named.get(PRODUCTS.get(library, CONTROL))
    eager = None if row.way.kind == "control" else named.get(EAGERS.get(library, ""))
    return {
        "own_products": None if products is None else row.ratio_to(products),
        "own_eager": None if eager is None else row.ratio_to(eager),
    }


def _of_roofline(rooflines: Mapping[str, Roofline] | None) -> list[str]:
    if not rooflines:
        return []
    plain = rooflines[PLAIN]
    return [
        f"at least {plain.seconds * 1e3:.2f} ms: {plain.flops / 1e9:.3g} Gflop, {plain.memory_bytes / MIB:.0f} MiB "
        f"from and to memory, {plain.memory_bound:.0%} of the time in layers bound by memory"
    ]


def lines(headers: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table; headers of several lines are aligned with the rule below them.

    As tabulate's own headers, each would be two characters wider than its text.
    """
    height = max(header.count("\n") for header in headers)
    lifted = ["\n" * (height - header.count("\n")) + header for header in headers]
    text = tabulate([lifted, *body], tablefmt="plain", disable_numparse=True, stralign="right", colalign=("left",))
    found = text.splitlines()
    found.insert(height + 1, "-" * max(map(len, found)))
    return found


def record(row: Timed, rows: Sequence[Timed], rooflines: Mapping[str, Roofline] | None = None) -> dict[str, Any]:
    """Every figure of a row, in bytes and seconds, with its ratio to each way that times are compared with."""
    way, named = row.way, {other.way.name: other for other in rows}
    limit = (rooflines or {}).get(way.name)
    return {
        "name": way.name,
        "key": way.key,
        "kind": way.kind,
        "library": way.library,
        "seconds": row.seconds,
        "turn_seconds": list(row.turns),
        "time_ratios": {name: row.ratio_to(named[name]) for name in COMPARED if name in named},
        **{f"time_ratio_to_{name}": ratio for name, ratio in own_ratios(row, named).items()},
        "roofline": None if limit is None else asdict(limit),
        "peak_bytes": row.peak_bytes,
        "resident": None if row.resident is None else asdict(row.resident),
        "recompute_fraction": way.recompute_fraction,
        "row_blocks": way.row_blocks,
        "planned": way.planned,
        "optimal_among": way.optimal_among,
    }


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)
