"""`predict`: the class or the values that a saved network finds for a picture, or for each row of an array or table."""

import argparse
import sys

from backend import select_backend
from checkpoint.commands.options import add_backend_options, add_json_option, path_of
from checkpoint.output import check_writable, write_report
from checkpoint.runs.answers import answers_of
from mlp import load_state
from mlp.data.unlabelled import read_unlabelled
from mlp.saving.prepared import prepared_as


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("path", type=path_of, metavar="PATH", help="a state saved by train --save")
    parser.add_argument(
        "input",
        type=path_of,
        metavar="INPUT",
        help="a PNG or JPEG, resized to what the network was trained on, 28 x 28 for MNIST, a .npy array of samples, "
        "or a table with the columns that it was trained on",
    )
    parser.add_argument(
        "--invert", action="store_true", help="for dark digits on a light background; MNIST's are light on dark"
    )
    add_backend_options(parser)
    add_json_option(parser)


def main(args: argparse.Namespace) -> int:
    """Print the class with the largest output, and that output, or the values; a line for each sample; 0."""
    check_writable(args.json)
    network, state = load_state(args.path, backend=select_backend(args.backend, device=args.device), plain=True)
    preparation = prepared_as(state, args.path)
    X = read_unlabelled(
        args.input,
        features=network.sizes[0],
        dtype=network.dtype,
        preparation=preparation,
        scaling=network.scaling,
        invert=args.invert,
        say=lambda line: print(line, file=sys.stderr),
    )
    answers = answers_of(network.predict(X), preparation)
    write_report(args.json, "predict", {"path": str(args.path), "input": str(args.input), **answers.as_json()})
    for line in answers.lines():
        print(line)
    return 0
