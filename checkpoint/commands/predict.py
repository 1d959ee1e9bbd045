"""`predict`: the class that a saved network finds for a picture, or for each of an array of them."""

import argparse
import sys

from backend import select_backend
from checkpoint.commands.options import add_backend_options, add_json_option, path_of
from checkpoint.output import check_writable, write_report
from mlp import load_state
from mlp.data.images import read_images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("path", type=path_of, metavar="PATH", help="a state saved by train --save")
    parser.add_argument(
        "image",
        type=path_of,
        metavar="IMAGE",
        help="a PNG or JPEG, resized to what the network was trained on where that is a square, 28 x 28 for MNIST, or "
        "a .npy array of such images",
    )
    parser.add_argument(
        "--invert", action="store_true", help="for dark digits on a light background; MNIST's are light on dark"
    )
    add_backend_options(parser)
    add_json_option(parser)


def main(args: argparse.Namespace) -> int:
    """Print the class with the largest output, and that output, a line for each image; 0."""
    check_writable(args.json)
    network, _ = load_state(args.path, backend=select_backend(args.backend, device=args.device), plain=True)
    X = read_images(
        args.image,
        features=network.sizes[0],
        dtype=network.dtype,
        invert=args.invert,
        scaling=network.scaling,
        say=lambda line: print(line, file=sys.stderr),
    )
    outputs = network.predict(X)
    classes = outputs.argmax(axis=1).tolist()
    record = {"path": str(args.path), "image": str(args.image), "classes": classes, "outputs": outputs.tolist()}
    write_report(args.json, "predict", record)
    for row, best in zip(outputs, classes, strict=True):
        print(f"{best}  {row[best]:.4f}")
    return 0
