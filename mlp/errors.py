"""The errors of this package."""

from collections.abc import Iterable


class NetworkError(ValueError):
    """An argument that no network, or not this network, can take: what was wanted, what arrived, what to do."""


class TrainingError(RuntimeError):
    """Training cannot go on: an error or a parameter is no longer finite.

    `layer`, `epoch` and `step` say where, as far as it is known; `train` adds the last two.
    """

    def __init__(
        self, problem: str, *, layer: int | None = None, epoch: int | None = None, step: int | None = None
    ) -> None:
        where = "" if epoch is None else f"epoch {epoch}, step {step}: "
        super().__init__(where + problem)
        self.problem = problem
        self.layer, self.epoch, self.step = layer, epoch, step

    def at(self, epoch: int, step: int) -> "TrainingError":
        """This error, with where in the training it came."""
        return type(self)(self.problem, layer=self.layer, epoch=epoch, step=step)


class StateError(ValueError):
    """A saved state that cannot be read, written or used as wanted. One line, whatever the file holds.

    `path` is the file's.
    """

    def __init__(self, problem: str, *, path: object = "") -> None:
        text = f"{path}: {problem}" if str(path) else problem
        super().__init__(_one_line(text))
        self.path = str(path)


def _one_line(characters: Iterable[str]) -> str:
    return "".join(character if character.isprintable() else "?" for character in characters)[:2000]
