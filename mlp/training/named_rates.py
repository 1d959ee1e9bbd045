"""Learning rates as text: `cosine`, `step:every=10epochs,factor=0.1`, `cosine:warm_up=500`. Plain numbers.

Steps are written as 500 or 500steps, or in epochs.
"""

import re
from dataclasses import MISSING, fields
from typing import Any

from mlp.errors import NetworkError, one_line
from mlp.named_text import number_in, read_named
from mlp.training.rates import Constant, Cosine, InverseScaling, StepDecay, WarmUp

RATES: dict[str, type[Any]] = {"constant": Constant, "step": StepDecay, "inverse": InverseScaling, "cosine": Cosine}
"""The rates by name; each may be warmed up to."""

_COUNT = re.compile(r"([0-9]{1,12})\s*(step|epoch|)s?")


def check_rate_text(text: object) -> None:
    """Raise `NetworkError` for text that says no learning rate."""
    rate_of(text, eta=1.0, epochs=1, epoch_steps=1)


def rate_of(text: object, *, eta: float, epochs: int, epoch_steps: int) -> Any:
    """The rate that `text` says, which begins with `eta`, for a training of `epochs` epochs of `epoch_steps` steps.

    A cosine without steps ends with the training. Raises `NetworkError` for text that says none.

    >>> rate_of("step:every=2epochs", eta=1.0, epochs=5, epoch_steps=100)
    StepDecay(eta=1.0, every=200, factor=0.1)
    >>> rate_of("cosine:warm_up=100", eta=1.0, epochs=5, epoch_steps=100)
    WarmUp(steps=100, then=Cosine(eta=1.0, steps=400, floor=0.0))
    """
    own = {name: [field.name for field in fields(kind) if field.name != "eta"] for name, kind in RATES.items()}
    name, said = read_named("rate", text, {name: [*arguments, "warm_up"] for name, arguments in own.items()})
    arguments: dict[str, Any] = {
        argument: _steps(argument, value, epoch_steps)
        if argument in ("steps", "every", "warm_up")
        else number_in(argument, value)
        for argument, value in said.items()
    }
    warm_up = arguments.pop("warm_up", 0)
    kind = RATES[name]
    if kind is Cosine:
        arguments.setdefault("steps", max(1, epochs * epoch_steps - warm_up))
    for field in fields(kind):
        if field.name not in (*arguments, "eta") and field.default is MISSING:
            raise NetworkError(f"rate {name} wants {field.name}, as in {name}:{field.name}=10epochs")
    rate = kind(eta=eta, **arguments)
    return WarmUp(steps=warm_up, then=rate) if warm_up else rate


def _steps(argument: str, text: str, epoch_steps: int) -> int:
    match = _COUNT.fullmatch(text.strip())
    if match is None or int(match[1]) < 1:
        raise NetworkError(f"{argument} is written like 500steps or 10epochs; got {one_line(text, limit=60)!r}")
    return int(match[1]) * (epoch_steps if match[2] == "epoch" else 1)
