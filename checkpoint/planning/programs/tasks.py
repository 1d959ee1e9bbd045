"""Deep recursion without Python's stack: functions that yield the calls they need the results of."""

from collections.abc import Generator
from typing import Any, TypeVar

Result = TypeVar("Result")

Task = Generator["Task[Any]", Any, Result]
"""A recursive function as a generator: it yields calls, is sent their results, and returns its own."""


def run_task(task: "Task[Result]") -> Result:
    """The result of `task`, however deep its calls go.

    >>> def depth(n):
    ...     return 0 if n == 0 else 1 + (yield depth(n - 1))
    >>> run_task(depth(100_000))
    100000
    """
    waiting: list[Task[Any]] = [task]
    result: Any = None
    while waiting:
        try:
            waiting.append(waiting[-1].send(result))
            result = None
        except StopIteration as stop:
            waiting.pop()
            result = stop.value
    return result  # type: ignore[no-any-return]
