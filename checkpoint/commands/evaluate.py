"""`evaluate`: the accuracy of a saved network on the test images of a data set."""

import argparse
import sys

from backend import select_backend
from checkpoint.commands.options import add_backend_options, add_data_option, add_json_option, path_of
from checkpoint.output import check_writable, write_report
from checkpoint.runs.trained_data import is_trained_data, load_itself, load_trained_data
from checkpoint.units import counted, how_far
from mlp import ImageBatches, accuracy, format_sizes, load_state
from mlp.training.metrics import EVALUATED_ROWS, mean_cost


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("path", type=path_of, metavar="PATH", help="a state saved by train --save")
    add_backend_options(parser)
    add_data_option(parser, default="the data that the network was trained on")
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
    dataset = load_trained_data(state, args.path) if args.data is None else load_itself(args.data)
    if dataset.notice:
        print(dataset.notice, file=sys.stderr)
    images = ImageBatches(network, dataset.test_images, dataset.test_labels, scaling=dataset.scaling)
    found = accuracy(network, images, batch_size=args.batch_size)
    cost = mean_cost(network, images, batch_size=args.batch_size)
    progress, same = state.progress, is_trained_data(dataset, state)
    record = {
        "path": str(args.path),
        "sizes": list(network.sizes),
        "data": dataset.name,
        "same_data": same,
        "test_samples": len(images),
        "test_accuracy": found,
        "test_cost": cost,
        "epochs_done": None if progress is None else progress.epoch - 1,
        "steps_done": None if progress is None else progress.step,
    }
    write_report(args.json, "evaluate", record)
    print(format_sizes(network.sizes) + ("" if progress is None else f", {how_far(progress.epoch, progress.step)}"))
    other = ", which is not the data it was trained on" if same is False else ""
    print(f"test accuracy on {dataset.name}{other}: {found:.4f} of {counted(len(images), 'image')}; cost {cost:.4g}")
    if dataset.name == "sample" and not same:
        print(
            "warning: the images of the sample are from MNIST's training set; a network trained on MNIST has seen them",
            file=sys.stderr,
        )
    return 0
