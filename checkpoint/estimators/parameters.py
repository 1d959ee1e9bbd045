"""scikit-learn's parameters, checked, and what they are called here. No arrays and no scikit-learn."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from backend.facts import NAMES
from checkpoint.errors import CheckpointError
from checkpoint.planning.budget import checked_budget
from checkpoint.planning.choice import Choice
from mlp.arguments import DTYPES, MAX_COUNT, as_whole, check_name, check_number, check_whole
from mlp.errors import NetworkError
from mlp.precision import TF32_BACKEND, precision_of

ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
"""scikit-learn's names of activations, and ours."""

OWN_ACTIVATIONS = ("sigmoid", "leaky-relu", "elu", "softplus")
"""Those that scikit-learn does not have."""

OUT_ACTIVATIONS = {"softmax": "softmax", "sigmoid": "logistic", "identity": "identity"}
"""Our names of output activations, and scikit-learn's."""

LOSS = "squared_error"
SOLVERS = ("sgd", "adam")
LEARNING_RATES = ("constant", "invscaling", "adaptive")
LARGEST_AUTO_BATCH = 200
"""scikit-learn's mini-batch size "auto", for data that has so many rows."""

_SHARES = ("momentum", "validation_fraction", "beta_1", "beta_2")
_NOT_NEGATIVE = ("alpha", "power_t", "tol")
_ABOVE_0 = ("learning_rate_init", "epsilon")
_TRUTHS = ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping", "ranks")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Parameters that have been checked. `activation` is our name; `choice` is None under a budget."""

    hidden: tuple[int, ...]
    activation: str
    choice: Choice | None


def wanted_of(parameters: Mapping[str, Any]) -> Wanted:
    """What an estimator's `parameters`, by name, ask for.

    Raises `NetworkError` or `CheckpointError`, one line that names the parameter, for a value that it cannot have.
    """
    p = parameters
    loss = p.get("loss", LOSS)
    if not isinstance(loss, str) or loss != LOSS:
        why = ", which needs an exponential output" if isinstance(loss, str) else _meant_as_widths(loss)
        raise NetworkError(f"loss must be {LOSS!r}; got {_shown(loss)}{why}")
    if not isinstance(p["activation"], str):
        got = f"{_shown(p['activation'])}{_meant_as_widths(p['activation'])}"
        raise NetworkError(f"activation must be a name, such as 'relu'; got {got}")
    if p["solver"] == "lbfgs":
        raise NetworkError(
            "solver 'lbfgs' takes all samples at once, and steps here take mini-batches; choose sgd or adam"
        )
    check_name("solver", p["solver"], SOLVERS)
    check_name("learning_rate", p["learning_rate"], LEARNING_RATES)
    activation = check_name("activation", p["activation"], (*ACTIVATIONS, *OWN_ACTIVATIONS))
    for name in _SHARES:
        if not 0 <= check_number(name, p[name]) < 1:
            raise NetworkError(f"{name} must be at least 0 and below 1; got {p[name]!r}")
    for name in _NOT_NEGATIVE:
        if check_number(name, p[name], wanted="0 or more") < 0:
            raise NetworkError(f"{name} must be 0 or more; got {p[name]!r}")
    for name in _ABOVE_0:
        check_number(name, p[name], wanted="above 0", above=0)
    for name in _TRUTHS:
        if not isinstance(p[name], bool) and type(p[name]).__name__ not in ("bool", "bool_"):
            raise NetworkError(f"{name} must be True or False; got {p[name]!r}")
    check_whole("max_iter", p["max_iter"], least=1, most=MAX_COUNT)
    if p["n_iter_no_change"] != inf:
        check_whole("n_iter_no_change", p["n_iter_no_change"], least=1)
    if p["batch_size"] != "auto":
        check_whole("batch_size", p["batch_size"], least=1)
    if p["dtype"] != "auto":
        check_name("dtype", p["dtype"], ("auto", *DTYPES))
    if isinstance(p["backend"], str):
        check_name("backend", p["backend"], NAMES)
    _check_precision(p["precision"])
    choice = _choice(p["checkpoint"], p["budget_bytes"])
    return Wanted(_hidden(p["hidden_layer_sizes"]), ACTIVATIONS.get(activation, activation), choice)


def _check_precision(precision: Any) -> None:
    """Raise `NetworkError` for what is no precision; whether X's dtype and the backend have it, the network says."""
    precision_of(precision, dtype="float32", backend=TF32_BACKEND)


def _hidden(sizes: Any) -> tuple[int, ...]:
    """The widths of the hidden layers, of which there may be none; one number is one layer."""
    one = as_whole(sizes)
    widths = (one,) if one is not None else tuple(sizes) if hasattr(sizes, "__iter__") and sizes != "" else None
    if widths is None or isinstance(sizes, str):
        hint = f": the activation is activation={sizes!r}" if sizes in (*ACTIVATIONS, *OWN_ACTIVATIONS) else ""
        hint = f": the loss is loss={sizes!r}" if sizes == LOSS else hint
        raise NetworkError(f"hidden_layer_sizes must be whole numbers, such as (100, 50); got {_shown(sizes)}{hint}")
    return tuple(check_whole("each of hidden_layer_sizes", width, least=1) for width in widths)


def _meant_as_widths(value: Any) -> str:
    """What to say of a value that looks like the widths of hidden layers and is in another one's place."""
    widths = as_whole(value) is not None or (hasattr(value, "__iter__") and not isinstance(value, str))
    return ": hidden layers are hidden_layer_sizes=" if widths else ""


def _shown(value: Any) -> str:
    kind = f"the {type(value).__name__} " if isinstance(value, list | tuple) else ""
    return f"{kind}{value!r:.60}"


def _choice(checkpoint: Any, budget: Any) -> Choice | None:
    """How to checkpoint where no budget is given; None for a budget, which then is one."""
    if budget is None:
        if checkpoint == "optimal":
            raise CheckpointError("checkpoint 'optimal' wants a budget to be optimal under; give budget_bytes")
        return Choice(checkpoint)
    if checkpoint not in ("none", "optimal"):
        raise CheckpointError(f"budget_bytes is planned for, and checkpoint {checkpoint!r} is not planned; give one")
    checked_budget(budget)
    return None
