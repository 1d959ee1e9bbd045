"""Numbers as arguments: checked where they enter. No arrays here."""

from operator import index

from checkpoint.errors import CheckpointError


def whole_number(name: str, value: object, *, least: int = 1, error: type[ValueError] = CheckpointError) -> int:
    """`value` as an int, whatever kind of whole number it is. Raises `error` for anything else, and below `least`.

    >>> whole_number("slots", 3)
    3
    """
    try:
        number = None if isinstance(value, bool) else index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or number < least:
        raise error(f"{name} must be a whole number, {least} or more; got {repr(value)[:60]}")
    return number
