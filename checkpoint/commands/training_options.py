"""The options of a network and its training, and the settings that all options make."""

import argparse
from collections.abc import Mapping
from typing import Any

from checkpoint.commands.options import check_offload
from checkpoint.runs.defaults import ETA, STEEP, STEEP_ETA, default_eta, default_initialization
from checkpoint.runs.settings import RunSettings, check_settings
from mlp.activations import ACTIVATIONS, OUTPUT_ACTIVATIONS
from mlp.arguments import DTYPES, INITIALIZATIONS
from mlp.costs import COSTS
from mlp.optimizers.named import OPTIMIZERS, with_arguments
from mlp.precision import PRECISIONS
from mlp.sizes import check_sizes_text


def add_network_options(parser: argparse.ArgumentParser, defaults: RunSettings) -> None:
    """The network's and the training's options; those not given are None, and `settings_from` fills them in."""
    network = parser.add_argument_group("network and training")
    usual = ", ".join(f"{name} {kind.usual_eta:g}" for name, kind in OPTIMIZERS.items() if kind.usual_eta != ETA)
    network.add_argument(
        "--sizes",
        metavar="SIZES",
        help="widths of the hidden layers, such as 100,30 or 256x64, or of all layers from the inputs on, such as "
        f"784,100,30,10; in,100,30,out says that these are hidden {_given(defaults, 'sizes')}",
    )
    network.add_argument("--activation", help=f"{' or '.join(ACTIVATIONS)} {_given(defaults, 'activation')}")
    network.add_argument(
        "--output-activation",
        metavar="NAME",
        help=f"of the last layer: {' or '.join(OUTPUT_ACTIVATIONS)} (default: what goes with the cost, identity for "
        "values, or else that of the hidden layers)",
    )
    network.add_argument("--cost", help=f"{' or '.join(COSTS)} {_given(defaults, 'cost')}")
    network.add_argument(
        "--initialization",
        help=f"{' or '.join(INITIALIZATIONS)} (default: {defaults.initialization}; scaled with another activation, "
        "cost, momentum or optimizer)",
    )
    network.add_argument("--dtype", help=f"{' or '.join(DTYPES)} {_given(defaults, 'dtype')}")
    network.add_argument(
        "--precision",
        metavar="NAME",
        help=f"{' or '.join(PRECISIONS)}: rounded factors of products on cupy, hidden activations kept in two bytes "
        f"{_given(defaults, 'precision')}",
    )
    network.add_argument("--momentum", type=float, metavar="M", help=f"0 up to 1 {_given(defaults, 'momentum')}")
    network.add_argument(
        "--dropout",
        type=float,
        metavar="SHARE",
        help=f"of hidden outputs that a step sets to 0, 0 up to 1 {_given(defaults, 'dropout')}",
    )
    network.add_argument(
        "--optimizer",
        metavar="NAME",
        help=f"{' or '.join(OPTIMIZERS)}, with arguments as in adam:beta1=0.8 {_given(defaults, 'optimizer')}",
    )
    network.add_argument(
        "--l2", type=float, metavar="X", help="adds X times the weights to their gradient (default: 0)"
    )
    network.add_argument(
        "--weight-decay",
        type=float,
        metavar="X",
        help="takes the learning rate times X of the weights in a step (default: 0; adamw 0.01)",
    )
    network.add_argument(
        "--clip", type=float, metavar="X", help="the largest norm of a layer's mean gradient (default: no bound)"
    )
    network.add_argument(
        "--seed", type=int, metavar="N", help=f"of weights, shuffling and what is held out {_given(defaults, 'seed')}"
    )
    network.add_argument(
        "--epochs", type=int, metavar="N", help=f"passes over the training data {_given(defaults, 'epochs')}"
    )
    network.add_argument(
        "--batch-size", type=int, metavar="N", help=f"rows of a mini-batch {_given(defaults, 'batch_size')}"
    )
    network.add_argument(
        "--eta",
        type=float,
        metavar="RATE",
        help=f"the learning rate (default: {defaults.eta:g}; with another activation, cost or momentum {ETA:g} x (1 - "
        f"momentum), or {STEEP_ETA:g} for {', '.join(STEEP)} outputs under the quadratic cost; {usual})",
    )
    network.add_argument(
        "--rate",
        metavar="HOW",
        help="how the learning rate changes: constant, step:every=10epochs,factor=0.1, inverse:power=0.5, cosine, each "
        f"with warm_up=500steps {_given(defaults, 'rate')}",
    )
    network.add_argument(
        "--no-shuffle", dest="shuffle", action="store_false", default=None, help="take samples in order"
    )


def settings_from(args: argparse.Namespace, defaults: RunSettings, *, fit: bool = True) -> RunSettings:
    """`defaults`, changed where an option was given. Raises `NetworkError` or `CheckpointError` for a wrong one.

    Sizes are those of `defaults`: `checkpoint.commands.data_options.sized` reads the option, once the data is there.
    With `fit`, an initialization and a learning rate that were not given change with what they must fit.
    """
    given: dict[str, Any] = {name: value for name, value in vars(args).items() if value is not None}
    known: Mapping[str, Any] = {name: getattr(defaults, name) for name in RunSettings.__dataclass_fields__}
    values = {**known, **{name: given[name] for name in known if name in given}}
    pulls = {name: given.get(name) for name in ("l2", "weight_decay", "clip")}
    values["optimizer"] = with_arguments(values["optimizer"], **pulls)
    if fit:
        values |= _fitting(values, known, given)
    if isinstance(values["sizes"], str):
        check_sizes_text(values["sizes"])
        values["sizes"] = defaults.sizes
    if "checkpoint" in given and "budget" not in given:
        values["budget"] = None  # that of the defaults was for their own way
    elif values["budget"] is not None and "checkpoint" not in given:
        values["checkpoint"] = "optimal"
    settings = RunSettings(**values)
    rates = settings.bandwidth, settings.speed
    planned = settings.checkpoint == "optimal" or "offload" not in given
    check_offload(settings.offload, settings.backend, *rates, planned=planned)
    check_settings(settings)  # now, and not after the data has been loaded
    return settings


def _fitting(values: Mapping[str, Any], known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The initialization and the learning rate that fit `values`, where they are not given and `known` is of others."""
    fitting: dict[str, Any] = {}
    names = ("activation", "output_activation", "cost", "momentum", "optimizer")
    choice = {name: values[name] for name in names}
    if "initialization" not in given and any(known[name] != value for name, value in choice.items()):
        fitting["initialization"] = default_initialization(**choice)
    choice["initialization"] = fitting.get("initialization", values["initialization"])
    if "eta" not in given and any(known[name] != value for name, value in choice.items()):
        fitting["eta"] = default_eta(**choice)
    return fitting


def _given(defaults: RunSettings, name: str) -> str:
    value = getattr(defaults, name)
    if isinstance(value, tuple):
        value = ",".join(str(width) for width in value)
    return f"(default: {value})"
