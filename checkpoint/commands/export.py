"""`export`: the weights of a saved network as PyTorch or Keras names them, in a safetensors file."""

import argparse

from checkpoint.commands.options import add_json_option, path_of
from checkpoint.output import check_writable, write_report
from checkpoint.units import counted
from mlp import export_weights, format_sizes, load_state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("path", type=path_of, metavar="PATH", help="a state saved by train --save")
    parser.add_argument("target", type=path_of, metavar="FILE.safetensors", help="the file to write")
    parser.add_argument(
        "--for",
        dest="form",
        default="torch",
        metavar="LIBRARY",
        help="torch: a Sequential of Linear layers with an activation after each; keras: Dense layers (default: torch)",
    )
    add_json_option(parser)


def main(args: argparse.Namespace) -> int:
    """Write the weights, and print their names; 0."""
    for path in (args.target, args.json):
        check_writable(path)
    network, _ = load_state(args.path, plain=True)
    names = export_weights(args.target, network, form=args.form)
    record = {"path": str(args.path), "target": str(args.target), "form": args.form, "names": names}
    write_report(args.json, "export", {**record, "sizes": list(network.sizes)})
    shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    print(f"{format_sizes(network.sizes)}: {counted(len(names), 'array')} for {args.form} in {args.target}: {shown}")
    activations = dict.fromkeys(network.layer_activation(layer) for layer in range(1, network.n_layers + 1))
    print(f"its activations are not in the file: {', then '.join(activations)}")
    return 0
