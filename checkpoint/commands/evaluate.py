"""`evaluate`: how good a saved network is on the test samples of a data set: accuracy, or errors of values."""

import argparse
import sys
from contextlib import nullcontext, suppress

from backend import select_backend
from checkpoint.commands.data_options import add_pass_option
from checkpoint.commands.files import check_data_apart
from checkpoint.commands.options import add_backend_options, add_data_option, add_json_option, path_of
from checkpoint.output import check_writable, write_report
from checkpoint.runs.states.trained_data import is_trained_data, load_itself, load_trained_data, noted
from checkpoint.units import counted, how_far
from mlp import NetworkError, accuracy, format_sizes, load_state
from mlp.arguments import check_whole
from mlp.training.metrics import EVALUATED_ROWS, mean_cost
from mlp.training.regression import fit_of
from mlp.training.samples import batches_of_part


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("path", type=path_of, metavar="PATH", help="a state saved by train --save")
    add_backend_options(parser)
    add_data_option(parser, default="the data that the network was trained on")
    add_pass_option(parser)
    parser.add_argument(
        "--batch-size",
        type=int,
        default=EVALUATED_ROWS,
        metavar="N",
        help=f"samples at a time (default: {EVALUATED_ROWS})",
    )
    add_json_option(parser)


def main(args: argparse.Namespace) -> int:
    """Evaluate the network at PATH, and print its accuracy; 0."""
    check_writable(args.json)
    rows = check_whole("--batch-size", args.batch_size, least=1)
    network, state = load_state(args.path, backend=select_backend(args.backend, device=args.device), plain=True)
    skip = args.skip_data_pass
    if args.data is None:
        if (source := noted(state)) is not None:
            check_data_apart(args, source, args.path)
        dataset = load_trained_data(state, args.path, skip_pass=skip)
    else:
        dataset = load_itself(args.data, state, args.path, skip_pass=skip)
    if dataset.notice:
        print(dataset.notice, file=sys.stderr)
    samples = batches_of_part(network, dataset, "test")
    of_values = dataset.preparation.classes is None
    found = None
    with suppress(NetworkError) if of_values else nullcontext():  # values may name several classes at once
        found = accuracy(network, samples, batch_size=rows)
    cost = mean_cost(network, samples, batch_size=rows)
    rmse, r2 = fit_of(network, samples, batch_size=rows) if of_values else (None, None)
    progress, same = state.progress, is_trained_data(dataset, state)
    record = {
        "path": str(args.path),
        "sizes": list(network.sizes),
        "data": dataset.name,
        "same_data": same,
        "test_samples": len(samples),
        "test_accuracy": found,
        "test_cost": cost,
        "test_rmse": rmse,
        "test_r2": r2,
        "epochs_done": None if progress is None else progress.epoch - 1,
        "steps_done": None if progress is None else progress.step,
    }
    write_report(args.json, "evaluate", record)
    print(format_sizes(network.sizes) + ("" if progress is None else f", {how_far(progress.epoch, progress.step)}"))
    other = ", which is not the data it was trained on" if same is False else ""
    where, many = f"on {dataset.name}{other}", counted(len(samples), dataset.kind)
    if not of_values:
        print(f"test accuracy {where}: {found:.4f} of {many}; cost {cost:.4g}")
    else:
        shown = "" if r2 is None else f", R^2 {r2:.4f}"
        shown += "" if found is None else f", accuracy {found:.4f}"
        print(f"test root mean square error {where}: {rmse:.4g} of {many}{shown}; cost {cost:.4g}")
    if dataset.name == "sample" and not same:
        print(
            "warning: the images of the sample are from MNIST's training set; a network trained on MNIST has seen them",
            file=sys.stderr,
        )
    return 0
