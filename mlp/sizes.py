"""The widths of a network's layers: checked, and read from text. Plain numbers; no arrays here."""

import re
from collections.abc import Iterable, Mapping, Set
from operator import index

from mlp.errors import NetworkError, one_line

MAX_WIDTH = 2**31 - 1
"""The widest layer: BLAS libraries count rows and columns in 32 bits."""
MAX_LAYERS = 100_000

_PART = re.compile(r"([0-9]+)(?:x([0-9]+))?")


def check_sizes(sizes: Iterable[int]) -> tuple[int, ...]:
    """`sizes` as a tuple of whole numbers: n_0 inputs, then the units of each layer.

    Raises `NetworkError` for what is no sequence of whole numbers, for fewer than two sizes and for a width below 1 or
    above 2**31 - 1.

    >>> check_sizes([784, 100, 10])
    (784, 100, 10)
    """
    try:
        if isinstance(sizes, bytes | bytearray | Mapping | Set):  # of whole numbers, and yet not widths in order
            raise TypeError
        widths = tuple(_width(width) for width in sizes)
    except TypeError:
        shown = one_line(repr(sizes), limit=60)
        raise NetworkError(f"sizes must be whole numbers in order, such as [784, 100, 10]; got {shown}") from None
    if len(widths) < 2:
        raise NetworkError(f"sizes must have an input and at least one layer, such as [784, 10]; got {list(widths)}")
    if len(widths) > MAX_LAYERS + 1:
        raise NetworkError(f"at most {MAX_LAYERS} layers can be built; got {len(widths) - 1}")
    for position, width in enumerate(widths):
        if not 1 <= width <= MAX_WIDTH:
            raise NetworkError(f"every width must be from 1 to {MAX_WIDTH}; got {width} at position {position}")
    return widths


def _width(width: object) -> int:
    if isinstance(width, bool):
        raise TypeError
    return index(width)  # type: ignore[arg-type]


def parse_sizes(text: str) -> tuple[int, ...]:
    """The widths that `text` lists, where `256x64` stands for 64 layers of 256.

    >>> parse_sizes("784,256x3,10")
    (784, 256, 256, 256, 10)
    """
    return check_sizes(_widths(text.split(",")))


def sizes_for(text: str, *, inputs: int, outputs: int, exact: bool = True) -> tuple[int, ...]:
    """The widths of a network for data with so many `inputs` and `outputs`: all that `text` lists, or between them.

    One width is that of the only hidden layer. Several are the whole network where both ends are the data's, its hidden
    layers where neither is, and refused where one of them is: the words `in` and `out` at the ends stand for the
    data's, and say that the rest is hidden. `exact` False: what begins with `inputs` is the whole network, whatever its
    end. One output serves for two as well. Raises `NetworkError`.

    >>> sizes_for("20,32,3", inputs=20, outputs=3), sizes_for("32", inputs=20, outputs=3)
    ((20, 32, 3), (20, 32, 3))
    >>> sizes_for("in,20,20,out", inputs=20, outputs=3)
    (20, 20, 20, 3)
    """
    parts = [part.strip() for part in text.split(",")]
    begins, ends = parts[0] == "in", parts[-1] == "out"
    if begins or ends:
        hidden = parts[begins : len(parts) - ends]
        return check_sizes([*[inputs] * begins, *_widths(hidden), *[outputs] * ends])
    widths = _widths(parts)
    begins = len(widths) > 1 and widths[0] == inputs
    ends = len(widths) > 1 and (widths[-1] == outputs or (widths[-1], outputs) == (1, 2))
    if begins and (ends or not exact):
        return check_sizes(widths)
    if begins or ends:
        shown = one_line(text, limit=40)
        has, lacks = ("begin", "end") if begins else ("end", "begin")
        raise NetworkError(
            f"sizes {shown} {has} as the data does, which has {inputs} inputs and {outputs} outputs, and do not "
            f"{lacks} so; write {inputs},...,{outputs} for the whole network, or in,{shown},out for hidden layers"
        )
    return check_sizes([inputs, *widths, outputs])


def check_sizes_text(text: str) -> None:
    """Raise `NetworkError` for what no data makes sizes of: before the data is read."""
    parts = [part.strip() for part in text.split(",")]
    check_sizes([1, *_widths(parts[parts[0] == "in" : len(parts) - (parts[-1] == "out")]), 1])


def _widths(parts: Iterable[str]) -> list[int]:
    widths: list[int] = []
    for part in parts:
        match = _PART.fullmatch(part.strip())
        # Ten digits are more than any width or count may have; int() of a million digits takes a while.
        if match is None or any(group is not None and len(group) > 10 for group in match.groups()):
            shown = part if len(part) <= 40 else part[:37] + "..."
            raise NetworkError(f"sizes are whole numbers such as 784,256x64,10; got {shown!r}")
        count = int(match[2] or 1)
        if not 1 <= count <= MAX_LAYERS:
            raise NetworkError(f"a repeat in sizes must be from 1 to {MAX_LAYERS}, as in 256x64; got {part.strip()!r}")
        if len(widths) + count > MAX_LAYERS + 1:
            raise NetworkError(
                f"at most {MAX_LAYERS} layers can be built; the sizes up to {part.strip()!r} make "
                f"{len(widths) + count - 1}"
            )
        widths += [int(match[1])] * count
    return widths


def format_sizes(sizes: Iterable[int]) -> str:
    """The shortest text that `parse_sizes` reads back.

    >>> format_sizes((784, 256, 256, 10))
    '784,256x2,10'
    """
    runs: list[list[int]] = []
    for width in sizes:
        if runs and runs[-1][0] == width:
            runs[-1][1] += 1
        else:
            runs.append([width, 1])
    return ",".join(str(width) if count == 1 else f"{width}x{count}" for width, count in runs)
