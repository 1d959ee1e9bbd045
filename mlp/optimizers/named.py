"""Optimizers by name, and as text: `adam`, or `adam:beta1=0.8,clip=1` where an argument is not the usual one.

The text is what commands take and what is saved. Momentum is an argument of the network's and left out of it.
"""

from dataclasses import fields
from typing import Any

from mlp.arguments import check_number
from mlp.errors import NetworkError
from mlp.named_text import number_in, read_named
from mlp.optimizers.adagrad import Adagrad
from mlp.optimizers.adam import Adam
from mlp.optimizers.adamw import AdamW
from mlp.optimizers.base import Optimizer
from mlp.optimizers.gradient_descent import GradientDescent
from mlp.optimizers.momentum import Momentum
from mlp.optimizers.nesterov import Nesterov
from mlp.optimizers.rmsprop import RMSprop
from mlp.optimizers.ruled import Ruled
from mlp.optimizers.sgd import SGD

OPTIMIZERS: dict[str, type[Ruled]] = {kind.name: kind for kind in (SGD, Nesterov, Adam, AdamW, RMSprop, Adagrad)}
"""The optimizers by name."""


def optimizer_of(optimizer: object = None, *, momentum: object = 0.0) -> Ruled:
    """The optimizer that a name, a text or an optimizer says, with this `momentum` where it is not 0.

    Raises `NetworkError` for anything else, and for momentum where the optimizer has none.

    >>> optimizer_of("sgd:l2=0.01", momentum=0.9)
    SGD(l2=0.01, weight_decay=0.0, clip=None, momentum=0.9)
    """
    share = check_number("momentum", momentum)
    if not 0 <= share < 1:
        raise NetworkError(f"momentum must be at least 0 and below 1; got {momentum!r}")
    if isinstance(optimizer, Ruled):
        own = getattr(optimizer, "momentum", None)
        if not share or share == own:
            return optimizer
        if own:
            raise NetworkError(f"momentum is {share:g}, and the optimizer's is {own:g}; give one of them")
        name, arguments = optimizer.name, {field.name: getattr(optimizer, field.name) for field in fields(optimizer)}
    else:
        name, arguments = _read("sgd" if optimizer is None else optimizer)
    kind = OPTIMIZERS[name]
    if any(field.name == "momentum" for field in fields(kind)):
        arguments["momentum"] = share
    elif share:
        raise NetworkError(f"momentum is for optimizer sgd or nesterov; {name} has none, leave it out")
    return kind(**arguments)


def simplest(optimizer: Ruled) -> Optimizer | Ruled:
    """`GradientDescent` or `Momentum` for an `SGD` that is no more than that: their steps hold least."""
    if type(optimizer) is SGD and optimizer == SGD(momentum=optimizer.momentum):
        return Momentum(optimizer.momentum) if optimizer.momentum else GradientDescent()
    return optimizer


def optimizer_text(optimizer: object) -> str:
    """The text of one of this program's optimizers, without its momentum. Raises `NetworkError` for any other.

    >>> optimizer_text(Adam(clip=1.0))
    'adam:clip=1.0'
    """
    if isinstance(optimizer, GradientDescent | Momentum):
        return SGD.name
    if not isinstance(optimizer, Ruled) or OPTIMIZERS.get(optimizer.name) is not type(optimizer):
        raise NetworkError(f"an optimizer is written as {' or '.join(OPTIMIZERS)}; got {type(optimizer).__name__}")
    said = {field.name: getattr(optimizer, field.name) for field in fields(optimizer) if field.name != "momentum"}
    usual = {field.name: field.default for field in fields(optimizer)}
    changed = [f"{name}={value!r}" for name, value in said.items() if value != usual[name]]
    return ":".join(filter(None, (optimizer.name, ",".join(changed))))


def with_arguments(text: str, **arguments: float | None) -> str:
    """The text of an optimizer, with those of `arguments` changed that are not None. Raises `NetworkError`."""
    name, said = _read(text)
    said |= {argument: value for argument, value in arguments.items() if value is not None}
    momentum = {"momentum": 0.5} if name == Nesterov.name else {}  # which the text leaves out
    return optimizer_text(OPTIMIZERS[name](**said, **momentum))


def _read(text: object) -> tuple[str, dict[str, Any]]:
    """The name and the arguments that a text says. Raises `NetworkError` for one that says no optimizer."""
    known = {
        name: [field.name for field in fields(kind) if field.name != "momentum"] for name, kind in OPTIMIZERS.items()
    }
    name, said = read_named("optimizer", text, known)
    return name, {argument: number_in(argument, value) for argument, value in said.items()}


def is_known(optimizer: Optimizer | Ruled) -> bool:
    """Whether an optimizer is one of this program's, and no subclass of them: whole steps can be taken by it."""
    kind = type(optimizer)
    if kind is GradientDescent or kind is Momentum:
        return True
    return isinstance(optimizer, Ruled) and OPTIMIZERS.get(optimizer.name) is kind
