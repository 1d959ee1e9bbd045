"""What the tests of offloading share: schedules that offload, places, and transfers that are late."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from backend import Backend
from checkpoint import Action, Backward, Fetch, Forward, Offload, Release, Schedule


def all_offloaded(n_layers: int) -> Schedule:
    """Every activation but the last two goes to the host as soon as it is made, and comes back one layer ahead."""
    actions: list[Action] = []
    for layer in range(1, n_layers + 1):
        actions.append(Forward(layer))
        if 1 < layer < n_layers:
            actions.append(Release(layer - 1))
        if layer < n_layers - 1:
            actions.append(Offload(layer))
    for layer in range(n_layers, 0, -1):
        if layer > 2:
            actions.append(Fetch(layer - 2))
        actions.append(Backward(layer))
    return Schedule(n_layers, tuple(actions), "all offloaded")


def place_for(backend: Backend, folder: Path) -> str | Path:
    """Where arrays of `backend` are offloaded to."""
    return "host" if backend.name == "cupy" else folder


class LateExecutor(Executor):
    """Runs what was submitted as late as it can: in order, when the result of something is asked for."""

    def __init__(self) -> None:
        self._waiting: list[tuple[LateFuture, Callable[[], Any]]] = []

    def submit(self, run: Callable[..., Any], /, *args: Any, **options: Any) -> "LateFuture":
        future = LateFuture(self)
        self._waiting.append((future, lambda: run(*args, **options)))
        return future

    def run_to(self, last: "LateFuture") -> None:
        while not last.done():
            future, run = self._waiting.pop(0)
            try:
                future.set_result(run())
            except OSError as error:
                future.set_exception(error)


class LateFuture(Future[Any]):
    """The result of something that runs when it is asked for."""

    def __init__(self, executor: LateExecutor) -> None:
        super().__init__()
        self._executor = executor

    def result(self, timeout: float | None = None) -> Any:
        self._executor.run_to(self)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._executor.run_to(self)
        return super().exception(timeout)
