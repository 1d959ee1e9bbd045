"""The rules of optimizers by NumPy's ufuncs, in place, with two places of working memory and nothing else.

See `backend.rules.apply_rule`, which says the same as formulas.
"""

from collections.abc import Sequence

import numpy as np

from backend.numpy.working import work
from backend.rules import RuleNumbers


def apply_rule(w: np.ndarray, g: np.ndarray, kept: Sequence[np.ndarray], rule: str, numbers: RuleNumbers) -> None:
    """Change at most WORK_VALUES values of `w` and `kept`."""
    x, t = work.values(w.dtype, w.shape), work.values(w.dtype, w.shape, 1)
    np.multiply(g, work.number(numbers.scale, w.dtype), out=x)
    np.multiply(w, work.number(numbers.l2, w.dtype), out=t)
    np.add(x, t, out=x)
    np.multiply(w, work.number(numbers.decay, w.dtype), out=t)
    np.subtract(w, t, out=w)
    if rule in ("sgd", "momentum", "nesterov"):
        _descend(w, x, t, kept, rule, numbers)
    else:
        _divide(x, t, kept, rule, numbers)
        np.multiply(x, work.number(numbers.rate, w.dtype), out=x)
        np.subtract(w, x, out=w)


def _descend(
    w: np.ndarray, x: np.ndarray, t: np.ndarray, kept: Sequence[np.ndarray], rule: str, numbers: RuleNumbers
) -> None:
    """w := w - rate x, or by way of the velocity; x and t are spoilt."""
    np.multiply(x, work.number(numbers.rate, w.dtype), out=x)
    if rule == "sgd":
        np.subtract(w, x, out=w)
        return
    (v,) = kept
    beta1 = work.number(numbers.beta1, w.dtype)
    np.multiply(v, beta1, out=v)
    np.subtract(v, x, out=v)
    if rule == "momentum":
        np.add(w, v, out=w)
        return
    np.multiply(v, beta1, out=t)
    np.subtract(t, x, out=t)
    np.add(w, t, out=w)


def _divide(x: np.ndarray, t: np.ndarray, kept: Sequence[np.ndarray], rule: str, numbers: RuleNumbers) -> None:
    """x := x, or the mean of such, over the root of the squares; t is spoilt."""
    q = kept[-1]
    np.multiply(x, x, out=t)
    if rule != "adagrad":
        np.multiply(q, work.number(numbers.beta2, x.dtype), out=q)
        np.multiply(t, work.number(1 - numbers.beta2, x.dtype), out=t)
    np.add(q, t, out=q)
    if rule == "adam":
        m = kept[0]
        np.subtract(x, m, out=t)
        np.multiply(t, work.number(1 - numbers.beta1, x.dtype), out=t)
        np.add(m, t, out=m)
        np.copyto(x, m)
    np.sqrt(q, out=t)
    if rule == "adam":
        np.multiply(t, work.number(numbers.correction, x.dtype), out=t)
    np.add(t, work.number(numbers.epsilon, x.dtype), out=t)
    np.divide(x, t, out=x)
