"""`export`: the weights of a saved network as PyTorch or Keras names them, in a safetensors file."""

import argparse

from checkpoint.commands.options import add_json_option, path_of
from checkpoint.output import check_writable, write_report
from checkpoint.units import counted
from mlp import Network, export_weights, format_sizes, load_state
from mlp.data import Preparation
from mlp.saving.prepared import prepared_as


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
    network, state = load_state(args.path, plain=True)
    left_out = _left_out(network, prepared_as(state, args.path))
    names = export_weights(args.target, network, form=args.form)
    record = {"path": str(args.path), "target": str(args.target), "form": args.form, "names": names}
    write_report(args.json, "export", {**record, "sizes": list(network.sizes), "left_out": left_out})
    shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    print(f"{format_sizes(network.sizes)}: {counted(len(names), 'array')} for {args.form} in {args.target}: {shown}")
    activations = dict.fromkeys(network.layer_activation(layer) for layer in range(1, network.n_layers + 1))
    print(f"its activations are not in the file: {', then '.join(activations)}")
    if left_out:
        said = left_out[0] if len(left_out) == 1 else f"{', '.join(left_out[:-1])} and {left_out[-1]}"
        print(f"nor what {args.path} has of its data: {said}; predict and evaluate take them from there")
    return 0


def _left_out(network: Network, preparation: Preparation | None) -> list[str]:
    """What the saved network has to treat data as in its training, and the file has not, in words."""
    scaling = network.scaling if preparation is None else preparation.scaling
    found = [] if scaling is None else ["the scaling of inputs"]
    if preparation is None:
        return found
    classes = preparation.classes
    if classes is not None and classes != tuple(range(len(classes))):
        found.append("the names of classes")
    if preparation.columns is not None:
        found.append("the names of columns")
    return found
