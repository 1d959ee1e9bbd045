"""Which methods of a step are a network's own: programs do the same as those, and cannot call any other."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def in_program(method: Method) -> Method:
    """Mark a method that programs do the same as; one without the mark has to be called."""
    method.in_program = True  # type: ignore[attr-defined]
    return method


def is_as_written(network: Any, names: Iterable[str]) -> bool:
    """Whether programs do what the methods `names` of a network do."""
    own, kind = vars(network), type(network)
    return all(name not in own and hasattr(getattr(kind, name), "in_program") for name in names)
