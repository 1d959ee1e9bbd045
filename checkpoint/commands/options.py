"""The options that several commands share, planning among them: nothing here loads an array library."""

import argparse
from pathlib import Path

from backend.facts import NAMES
from backend.places import check_place
from checkpoint.errors import CheckpointError
from checkpoint.planning.budget import called
from checkpoint.planning.choice import FORMS_TOLD
from checkpoint.units import parse_bandwidth, parse_bytes, parse_speed

BUDGET_FORMS = (
    "rest (above parameters and mini-batch): 64MiB, 1.5GB, 50%% of store all's arena, or auto, which is three quarters "
    "of the memory that is free, and at most store all's arena"
)
"""What a budget is, and how it is written, for help."""


def path_of(text: str) -> Path:
    """The path that an option names; an empty one would be the folder at hand. For argparse, whose error it raises."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty; name a file")
    return Path(text)


def add_backend_options(parser: argparse.ArgumentParser, *, ranks: bool = False) -> None:
    """--backend and --device; `ranks`: whether several processes may run together."""
    parser.add_argument("--backend", default="numpy", help=f"{' or '.join(NAMES)} (default: numpy)")
    default = "0, or with --ranks a node's GPUs round robin" if ranks else "0"
    parser.add_argument(
        "--device", type=int, metavar="N", help=f"the GPU's number, with --backend cupy (default: {default})"
    )


def add_data_option(parser: argparse.ArgumentParser, *, default: str = "mnist") -> None:
    """--data; None where it is not given and the default is no name."""
    parser.add_argument(
        "--data",
        default="mnist" if default == "mnist" else None,
        metavar="DATA",
        help="mnist (cached, or downloaded), sample (5,000 images of MNIST that are built in), or a path: a .npz with "
        "X and y or x_train, y_train, x_test, y_test; X.npy,y.npy, which are mapped; a .csv, .tsv, .parquet or .h5; a "
        f"folder with the four IDX files (default: {default})",
    )


def add_checkpoint_options(parser: argparse.ArgumentParser) -> None:
    """--checkpoint and --budget."""
    parser.add_argument("--checkpoint", metavar="HOW", help=f"what to keep: {FORMS_TOLD} (default: none)")
    parser.add_argument(
        "--budget",
        metavar="BYTES",
        help=f"plan for this many array bytes above {BUDGET_FORMS}",
    )


def add_memory_limit_option(parser: argparse.ArgumentParser) -> None:
    """--memory-limit."""
    parser.add_argument(
        "--memory-limit",
        metavar="BYTES",
        help="of the whole process, libraries and data included (with cupy, of all in use on the GPU), such as 512MiB; "
        "what is left of it is the budget",
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


def add_sum_groups_option(parser: argparse.ArgumentParser) -> None:
    """--sum-groups."""
    parser.add_argument(
        "--sum-groups",
        type=int,
        metavar="G",
        help="make sums in G groups of a mini-batch's rows, and add those up as a tree: many ranks wait less, and the "
        "last bits of weights are those of G groups, whatever the number of ranks (default: one process's order)",
    )


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.add_argument(
        "--json", type=path_of, metavar="PATH", help="also write every figure shown, in bytes and seconds"
    )


def check_offload(
    place: str | None, backend: str, bandwidth: str | None, speed: str | None, *, planned: bool = True
) -> None:
    """Raise `OffloadError` or `CheckpointError` for options that make no place and no rates.

    `planned`: whether anything is planned, which alone asks for rates.
    """
    given = "--bandwidth" if bandwidth is not None else "--speed" if speed is not None else None
    if place is None:
        if given:
            raise CheckpointError(f"{given} says how fast to offload, and nothing says where to; add --offload")
        return
    if given and not planned:
        raise CheckpointError(f"{given} is for plans, and nothing is planned here; leave it out, or add --budget")
    if backend in NAMES:
        check_place(backend, place)
    for text, parse in ((bandwidth, parse_bandwidth), (speed, parse_speed)):
        if text is not None:
            parse(text)


def check_amounts(budget: str | None, limit: str | None = None) -> None:
    """Raise `CheckpointError` unless these are texts of --budget and --memory-limit, or None."""
    if budget is not None and budget != "auto":
        with called("--budget"):
            parse_bytes(budget, whole_bytes=2**62)
    if limit is not None:
        with called("--memory-limit"):
            parse_bytes(limit)
