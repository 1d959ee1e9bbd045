"""The options that several commands share, and the settings that they make."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backend.select import NAMES
from backend.transfers import check_place
from checkpoint.errors import CheckpointError
from checkpoint.planning.choice import FORMS
from checkpoint.runs.run import RunSettings
from checkpoint.units import parse_bandwidth, parse_speed
from mlp import parse_sizes
from mlp.initialization import INITIALIZATIONS
from mlp.network import ACTIVATIONS, COSTS, DTYPES


def add_backend_options(parser: argparse.ArgumentParser) -> None:
    """--backend and --device."""
    parser.add_argument("--backend", default="numpy", help=f"{' or '.join(NAMES)} (default: numpy)")
    parser.add_argument("--device", type=int, metavar="N", help="the card's number, with --backend cupy (default: 0)")


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """--data."""
    parser.add_argument(
        "--data",
        default="mnist",
        metavar="DATA",
        help="mnist (cached, or downloaded), sample (5,000 images of MNIST that are built in), or the path of a Keras "
        ".npz or of a folder with the four IDX files (default: mnist)",
    )


def add_network_options(parser: argparse.ArgumentParser, defaults: RunSettings) -> None:
    """The network's and the training's options; those not given are None, and `settings_from` fills them in."""
    network = parser.add_argument_group("network and training")
    network.add_argument(
        "--sizes", metavar="SIZES", help=f"layer widths, such as 784,256x64,10 {_given(defaults, 'sizes')}"
    )
    network.add_argument("--activation", help=f"{' or '.join(ACTIVATIONS)} {_given(defaults, 'activation')}")
    network.add_argument("--cost", help=f"{' or '.join(COSTS)} {_given(defaults, 'cost')}")
    network.add_argument(
        "--initialization", help=f"{' or '.join(INITIALIZATIONS)} {_given(defaults, 'initialization')}"
    )
    network.add_argument("--dtype", help=f"{' or '.join(DTYPES)} {_given(defaults, 'dtype')}")
    network.add_argument("--momentum", type=float, metavar="M", help=f"0 up to 1 {_given(defaults, 'momentum')}")
    network.add_argument("--seed", type=int, metavar="N", help=f"of weights and shuffling {_given(defaults, 'seed')}")
    network.add_argument("--epochs", type=int, metavar="N", help=_given(defaults, "epochs"))
    network.add_argument("--batch-size", type=int, metavar="N", help=_given(defaults, "batch_size"))
    network.add_argument("--eta", type=float, metavar="RATE", help=f"the learning rate {_given(defaults, 'eta')}")
    network.add_argument(
        "--no-shuffle", dest="shuffle", action="store_false", default=None, help="take samples in order"
    )


def add_checkpoint_options(parser: argparse.ArgumentParser) -> None:
    """--checkpoint and --budget."""
    parser.add_argument("--checkpoint", metavar="HOW", help=f"what to keep: {FORMS} (default: none)")
    parser.add_argument(
        "--budget",
        metavar="BYTES",
        help="array bytes above rest, planned for: 64MiB, 1.5GB, or 50%% of store-all's peak",
    )


def add_offload_options(parser: argparse.ArgumentParser) -> None:
    """--offload, --bandwidth and --speed."""
    parser.add_argument(
        "--offload",
        metavar="PLACE",
        help="copy checkpoints away and fetch them back: to host with cupy, to a file in the folder PLACE with numpy; "
        "a plan does so where it is cheaper than to recompute",
    )
    parser.add_argument(
        "--bandwidth", metavar="RATE", help="of these copies, for plans, such as 12GB/s (default: measured, and kept)"
    )
    parser.add_argument(
        "--speed", metavar="RATE", help="of computing, for plans, such as 30TFLOP/s (default: measured, and kept)"
    )


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write every figure shown, in bytes and seconds")


def settings_from(args: argparse.Namespace, defaults: RunSettings) -> RunSettings:
    """`defaults`, changed where an option was given. Raises `NetworkError` or `CheckpointError` for a wrong one."""
    given: dict[str, Any] = {name: value for name, value in vars(args).items() if value is not None}
    known: Mapping[str, Any] = {name: getattr(defaults, name) for name in RunSettings.__dataclass_fields__}
    values = {**known, **{name: given[name] for name in known if name in given}}
    if isinstance(values["sizes"], str):
        values["sizes"] = parse_sizes(values["sizes"])
    if "checkpoint" in given and "budget" not in given:
        values["budget"] = None  # that of the defaults was for their own way
    elif values["budget"] is not None and "checkpoint" not in given:
        values["checkpoint"] = "optimal"
    settings = RunSettings(**values)
    check_offload(settings.offload, settings.backend, settings.bandwidth, settings.speed)
    _ = settings.choice  # now, and not after the data has been loaded
    return settings


def check_offload(place: str | None, backend: str, bandwidth: str | None, speed: str | None) -> None:
    """Raise `OffloadError` or `CheckpointError` for options that make no place and no rates."""
    given = "--bandwidth" if bandwidth is not None else "--speed" if speed is not None else None
    if place is None:
        if given:
            raise CheckpointError(f"{given} says how fast to offload, and nothing says where to; add --offload")
        return
    if backend in NAMES:
        check_place(backend, place)
    for text, parse in ((bandwidth, parse_bandwidth), (speed, parse_speed)):
        if text is not None:
            parse(text)


def _given(defaults: RunSettings, name: str) -> str:
    value = getattr(defaults, name)
    if isinstance(value, tuple):
        value = ",".join(str(width) for width in value)
    return f"(default: {value})"
