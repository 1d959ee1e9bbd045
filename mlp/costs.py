"""The costs: one table of what each is for, and of the output layer that goes with it. No arrays here.

A cost that goes with one output activation cancels that activation's slope: the error of the output is exactly a - y,
however far the output is saturated. Costs follow from outputs, as inputs of activations are not kept. So the logarithm
of an output counts as no less than that of the smallest normal number, and the logarithm of 1 - a as no less than that
of half a unit in the last place of 1: a cost has no infinity, and stops growing where outputs cannot tell any more.
"""

from dataclasses import dataclass

from mlp.activations import OUTPUT_ACTIVATIONS
from mlp.arguments import check_name
from mlp.errors import NetworkError


@dataclass(frozen=True, slots=True)
class Cost:
    """One cost, summed over the rows of a mini-batch. `purpose` says for which targets it is.

    `output` is the output activation that it needs, and whose slope it cancels; None where any elementwise one serves.
    `least_units` is the smallest output layer with which it says anything, and `why` the reason.
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
        why="softmax over one unit is always 1; give the last layer two units, or choose cost 'quadratic' or "
        "'binary-cross-entropy'",
    ),
    "binary-cross-entropy": Cost(
        "-sum of y log a + (1 - y) log(1 - a)", "any number of classes at once, a unit each", output="sigmoid"
    ),
}

COSTS = tuple(TABLE)


def output_activation(cost: str, *, activation: str, units: int, given: str | None = None) -> str:
    """The activation of an output layer of `units` units under `cost`, where the hidden layers have `activation`.

    `given` is the one asked for, None for the cost's own or else the hidden layers'. Raises `NetworkError` where these
    make no network.

    >>> output_activation("cross-entropy", activation="tanh", units=10)
    'softmax'
    >>> output_activation("quadratic", activation="relu", units=1, given="identity")
    'identity'
    """
    entry = TABLE[cost]
    if units < entry.least_units:
        raise NetworkError(f"cost {cost!r} wants at least {entry.least_units} output units, got {units}: {entry.why}")
    if given is None:
        return entry.output or activation
    check_name("output activation", given, OUTPUT_ACTIVATIONS)
    if entry.output is not None and given != entry.output:
        raise NetworkError(
            f"cost {cost!r} wants output activation {entry.output!r}, got {given!r}: its error is a - y with that one "
            f"alone; leave output_activation out, or choose cost 'quadratic'"
        )
    if entry.output is None and given == "softmax":
        raise NetworkError(
            f"output activation 'softmax' wants cost 'cross-entropy', got {cost!r}: softmax's slope mixes the units of "
            f"a row, and only that cost cancels it"
        )
    return given


def error_activation(cost: str, output: str) -> str:
    """The activation whose slope the output error is multiplied by: "identity" where the cost cancels the slope.

    >>> error_activation("quadratic", "sigmoid"), error_activation("binary-cross-entropy", "sigmoid")
    ('sigmoid', 'identity')
    """
    return "identity" if TABLE[cost].output == output else output
