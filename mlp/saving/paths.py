"""Paths of saved states, as they arrive."""

from pathlib import Path
from typing import Any

from mlp.errors import StateError


def as_path(path: Any) -> Path:
    """`path` as a `Path`. Raises `StateError` unless it is text or a path, and not empty."""
    try:
        known = Path(path)
    except TypeError:
        raise StateError(
            f"a saved state is at a path, text or a Path; got {type(path).__name__} {repr(path)[:60]}"
        ) from None
    if not str(path):
        raise StateError("the path of a saved state is empty; name a file")
    return known
