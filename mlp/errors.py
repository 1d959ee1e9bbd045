"""The errors of this package."""


def one_line(text: str, *, limit: int = 400) -> str:
    """`text` without line breaks and other control characters, cut to `limit` characters: safe to print to a terminal.

    >>> one_line("a\\nb\\x1b[31m")
    'a?b?[31m'
    """
    shown = "".join(character if character.isprintable() else "?" for character in text[:limit])
    return shown if len(text) <= limit else f"{shown}..."


class NetworkError(ValueError):
    """An argument that does not fit a network: what was wanted, what arrived, what to do."""


class KeywordError(NetworkError, TypeError):
    """A keyword that a function does not have: which, and the one that was probably meant."""


class TrainingError(RuntimeError):
    """Training cannot continue: an error or a parameter is no longer finite.

    `layer`, `epoch` and `step` say where, as far as it is known; `train` adds the last two. Without an epoch, steps are
    counted from the network's first. `ago`: how many steps before the one at hand it was, where a device said so later.
    """

    def __init__(
        self,
        problem: str,
        *,
        layer: int | None = None,
        epoch: int | None = None,
        step: int | None = None,
        ago: int = 0,
    ) -> None:
        where = "" if epoch is None else f"epoch {epoch}, "
        super().__init__(where + ("" if step is None else f"step {step}: ") + problem)
        self.problem = problem
        self.layer, self.epoch, self.step, self.ago = layer, epoch, step, ago

    def at(self, epoch: int, step: int) -> "TrainingError":
        """This error, with where in the training it came; `step` of `epoch` is the one at hand."""
        return type(self)(self.problem, layer=self.layer, epoch=epoch, step=step - self.ago)


class StateWarning(UserWarning):
    """What a saved state has and its network does not do by itself: which, and what would do it."""


class StateError(ValueError):
    """A saved state that cannot be read, written or used as wanted. One line, whatever the file holds.

    `path` is the file's.
    """

    def __init__(self, problem: str, *, path: object = "") -> None:
        text = f"{path}: {problem}" if str(path) else problem
        super().__init__(one_line(text, limit=2000))
        self.path = str(path)


def not_finite(what: str, layer: int, *, step: int | None = None, ago: int = 0) -> TrainingError:
    """The error that names a layer whose output or error, `what`, is not finite; in `step`, `ago` steps before."""
    return TrainingError(
        f"the {what} of layer {layer} is not finite any more, NaN or infinite; lower eta, or look for such values in "
        f"the data",
        layer=layer,
        step=step,
        ago=ago,
    )


def inputs_not_finite() -> NetworkError:
    """The error for a mini-batch whose inputs a step cannot be taken on."""
    return NetworkError("X holds a value that is not finite, NaN or infinite; remove it")
