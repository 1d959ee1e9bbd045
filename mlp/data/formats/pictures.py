"""One picture file, PNG or JPEG, as bytes of a wanted size, grey or in colour. The files are not trusted.

A picture is decoded only once its size is known to be bounded. Knows no networks: a size in, bytes out.
"""

import warnings
from collections.abc import Callable
from math import isqrt
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mlp.data.errors import DamagedDataError, DataError, OversizedDataError
from mlp.errors import one_line

MAX_PICTURE_BYTES = 2**25
MAX_PICTURE_PIXELS = 2**24
"""A photograph of 16 megapixels; decoded in colour it takes 64 MiB."""

_STARTS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
START_BYTES = 8
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


def is_picture(start: bytes) -> bool:
    """Whether a file that begins so is a PNG or a JPEG."""
    return start.startswith(_STARTS)


def read_picture(
    file: BinaryIO,
    *,
    where: str,
    features: int,
    say: Callable[[str], None],
    shape: tuple[int, ...] | None = None,
) -> NDArray[np.uint8]:
    """The picture as one row of pixels, (1, `features`), 0 to 255.

    `shape`: (rows, columns) of grey pixels or (rows, columns, 3) of colours; where it is not given or no picture's,
    that of a grey square. Colour and palettes are made grey where grey is wanted. What is transparent is laid on white
    where the rest is dark, else on black. A picture of another size is padded with the colour of its corner and
    resized.
    `say` is called with a line on what was done. Raises a `DataError`.
    """
    from PIL import Image, ImageOps

    if file.seek(0, 2) > MAX_PICTURE_BYTES:
        raise OversizedDataError(f"{where}: pictures of at most {MAX_PICTURE_BYTES} bytes are read")
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures; the size is looked at here
            with Image.open(file, formats=("PNG", "JPEG")) as picture:
                wanted = _size_of(shape)
                _check(picture.size, picture.mode, where=where, features=features, wanted=wanted)
                upright = ImageOps.exif_transpose(picture)
                drawn = upright.convert("RGB") if shape is not None and len(shape) == 3 else _grey(upright)
                fits = drawn.width * drawn.height == features if wanted is None else drawn.size == wanted
                if not fits:
                    wide, high = wanted or (isqrt(features), isqrt(features))
                    say(f"{where}: resized from {drawn.width} x {drawn.height} to {wide} x {high} pixels")
                    corner: Any = drawn.getpixel((0, 0))
                    drawn = ImageOps.pad(drawn, (wide, high), Image.Resampling.BOX, color=corner)
                pixels = np.asarray(drawn, dtype=np.uint8)
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged files: OSError, SyntaxError, ValueError, ...
        reason = one_line(str(error) or type(error).__name__, limit=200)
        raise DamagedDataError(f"{where}: can't be decoded as a picture ({reason}); it is damaged") from None
    return pixels.reshape(1, features)


def _size_of(shape: tuple[int, ...] | None) -> tuple[int, int] | None:
    """(columns, rows) of a picture of that shape; None where it is no picture's."""
    if shape is None or len(shape) < 2 or (len(shape) == 3 and shape[2] != 3):
        return None
    return shape[1], shape[0]


def _check(
    size: tuple[int, int], mode: str, *, where: str, features: int, wanted: tuple[int, int] | None = None
) -> None:
    width, height = size
    if width * height > MAX_PICTURE_PIXELS:
        raise OversizedDataError(
            f"{where}: is {width} x {height} pixels, more than {MAX_PICTURE_PIXELS}; make it smaller",
            promised_bytes=width * height,
            limit_bytes=MAX_PICTURE_PIXELS,
        )
    if wanted is None and width * height != features and isqrt(features) ** 2 != features:
        raise DataError(
            f"{where}: is {width} x {height}, {width * height} pixels; the network takes {features}, which is no square"
        )
    if mode not in _MODES:
        raise DataError(f"{where}: wanted 8 bits of grey or colour, found {mode}")


def _grey(picture: Any) -> Any:
    """The picture in grey, what is transparent laid on the ground that shows the rest."""
    from PIL import Image

    if "A" not in picture.mode and "transparency" not in picture.info:
        return picture.convert("L")
    grey, alpha = picture.convert("RGBA").convert("LA").split()
    ink, weight = np.asarray(grey, np.float64), np.asarray(alpha, np.float64)
    dark = weight.any() and (ink * weight).sum() / weight.sum() < 128
    ground = Image.new("L", grey.size, 255 if dark else 0)
    ground.paste(grey, mask=alpha)
    return ground
