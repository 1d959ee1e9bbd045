"""Bytes, rates and counts as people write them. Plain text and numbers."""

import re
from math import ceil

from checkpoint.errors import CheckpointError

_UNITS = {
    "": 1,
    "b": 1,
    "byte": 1,
    "bytes": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_AMOUNT = re.compile(r"([0-9]{1,60}(?:\.[0-9]{0,9})?|[0-9]{1,3}(?:,[0-9]{3}){1,20})\s*([a-z]*|%)", re.IGNORECASE)
MOST_BYTES = 2**63 - 1
"""What a 64-bit system can count; no memory has as many."""


def parse_bytes(text: str, *, whole_bytes: int | None = None) -> int:
    """The bytes that `text` names: "64MiB", "1.5GB", "4096", "4,096 bytes", or "50%" of `whole_bytes`.

    So whatever this program prints can be given back. Raises `CheckpointError` for anything else, for less than one
    byte, and for more than `MOST_BYTES`.

    >>> parse_bytes("64MiB"), parse_bytes("1.5GB"), parse_bytes("50%", whole_bytes=1000)
    (67108864, 1500000000, 500)
    """
    match = _AMOUNT.fullmatch(text.strip())
    unit = match[2].lower() if match else None
    if match is None or (unit != "%" and unit not in _UNITS) or (unit == "%" and whole_bytes is None):
        shown = text if len(text) <= 40 else text[:37] + "..."
        examples = "64MiB or 1.5GB" if whole_bytes is None else "64MiB, 1.5GB or 50%"
        raise CheckpointError(f"a number of bytes is written like {examples}; got {shown!r}")
    digits = match[1].replace(",", "")
    number = int(digits) if digits.isdecimal() else float(digits)
    amount = int(number / 100 * (whole_bytes or 0)) if unit == "%" else int(number * _UNITS[unit or ""])
    if not 1 <= amount <= MOST_BYTES:
        wanted = "at least 1" if amount < 1 else f"at most {MOST_BYTES}"
        raise CheckpointError(f"a number of bytes must be {wanted}; got {text[:80]!r}")
    return amount


def format_bytes(amount: float) -> str:
    """`amount` with three digits or so, in binary units.

    >>> format_bytes(354000), format_bytes(2**20 * 96.3), format_bytes(12)
    ('346 KiB', '96.3 MiB', '12 B')
    """
    value, digits, unit = _in_unit(amount)
    return f"{value:.{digits}f} {unit}"


def least_bytes(amount: int) -> str:
    """`amount` bytes as errors name the least that serves: exactly, and rounded up, so that either can be given back.

    >>> least_bytes(21313), least_bytes(900)
    ('21313 bytes (20.9 KiB)', '900 bytes')
    """
    return f"{amount} bytes" if amount < 1000 else f"{amount} bytes ({rounded_up(amount)})"


def rounded_up(amount: int) -> str:
    """`amount` as `format_bytes` shows it, and no less than it is.

    >>> format_bytes(21313), rounded_up(21313)
    ('20.8 KiB', '20.9 KiB')
    """
    value, digits, unit = _in_unit(amount)
    return f"{ceil(value * 10**digits) / 10**digits:.{digits}f} {unit}"


def _in_unit(amount: float) -> tuple[float, int, str]:
    """`amount` bytes in the binary unit that it is shown in, the digits shown after the point, and the unit."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(amount) < 1000 or unit == "GiB":
            break
        amount /= 1024
    return amount, 0 if unit == "B" or abs(amount) >= 100 else 1 if abs(amount) >= 10 else 2, unit


_SCALES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "bytes"))


def byte_scale(largest: float) -> tuple[int, str]:
    """The unit that `largest` bytes are best shown in: its bytes, and its name."""
    return next((scale, name) for scale, name in _SCALES if largest >= scale or scale == 1)


_RATE = re.compile(r"(.*[^/\s])\s*/\s*s", re.DOTALL)
_SPEED = re.compile(r"([0-9]{1,15}(?:\.[0-9]{0,9})?)\s*([kmgtp]?)flops?(?:/s)?", re.IGNORECASE)


def parse_bandwidth(text: str) -> float:
    """The bytes a second that `text` names: "12GB/s" or "500 MiB/s". Raises `CheckpointError` for anything else.

    >>> parse_bandwidth("12GB/s")
    12000000000.0
    """
    match = _RATE.fullmatch(text.strip())
    try:
        if match is not None and "%" not in match[1]:
            return float(parse_bytes(match[1]))
    except CheckpointError:
        pass
    raise CheckpointError(f"a bandwidth is written like 12GB/s or 500MiB/s; got {text[:40]!r}")


def parse_speed(text: str) -> float:
    """The operations a second that `text` names: "30TFLOP/s" or "900GFLOPS". Raises `CheckpointError` for others.

    >>> parse_speed("30TFLOP/s")
    30000000000000.0
    """
    match = _SPEED.fullmatch(text.strip())
    speed = 0.0 if match is None else float(match[1]) * 1000.0 ** " kmgtp".index(match[2].lower() or " ")
    if speed <= 0:
        raise CheckpointError(f"a speed is written like 30TFLOP/s or 900GFLOP/s; got {text[:40]!r}")
    return speed


def three_digits(value: float) -> str:
    """`value` with three significant digits, zeros included; more where its whole part has more.

    >>> three_digits(20), three_digits(0.0737), three_digits(1234.5)
    ('20.0', '0.0737', '1234')
    """
    return f"{value:#.3g}".rstrip(".") if abs(value) < 999.5 else f"{value:.0f}"


def counted(count: int, noun: str) -> str:
    """`count` of what `noun` names, in the singular or the plural.

    >>> counted(1, "layer"), counted(1200, "layer")
    ('1 layer', '1,200 layers')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def how_far(epoch: int, step: int) -> str:
    """How far a training is that has `step` steps of epoch `epoch`, which counts from 1, behind it.

    >>> how_far(11, 0), how_far(1, 3), how_far(2, 1), how_far(1, 0)
    ('after 10 epochs', 'after 3 steps', 'after 1 epoch and 1 step', 'before the first step was done')
    """
    done = [counted(count, noun) for count, noun in ((epoch - 1, "epoch"), (step, "step")) if count]
    return f"after {' and '.join(done)}" if done else "before the first step was done"
