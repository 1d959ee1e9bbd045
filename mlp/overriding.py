"""Which methods of a step are a network's own: programs do the same as those, and cannot call any other."""

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def in_program(method: Method) -> Method:
    """Mark a method that programs do the same as; one without the mark has to be called.

    The mark is the method itself: `functools.wraps` gives it to what is around a method too, and mocks have any.
    """
    method.in_program = method  # type: ignore[attr-defined]
    return method


def is_as_written(network: Any, names: tuple[str, ...]) -> bool:
    """Whether programs do what the methods `names` of a network do."""
    return vars(network).keys().isdisjoint(names) and _all_marked(_getter(names)(type(network)))


@lru_cache(maxsize=16)
def _getter(names: tuple[str, ...]) -> Callable[[type], tuple[Callable[..., Any], ...]]:
    """What gets these attributes of a class, as a tuple."""
    get: Callable[[type], Any] = attrgetter(*names)
    return get if len(names) > 1 else lambda of: (get(of),)


@lru_cache(maxsize=64)
def _all_marked(methods: tuple[Callable[..., Any], ...]) -> bool:
    """Whether each has the mark. Asked before every step, of the methods that the class has then."""
    return all(getattr(method, "in_program", None) is method for method in methods)
