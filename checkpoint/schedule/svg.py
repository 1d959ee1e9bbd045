"""The picture of a step as SVG text, for notebooks: which activations are held at each action, and the bytes over it.

No drawing library, and no arrays: text made of numbers. Large pictures are `checkpoint.drawing`'s.
"""

from collections.abc import Iterator, Sequence
from html import escape

from checkpoint.palette import BUDGET, OF_KINDS
from checkpoint.schedule.columns import Cell, Column
from checkpoint.units import format_bytes

MOST_COLUMNS, MOST_CELLS = 400, 2500
"""What a notebook keeps of a picture: about 300 kB at most."""

LEFT, WIDTH, BYTES_HEIGHT, LINE = 52, 660, 110, 16
LEAST_HEIGHT, MOST_HEIGHT, LAYER_HEIGHT = 24, 200, 12
MOST_TITLES = 1000
"""With more cells than this, none has a title to hover over: the text stays small."""
WORDS = {
    "forward": "forward",
    "recompute": "recomputed",
    "backward": "backward: the error in its place",
    "copy": "copied",
}


def step_svg(
    columns: Sequence[Column],
    cells: Sequence[Cell],
    *,
    n_layers: int,
    peaks: Sequence[int] = (),
    budget_bytes: int = 0,
) -> str:
    """An `<svg>`: layers over actions, a bar where an activation is held; above it, with `peaks`, bytes over actions.

    `peaks`: the most bytes while each action runs, by position.
    """
    parts: list[str] = []
    top = 4.0
    if peaks:
        parts += _bytes(columns, peaks, budget_bytes, top)
        top += BYTES_HEIGHT + LINE
    height = min(max(LAYER_HEIGHT * n_layers, LEAST_HEIGHT), MOST_HEIGHT)
    parts += _layers(columns, cells, n_layers, top, height)
    top += height + LINE
    kinds = {column.kind for column in columns} | {cell.kind for cell in cells}
    parts += _legend([kind for kind in OF_KINDS if kind in kinds], top)
    size = f'viewBox="0 0 {LEFT + WIDTH + 8} {top + LINE:.0f}" width="{LEFT + WIDTH + 8}"'
    style = "max-width:100%;height:auto;background:#fff;font:11px sans-serif"
    said = f"which of {n_layers} activations are held at each of {len(columns)} columns of actions"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="{style}" role="img" aria-label="{said}">' + (
        "".join(parts) + "</svg>"
    )


def _bytes(columns: Sequence[Column], peaks: Sequence[int], budget_bytes: int, top: float) -> Iterator[str]:
    most = max(*peaks, budget_bytes)
    for place, column in enumerate(columns):
        amount = max(peaks[column.first : column.last + 1])
        height = amount / most * BYTES_HEIGHT
        title = f"{column.name}: {format_bytes(amount)}"
        yield _bar(place, place + 1, len(columns), top + BYTES_HEIGHT - height, height, column.kind, title)
    if budget_bytes:
        y = top + BYTES_HEIGHT * (1 - budget_bytes / most)
        yield f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="{BUDGET}"/>'
    yield _text(LEFT - 4, top + 10, format_bytes(most), "end") + _text(LEFT - 4, top + BYTES_HEIGHT, "0", "end")


def _layers(
    columns: Sequence[Column], cells: Sequence[Cell], n_layers: int, top: float, height: float
) -> Iterator[str]:
    each = height / n_layers
    yield f'<rect x="{LEFT}" y="{top:.1f}" width="{WIDTH}" height="{height:.1f}" fill="#f3f3f3"/>'
    for cell in cells:
        y, title = top + height - cell.layer * each, ""
        if len(cells) <= MOST_TITLES:
            begin, end = columns[cell.left].name, columns[cell.right - 1].name
            title = f"a_{cell.layer}, {WORDS[cell.kind]}: held from {begin} to {end}"
        yield _bar(cell.left, cell.right, len(columns), y + each * 0.08, each * 0.84, cell.kind, title)
    yield _text(LEFT - 4, top + 10, f"a_{n_layers}", "end")
    if n_layers > 1:
        yield _text(LEFT - 4, top + height, "a_1", "end")


def _bar(left: int, right: int, of: int, y: float, height: float, kind: str, title: str) -> str:
    x, width = LEFT + WIDTH * left / of, WIDTH * (right - left) / of
    gap = 0.6 if of < WIDTH / 4 else 0
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width - gap:.1f}" height="{height:.1f}"'
    named = f"><title>{escape(title)}</title></rect>" if title else "/>"
    return f'<rect {place} fill="{OF_KINDS[kind]}"{named}'


def _legend(kinds: Sequence[str], top: float) -> Iterator[str]:
    x = float(LEFT)
    for kind in kinds:
        yield f'<rect x="{x:.0f}" y="{top - 7:.0f}" width="9" height="9" fill="{OF_KINDS[kind]}"/>'
        yield _text(x + 13, top + 1, WORDS[kind], "start")
        x += 30 + 6.2 * len(WORDS[kind])


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="#222">{escape(text)}</text>'
