"""Numbers as arguments: checked where they enter. No arrays here."""

from checkpoint.errors import CheckpointError
from mlp.arguments import as_whole


def whole_number(
    name: str, value: object, *, least: int = 1, most: int | None = None, error: type[ValueError] = CheckpointError
) -> int:
    """`value` as an int, whatever kind of whole number it is. Raises `error` unless it is from `least` to `most`.

    >>> whole_number("slots", 3)
    3
    """
    number = as_whole(value)
    if number is None or number < least or (most is not None and number > most):
        wanted = f"{least} or more" if most is None else f"from {least} to {most}"
        comma = "," if most is None else ""
        raise error(f"{name} must be a whole number{comma} {wanted}; got {repr(value)[:60]}")
    return number
