"""Python in a process of its own, and what it prints as JSON."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class ChildError(Exception):
    """A child that ended badly; its text is the last line that it wrote."""


class ChildLate(ChildError):
    """A child that had not ended in time, and was killed."""


def figures_of(
    arguments: Sequence[str],
    facts: object = None,
    *,
    variables: Mapping[str, str] | None = None,
    started: Callable[[int], None] | None = None,
    within_seconds: float | None = None,
) -> dict[str, Any]:
    """The JSON object on the last line that `python ARGUMENTS` prints, given `facts` as JSON on its standard input.

    `variables` are added to its environment. `started` is called with its process number before it has its facts, so
    a child that reads them first has done nothing by then. Raises `ChildError`, and `ChildLate` after `within_seconds`.
    """
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **(variables or {})},
    ) as child:
        try:
            if started is not None:
                started(child.pid)
            said, complained = child.communicate(json.dumps(facts), timeout=within_seconds)
        except subprocess.TimeoutExpired:
            raise ChildLate(f"it had not ended after {within_seconds:g} seconds") from None
        finally:
            child.kill()
    if child.returncode:
        raise ChildError((complained.strip().splitlines() or [f"it ended with status {child.returncode}"])[-1])
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found
