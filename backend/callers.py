"""Whose line a warning points to: that of whoever called these packages, however deep in them it is raised."""

import sys

OURS = ("backend", "mlp", "checkpoint")
BETWEEN = ("contextlib", "functools", "numpy")
"""What may lie between two frames of ours: decorators."""


def callers_level() -> int:
    """The `stacklevel` of `warnings.warn` for the first frame outside these packages, counted from who asks."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in (*OURS, *BETWEEN):
        frame, level = frame.f_back, level + 1
    return level
