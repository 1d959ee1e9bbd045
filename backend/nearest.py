"""The name that was probably meant, for errors that list the names there are. Plain text."""

from collections.abc import Iterable

LONGEST = 100
"""What is longer is no mistyped name."""


def nearest(word: object, names: Iterable[str]) -> str | None:
    """The one of `names` that is most like `word`, whatever its capitals; None where none is like it.

    >>> nearest("Rlu", ["sigmoid", "relu"]), nearest("swish", ["sigmoid", "relu"])
    ('relu', None)
    """
    if not isinstance(word, str) or len(word) > LONGEST:
        return None
    from difflib import get_close_matches  # which only errors need

    known = {name.lower(): name for name in names}
    found = get_close_matches(word.lower(), list(known), n=1)
    return known[found[0]] if found else None


def meant(word: object, names: Iterable[str]) -> str:
    """What ends an error about `word`: a question for the name that is nearest to it, or nothing.

    >>> meant("adm", ["sgd", "adam"])
    "; did you mean 'adam'?"
    """
    found = nearest(word, names)
    return "" if found is None else f"; did you mean {found!r}?"
