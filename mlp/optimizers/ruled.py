"""The optimizers whose elementwise part is a rule of `backend.rules`, and what they have in common.

L2 adds `l2` times the weights to their gradient; weight decay takes `eta * weight_decay` of the weights apart from it,
which is another thing where gradients are divided by their size, as in Adam (Loshchilov and Hutter, 2019). Biases
neither are pulled to 0 by l2 nor decay.

Clipping is of each layer: where the norm of its gradient, weights and bias together and as a mean over the mini-batch,
is above `clip`, the gradient is made that much shorter. So a layer's gradient is held whole until its norm is known. A
norm over all layers would need all gradients at once, which steps never hold.

A new rule is a class in a file here and in `named.py`, a row and a formula in `backend/rules.py`, and a branch of each
kernel: `backend/numpy/rules_in_place.py`, `operations.h` and `optimizers.h` in `backend/numpy/kernels`, and
`backend/cupy/kernels/sources/optimizers.cu`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from backend import Backend
from backend.rules import RULES, RuleNumbers
from mlp.arguments import check_number
from mlp.errors import NetworkError

LEAST_EPSILON = 1e-37
"""What a square root of 0 is added to must not itself be 0 in float32."""


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What a rule's numbers follow from: the `rows` that gradients are summed over, and the step's `number`, from 1.

    `norm`: of the layer's whole gradient, weights and bias together; None where nothing is clipped.
    """

    rows: int
    number: int
    norm: float | None = None


@dataclass(frozen=True, kw_only=True)
class Ruled:
    """An optimizer by a rule. `l2`, `weight_decay`: 0 or more; `clip`: above 0, or None for no bound.

    Raises `NetworkError` for a value out of its range.
    """

    l2: float = 0.0
    weight_decay: float = 0.0
    clip: float | None = None

    name: ClassVar[str]
    """What a user calls it."""

    usual_eta: ClassVar[float]
    """A learning rate that it often works with."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "clip" or value is not None:
                object.__setattr__(self, field.name, _checked(field.name, value))

    @property
    def rule(self) -> str:
        """The rule's name in `backend.rules`."""
        return self.name

    @property
    def state_names(self) -> tuple[str, ...]:
        """See `Optimizer`."""
        return RULES[self.rule]

    def numbers(self, rate: float, step: StepFacts) -> RuleNumbers:
        """The rule's numbers for weights, in a step with `rate` = eta / batch."""
        eta = rate * step.rows
        return self._completed(
            RuleNumbers(
                rate=eta,
                scale=1 / step.rows,
                l2=self.l2,
                decay=eta * self.weight_decay,
                clip=0.0 if self.clip is None else self.clip,
            ),
            step.number,
        )

    def _completed(self, numbers: RuleNumbers, step: int) -> RuleNumbers:
        """`numbers` with those that this rule alone has."""
        raise NotImplementedError

    def in_step(self, step: StepFacts) -> "RuledStep":
        """The `Optimizer` that it is in this step: its numbers follow from the step."""
        return RuledStep(self, step)


@dataclass(frozen=True, slots=True)
class RuledStep:
    """An optimizer in one step of a layer."""

    optimizer: Ruled
    step: StepFacts

    def apply(self, backend: Backend, w: Any, g: Any, state: Sequence[Any], rate: float) -> None:
        """See `Optimizer`."""
        numbers = self.optimizer.numbers(rate, self.step)
        if self.step.norm is not None:
            numbers = numbers.clipped(self.step.norm)
        backend.apply_rule_(w, g, state, self.optimizer.rule, numbers if w.ndim == 2 else numbers.of_bias)


def _checked(name: str, value: Any) -> float:
    """The number of an optimizer's argument. Raises `NetworkError` unless it is one, in the argument's range."""
    number = check_number(name, value)
    if name in ("beta1", "beta2", "rho", "momentum"):
        fits, wanted = 0 <= number < 1, "at least 0 and below 1"
    elif name == "epsilon":
        fits, wanted = LEAST_EPSILON <= number <= 1, f"from {LEAST_EPSILON:g} to 1"
    elif name == "clip":
        fits, wanted = number > 0, "above 0, or None for no clipping"
    else:
        fits, wanted = number >= 0, "0 or more"
    if not fits:
        raise NetworkError(f"{name} must be {wanted}; got {value!r}")
    return number
