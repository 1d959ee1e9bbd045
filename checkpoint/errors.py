"""The errors of this package; each carries its numbers as attributes."""


class CheckpointError(ValueError):
    """Base of everything that this package raises on purpose."""


class ScheduleError(CheckpointError):
    """A schedule that cannot be run: `.position` is that of the action (or None), `.action` the action itself."""

    def __init__(self, problem: str, *, position: int | None = None, action: object = None) -> None:
        where = "" if position is None else f"action {position}, {action}: "
        super().__init__(where + problem)
        self.position = position
        self.action = action


class Fault(CheckpointError):
    """Nothing was wrong with what was asked for, but it went wrong on the way: memory, or a full disk."""


class VerificationError(Fault):
    """What `--verify` found: an activation that changed, or bytes other than they should be.

    `.layer` is the activation's, where it is one.
    """

    def __init__(self, problem: str, *, layer: int | None = None) -> None:
        super().__init__(problem)
        self.layer = layer


class BudgetError(CheckpointError):
    """No plan of the classes searched fits: `.budget_bytes` was asked for, `.minimum_bytes` is the least possible."""

    def __init__(self, message: str, *, budget_bytes: int, minimum_bytes: int) -> None:
        super().__init__(message)
        self.budget_bytes = budget_bytes
        self.minimum_bytes = minimum_bytes
