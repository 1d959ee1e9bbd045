"""`evaluate`: the accuracy of a saved network on the test images of a data set."""

import argparse
import sys
from pathlib import Path

from backend import select_backend
from checkpoint.commands.options import add_backend_options, add_data_option, add_json_option
from checkpoint.output import check_writable, write_json
from mlp import ImageBatches, accuracy, data, format_sizes, load_state
from mlp.training.metrics import EVALUATED_ROWS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("path", type=Path, metavar="PATH", help="a state saved by train --save")
    add_backend_options(parser)
    add_data_option(parser)
    parser.add_argument(
        "--batch-size",
        type=int,
        default=EVALUATED_ROWS,
        metavar="N",
        help=f"images at a time (default: {EVALUATED_ROWS})",
    )
    add_json_option(parser)


def main(args: argparse.Namespace) -> int:
    """Evaluate the network at PATH, and print its accuracy; 0."""
    check_writable(args.json)
    network, state = load_state(args.path, backend=select_backend(args.backend, device=args.device), plain=True)
    dataset = data.load(args.data)
    if dataset.notice:
        print(dataset.notice, file=sys.stderr)
    images = ImageBatches(network, dataset.test_images, dataset.test_labels, scaling=dataset.scaling)
    found = accuracy(network, images, batch_size=args.batch_size)
    trained = (
        "" if state.progress is None else f", trained to epoch {state.progress.epoch}, {state.progress.step} steps in"
    )
    print(f"{format_sizes(network.sizes)}{trained}")
    print(f"test accuracy on {dataset.name}: {found:.4f} of {len(images)} images")
    if args.json:
        write_json(args.json, {"path": str(args.path), "data": dataset.name, "test_accuracy": found})
    return 0
