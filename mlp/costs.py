"""The costs: one table of what each is for, and of the output layer that goes with it. No arrays here."""

from dataclasses import dataclass

from mlp.errors import NetworkError


@dataclass(frozen=True, slots=True)
class Cost:
    """One cost, summed over the rows of a mini-batch. `purpose` says for which targets it is.

    `output` is the output activation that it needs, None where the network's own serves. `least_units` is the smallest
    output layer with which it says anything, and `why` the reason.
    """

    formula: str
    purpose: str
    output: str | None = None
    least_units: int = 1
    why: str = ""


TABLE = {
    "quadratic": Cost("|a - y|^2 / 2", "any targets"),
    "cross-entropy": Cost(
        "-sum of y log a",
        "one class of several",
        output="softmax",
        least_units=2,
        why="softmax over one unit is always 1; give the last layer two units, or choose cost 'quadratic'",
    ),
}

COSTS = tuple(TABLE)


def output_activation(cost: str, *, activation: str, units: int) -> str:
    """The activation of an output layer of `units` units under `cost`, where the hidden layers have `activation`.

    Raises `NetworkError` where the two make no network.

    >>> output_activation("cross-entropy", activation="tanh", units=10)
    'softmax'
    """
    entry = TABLE[cost]
    if units < entry.least_units:
        raise NetworkError(f"cost {cost!r} wants at least {entry.least_units} output units, got {units}: {entry.why}")
    return entry.output or activation
