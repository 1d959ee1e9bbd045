"""What a notebook shows of a plan: its facts as a table, and its step as a picture. No arrays here."""

from collections.abc import Iterator
from html import escape
from typing import Protocol

from checkpoint.planning.budget import store_all_bytes
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.columns import columns_and_cells
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import simulate
from checkpoint.schedule.spans import MOST_ACTIONS, walk
from checkpoint.schedule.svg import MOST_CELLS, MOST_COLUMNS, step_svg
from checkpoint.units import counted, format_bytes


class Sketched(Protocol):
    """What is shown: a `Plan`."""

    @property
    def chain(self) -> Chain: ...
    @property
    def schedule(self) -> Schedule: ...
    @property
    def budget_bytes(self) -> int: ...
    @property
    def peak_bytes(self) -> int: ...
    @property
    def arena_bytes(self) -> int: ...
    @property
    def recomputed_layers(self) -> int: ...
    @property
    def recompute_fraction(self) -> float: ...
    @property
    def optimal_among(self) -> str: ...
    @property
    def keeps_bits(self) -> bool: ...
    @property
    def row_block(self) -> int | None: ...
    @property
    def offloaded_bytes(self) -> int: ...


def plan_summary(plan: Sketched) -> str:
    """A line for each fact of a plan."""
    from tabulate import tabulate  # which training does without

    return f"{_title(plan)}\n{tabulate(list(_facts(plan)), tablefmt='plain')}"


def plan_html(plan: Sketched) -> str:
    """The facts of a plan as a table, and below it the bytes and the layers over the actions of its step."""
    from tabulate import tabulate

    table = tabulate(list(_facts(plan)), tablefmt="html")
    html = f"<p><b>{escape(_title(plan))}</b></p>{table}"
    schedule, chain = plan.schedule, plan.chain
    if len(schedule) > MOST_ACTIONS:
        return f"{html}<p>{len(schedule):,} actions are too many for a picture here.</p>"
    found = walk(schedule.actions, chain)
    columns, cells = columns_and_cells(schedule.actions, found, most_columns=MOST_COLUMNS, most_cells=MOST_CELLS)
    peaks = simulate(schedule, chain).peaks
    return html + step_svg(columns, cells, n_layers=chain.n_layers, peaks=peaks, budget_bytes=plan.budget_bytes)


def _title(plan: Sketched) -> str:
    return f"{plan.chain.title}, planned in {format_bytes(plan.budget_bytes)}"


def _facts(plan: Sketched) -> Iterator[tuple[str, str]]:
    whole = store_all_bytes(plan.chain)
    yield "peak", f"{format_bytes(plan.peak_bytes)} above rest ({plan.peak_bytes:,} bytes)"
    yield "arena", f"{format_bytes(plan.arena_bytes)} in one block, {plan.arena_bytes / whole:.1%} of store all's"
    recomputed = counted(plan.recomputed_layers, "layer")
    yield "recomputed", f"{recomputed} a step, {plan.recompute_fraction:.4g} of a forward pass"
    rows = f"row blocks of {plan.row_block} rows and more" if plan.row_block else "whole mini-batches"
    yield "works on", f"{rows}, in {plan.schedule.pieces} pieces"
    yield "gradients", f"plain backpropagation's, {'bit for bit' if plan.keeps_bits else 'but for rounding'}"
    yield "best of", plan.optimal_among
    if plan.offloaded_bytes:
        yield "offloaded", f"{format_bytes(plan.offloaded_bytes)} a step, and back"
    yield "actions", f"{len(plan.schedule):,} ({plan.schedule.name})"
