"""`import`: a network of the weights that PyTorch or Keras saved in a safetensors file, as a saved state."""

import argparse

from checkpoint.commands.options import add_json_option, path_of
from checkpoint.output import check_writable, write_report
from mlp import format_sizes, import_weights
from mlp.activations import ACTIVATIONS
from mlp.arguments import DTYPES
from mlp.costs import COSTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "source", type=path_of, metavar="FILE.safetensors", help="weights of PyTorch's Linear or Keras's Dense layers"
    )
    parser.add_argument("target", type=path_of, metavar="PATH", help="the state to write, for evaluate and predict")
    parser.add_argument("--activation", help=f"that they were trained with: {' or '.join(ACTIVATIONS)}", required=True)
    parser.add_argument("--output-activation", help="of the last layer, where it is another (default: the cost's own)")
    parser.add_argument("--cost", default="quadratic", help=f"{' or '.join(COSTS)} (default: %(default)s)")
    parser.add_argument("--dtype", help=f"{' or '.join(DTYPES)} (default: the file's)")
    add_json_option(parser)


def main(args: argparse.Namespace) -> int:
    """Make the network, save it and print what it is; 0."""
    for path in (args.target, args.json):
        check_writable(path)
    dtype = {} if args.dtype is None else {"dtype": args.dtype}
    how = {"activation": args.activation, "output_activation": args.output_activation, "cost": args.cost}
    network = import_weights(args.source, **how, **dtype)
    network.save(args.target)
    record = {"source": str(args.source), "target": str(args.target), "sizes": list(network.sizes)}
    write_report(args.json, "import", {**record, "dtype": network.dtype})
    print(f"{format_sizes(network.sizes)}, {network.dtype}, saved to {args.target}")
    return 0
