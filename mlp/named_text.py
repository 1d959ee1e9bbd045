"""Choices as text: a name, and the arguments that are not the usual ones, as in `adam:beta1=0.8,clip=1`. Plain text."""

from collections.abc import Mapping, Sequence

from backend.nearest import meant
from mlp.errors import NetworkError, one_line

MOST_CHARACTERS = 300


def read_named(kind: str, text: object, arguments: Mapping[str, Sequence[str]]) -> tuple[str, dict[str, str]]:
    """The name that `text` says, and its arguments, unread. `arguments` lists those of each name that there is.

    Raises `NetworkError` for any other text; `kind` is what the name is of.

    >>> read_named("optimizer", "adam:clip=1", {"sgd": [], "adam": ["beta1", "clip"]})
    ('adam', {'clip': '1'})
    """
    if not isinstance(text, str):
        raise NetworkError(f"{kind} must be a name, one of {', '.join(arguments)}; got {repr(text)[:60]}")
    name, colon, rest = text[:MOST_CHARACTERS].partition(":")
    if name not in arguments:
        raise NetworkError(
            f"unknown {kind} {one_line(name, limit=60)!r}; choose {' or '.join(arguments)}{meant(name, arguments)}"
        )
    found: dict[str, str] = {}
    for part in rest.split(",") if colon else ():
        argument, equals, value = part.partition("=")
        if argument not in arguments[name] or argument in found or not equals:
            known = f"has arguments {', '.join(arguments[name])}, each once" if arguments[name] else "has no arguments"
            got = f"{one_line(part, limit=60)!r}{meant(argument, arguments[name]) if argument not in found else ''}"
            raise NetworkError(f"{kind} {name} {known}, as in NAME:ARGUMENT=1; got {got}")
        found[argument] = value
    return name, found


def number_in(argument: str, value: str) -> float:
    """The number that the text of an argument says. Raises `NetworkError` for any other text."""
    try:
        return float(value)
    except ValueError:
        raise NetworkError(f"{argument} must be a number; got {one_line(value, limit=60)!r}") from None
