"""The rules by which gradients change parameters: their numbers, and each as a formula in the array API alone.

These are the elementwise parts of optimizers, which `mlp.optimizers` has for users. `xp` is a namespace; w, g, v and q
are its arrays, of one shape.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Any, NamedTuple

Array = Any
"""An array of a backend's namespace."""

RULES: dict[str, tuple[str, ...]] = {
    "sgd": (),
    "momentum": ("velocity",),
    "nesterov": ("velocity",),
    "adam": ("mean", "square"),
    "rmsprop": ("square",),
    "adagrad": ("square",),
}
"""The rules, and the arrays that each keeps beside a parameter from step to step.

    x := scale g + l2 w         the gradient's mean over the mini-batch, with the slope of (l2 / 2) |w|^2
    w := w - decay w            the weight decay that is apart from the gradient

    sgd         w := w - rate x
    momentum    v := beta1 v - rate x       w := w + v
    nesterov    v := beta1 v - rate x       w := w + beta1 v - rate x
    adam        m := m + (1 - beta1) (x - m)    q := beta2 q + (1 - beta2) x^2
                w := w - rate m / (correction sqrt(q) + epsilon)
    rmsprop     q := beta2 q + (1 - beta2) x^2      w := w - rate x / (sqrt(q) + epsilon)
    adagrad     q := q + x^2                        w := w - rate x / (sqrt(q) + epsilon)

Errors are known to be finite before a rule is applied; their products are not looked at, as that would be another pass
over each gradient. Where x^2 overflows, above 1.8e19 in float32, q stays infinite and its parameter still; where x is
infinite, the next forward pass meets the parameter. A state with either is not saved.
"""


class RuleNumbers(NamedTuple):
    """What a rule's formula has beside arrays, in a step. The compiled kernels know these names and their order.

    `clip`: the most that the norm of a layer's gradient, times `scale`, may be; 0 for no bound.
    """

    rate: float
    scale: float = 1.0
    l2: float = 0.0
    decay: float = 0.0
    clip: float = 0.0
    beta1: float = 0.0
    beta2: float = 0.0
    epsilon: float = 0.0
    correction: float = 1.0

    @property
    def of_bias(self) -> "RuleNumbers":
        """The numbers for a bias, which neither is pulled towards 0 nor decays."""
        return self._replace(l2=0.0, decay=0.0)

    def clipped(self, norm: float) -> "RuleNumbers":
        """The numbers that bring a layer's gradient of this `norm` down to `clip`, if it is above."""
        mean_norm = norm * self.scale
        factor = self.clip / mean_norm if 0 < self.clip < mean_norm else None
        return self._replace(scale=self.scale if factor is None else self.scale * factor, clip=0.0)


def apply_rule(xp: Any, w: Array, g: Array, kept: Sequence[Array], rule: str, numbers: RuleNumbers) -> None:
    """Change `w` by its gradient `g`, and what the rule keeps, in place. Raises `ValueError` for an unknown rule."""
    if rule not in RULES:
        raise ValueError(f"unknown rule {rule!r}; choose {' or '.join(RULES)}")
    rate, beta1, beta2, epsilon = numbers.rate, numbers.beta1, numbers.beta2, numbers.epsilon
    x = numbers.scale * g + numbers.l2 * w
    w -= numbers.decay * w
    if rule == "sgd":
        w -= rate * x
    elif rule in ("momentum", "nesterov"):
        (v,) = kept
        v[...] = beta1 * v - rate * x
        w += v if rule == "momentum" else beta1 * v - rate * x
    elif rule == "adam":
        m, q = kept
        m += (1 - beta1) * (x - m)
        q[...] = beta2 * q + (1 - beta2) * (x * x)
        w -= rate * m / (numbers.correction * xp.sqrt(q) + epsilon)
    else:
        (q,) = kept
        q[...] = q + x * x if rule == "adagrad" else beta2 * q + (1 - beta2) * (x * x)
        w -= rate * x / (xp.sqrt(q) + epsilon)


def gradient_norm(xp: Any, weight: Array, bias: Array) -> float:
    """The norm of a layer's gradient, the weights' and the bias's together."""
    return sqrt(float(xp.sum(weight * weight)) + float(xp.sum(bias * bias)))
