"""Steps that a device watches for numbers that are not finite, where the host is not to wait for it: the interface.

The host begins a step, and looks later whether one of those before was bad. By then the device has refused it, and all
steps after it. Backends whose kernels the host waits for anyway watch nothing.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from backend.rules import RuleNumbers


@dataclass(frozen=True, slots=True)
class Bad:
    """What a device met: in which `step`, by the number of those before it, and in the output or error of a `layer`."""

    step: int
    kind: str
    layer: int


class Watch(ABC):
    """The watch over one network's steps; whoever takes them says which layer is at work. For one thread at a time."""

    layer = 0
    """The layer whose output is made, or whose backward step is made."""

    forward = False
    """Whether it is the output."""

    is_open = False
    """Whether a step is being watched now: the device looks at it, so the host need not."""

    @abstractmethod
    def begin(self, number: int, rate: float, rule: RuleNumbers | None) -> float:
        """Begin a step, which is open until `end`: `number` steps were before it.

        Returns `rate` as it is to be handed to kernels, of which they take its negative alone. `rule`: the numbers of
        the rule by which parameters change, where there is one.
        """

    @abstractmethod
    def end(self) -> None:
        """End the step on the host; the device may not have begun it."""

    @abstractmethod
    def bad(self) -> Bad | None:
        """The first bad step that the device has come to, as far as the host can see without waiting for it."""

    @abstractmethod
    def forget(self) -> None:
        """Wait for the device and watch anew: a bad step was reported, and those that come next are not refused."""
