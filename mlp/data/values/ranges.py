"""Whether values have the range of those that a network was trained on: refused or said where they have not."""

from mlp.data.errors import DataError
from mlp.data.values.preparation import Preparation, Span
from mlp.data.values.scaling import NARROW, PIXELS, Scaling

FAR = 4
"""Values are of another range where they go on to more than so many times the training's."""

NEAR = 8
"""They are too where they go no further than the training's over this many, and are many enough to show it."""

MANY = 32


def check_range(span: Span, known: Preparation, *, name: str, of_bytes: bool) -> None:
    """Raise `DataError` unless raw values in `span` are of the range of the images that were trained on.

    `of_bytes`: whether they are bytes, all of which may stand for one of 0 to 255. Does nothing for a network that was
    trained on anything but images of bytes, and for one whose user chose the scaling.
    """
    pixels, (least, most) = known.pixels, span
    if pixels is None or known.reading.scale is not None:
        return
    if of_bytes and most == 0:  # black, which is of any range
        return
    smallest = NARROW if pixels == PIXELS else pixels.high / 2
    if least < 0 or not smallest < most <= pixels.high:
        found = Scaling(most) if least == 0 < most else f"{least:g} to {most:g}"
        raise DataError(
            f"{name}: the values of these images run from {found}, and the network was trained on {pixels}; scale them "
            f"alike"
        )


def said_of_range(span: Span, known: Preparation, *, name: str, values: int) -> str:
    """What to say of `values` values in `span` whose range is far from that of the training; "" where none is."""
    if known.span is None:
        return ""
    found, trained = (max(abs(least), abs(most)) for least, most in (span, known.span))
    larger = found > FAR * trained
    smaller = values >= MANY and 0 < found * NEAR < trained
    if not larger and not smaller:
        return ""
    return (
        f"values of {name} run from {span[0]:g} to {span[1]:g}, and those that the network was trained on from "
        f"{known.span[0]:g} to {known.span[1]:g}: scale them alike"
    )
