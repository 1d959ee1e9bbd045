"""What an optimizer is to the rest of the program."""

from collections.abc import Sequence
from typing import Any, Protocol

from backend import Backend


class Optimizer(Protocol):
    """A rule by which a gradient, or a piece of one, changes the parameters that it is the gradient of.

    `state_names` names the arrays that the rule keeps from step to step beside each parameter, of the parameter's
    shape and dtype and zero at first. They count as rest, and are saved under these names.

    `uptake` says whether steps may do without the gradient as an array, see `mlp.uptake`. A rule that needs each
    gradient whole, as for its square, has "in pieces", as has one that does not say: then `apply` is all there is.
    """

    @property
    def state_names(self) -> tuple[str, ...]: ...

    @property
    def uptake(self) -> str: ...

    def apply(self, backend: Backend, w: Any, g: Any, state: Sequence[Any], rate: float) -> None:
        """Change `w` in place by its gradient `g`, a sum over the batch; `rate` is eta / batch.

        `state`: the rule's arrays for `w`, in the order of `state_names`, changed in place. All are of one shape.
        """
        ...
