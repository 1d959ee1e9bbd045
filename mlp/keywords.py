"""Arguments that a function does not have: keywords are named with the one that was probably meant."""

from collections.abc import Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Any, ParamSpec, TypeVar

from backend.nearest import meant
from mlp.errors import KeywordError

P = ParamSpec("P")
R = TypeVar("R")


def naming_keywords(*others: Callable[..., Any], name: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: the function raises `KeywordError` for a keyword that neither it nor `others` have.

    So it does for more arguments by position than it takes, and for too few.

    `others` get what it takes as `**keywords`; `name` is what errors call it, its own name by default.

    >>> @naming_keywords()
    ... def plan(*, budget_bytes):
    ...     return budget_bytes
    >>> plan(budget=3)
    Traceback (most recent call last):
    mlp.errors.KeywordError: plan has no argument 'budget'; did you mean 'budget_bytes'?
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        known = {keyword for one in (function, *others) for keyword in _keywords(one)}

        placed = _keywords(function, Parameter.POSITIONAL_OR_KEYWORD)
        called = name or function.__name__
        needed = [one for one in _keywords(function) if signature(function).parameters[one].default is Parameter.empty]
        shown = ", ".join(one if one in placed else f"{one}=..." for one in needed if one != "self")

        def check(arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            if len(arguments) > len(placed):
                own = [keyword for keyword in placed if keyword != "self"]
                found = len(arguments) - len(placed) + len(own)
                raise KeywordError(
                    f"{called} takes {', '.join(own)} by position, all else by name; got {found} there"
                ) from None
            if not known.issuperset(keywords):
                wrong = next(keyword for keyword in keywords if keyword not in known)
                raise KeywordError(
                    f"{called} has no argument {wrong!r}{meant(wrong, known - {'self'}) or _listed(known)}"
                ) from None
            missing = [one for one in needed if one not in keywords and one not in placed[: len(arguments)]]
            if missing:
                raise KeywordError(f"{called} needs {' and '.join(missing)}, as in {called}({shown})") from None

        @wraps(function)
        def checked(*arguments: P.args, **keywords: P.kwargs) -> R:
            if others:  # which would be called before Python refuses what they do not have
                check(arguments, keywords)
            try:
                return function(*arguments, **keywords)
            except TypeError:  # steps are not to wait for a check that Python makes
                check(arguments, keywords)
                raise

        return checked

    return decorate


def _keywords(function: Callable[..., Any], *kinds: Any) -> list[str]:
    kinds = kinds or (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
    return [keyword for keyword, one in signature(function).parameters.items() if one.kind in kinds]


def _listed(known: set[str]) -> str:
    return f"; it has {', '.join(sorted(known - {'self'}))}"
