"""One picture file, PNG or JPEG, as grey bytes of a wanted size. The files are not trusted.

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


def read_picture(file: BinaryIO, *, where: str, features: int, say: Callable[[str], None]) -> NDArray[np.uint8]:
    """The picture as one row of grey pixels, (1, `features`), 0 to 255.

    Colour and palettes are made grey. What is transparent is laid on white where the rest is dark, else on black. A
    picture of another size is padded to a square with the colour of its corner, and resized, where `features` is the
    number of pixels of a square. `say` is told of what was done. Raises a `DataError`.
    """
    from PIL import Image, ImageOps

    if file.seek(0, 2) > MAX_PICTURE_BYTES:
        raise OversizedDataError(f"{where}: pictures of at most {MAX_PICTURE_BYTES} bytes are read")
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures; the size is looked at here
            with Image.open(file, formats=("PNG", "JPEG")) as picture:
                _check(picture.size, picture.mode, where=where, features=features)
                grey = _grey(ImageOps.exif_transpose(picture))
                if grey.width * grey.height != features:
                    side = isqrt(features)
                    say(f"{where}: resized from {grey.width} x {grey.height} to {side} x {side} pixels")
                    corner = grey.getpixel((0, 0))
                    grey = ImageOps.pad(grey, (side, side), Image.Resampling.BOX, color=corner)
                pixels = np.asarray(grey, dtype=np.uint8)
    except DataError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged files: OSError, SyntaxError, ValueError, ...
        reason = one_line(str(error) or type(error).__name__, limit=200)
        raise DamagedDataError(f"{where}: can't be decoded as a picture ({reason}); it is damaged") from None
    return pixels.reshape(1, features)


def _check(size: tuple[int, int], mode: str, *, where: str, features: int) -> None:
    width, height = size
    if width * height > MAX_PICTURE_PIXELS:
        raise OversizedDataError(
            f"{where}: is {width} x {height} pixels, more than {MAX_PICTURE_PIXELS}; make it smaller",
            promised_bytes=width * height,
            limit_bytes=MAX_PICTURE_PIXELS,
        )
    if width * height != features and isqrt(features) ** 2 != features:
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
