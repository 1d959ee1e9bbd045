"""`analyze`: how a step's memory grows with the number of hidden layers, as formula, prediction and measurement."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tabulate import tabulate
from tqdm import tqdm

from backend import select_backend
from checkpoint.commands.options import add_backend_options, add_json_option, path_of
from checkpoint.commands.pictures import drawn
from checkpoint.errors import CheckpointError
from checkpoint.output import check_writable, write_report
from checkpoint.planning.choice import Choice
from checkpoint.planning.growth import Growth, even_sizes, growth
from checkpoint.runs.one_step import measured_step
from checkpoint.schedule.chain import Chain, chain_of
from checkpoint.schedule.simulation import simulate
from checkpoint.strategies import store_all
from checkpoint.units import format_bytes
from mlp import format_sizes, parse_sizes

FIGURE = Path("analyze.png")
DEPTHS = "1,2,4,8,16,32,48,64"
MOST_HIDDEN_LAYERS = 4096
CLASSIC = (784, 100, 30, 10)
CLASSIC_BATCH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_backend_options(parser)
    parser.add_argument(
        "--depths", default=DEPTHS, metavar="H,H,...", help=f"numbers of hidden layers (default: {DEPTHS})"
    )
    parser.add_argument("--width", type=int, default=128, metavar="N", help="units of a hidden layer (default: 128)")
    parser.add_argument(
        "--batch-size", type=int, default=1000, metavar="N", help="rows of a mini-batch (default: 1000)"
    )
    parser.add_argument("--every", type=int, default=4, metavar="N", help="keep every N-th layer (default: 4)")
    parser.add_argument("--dtype", default="float32", help="float32 or float64 (default: float32)")
    parser.add_argument(
        "--figure", type=path_of, default=FIGURE, metavar="PATH", help=f"the picture (default: {FIGURE})"
    )
    add_json_option(parser)


def main(args: argparse.Namespace) -> int:
    """Predict and measure each depth in each way; write the JSON, then the picture, then print; 0."""
    from checkpoint.drawing import growth as picture
    from checkpoint.drawing.canvas import check_drawable

    check_writable(args.json)
    check_drawable(args.figure)
    backend = select_backend(args.backend, device=args.device)
    ways = [Choice(), Choice(f"every:{args.every}"), Choice("sqrt")]
    chains = [
        chain_of(
            even_sizes(depth, inputs=CLASSIC[0], width=args.width, outputs=CLASSIC[-1]),
            batch_size=args.batch_size,
            dtype=args.dtype,
            backend=backend.variant,
        )
        for depth in _depths(args.depths)
    ]
    points: list[Growth] = []
    for chain in tqdm(chains, desc="analyze", unit="depth", leave=False, disable=None):
        for way in ways:
            schedule = None if way.checkpoint == "none" else way.schedule(chain)
            usage = measured_step(chain, schedule, dtype=args.dtype, backend=backend)
            points.append(replace(growth(chain, way.checkpoint), measured_bytes=usage.peak_bytes))
    deepest, classic = _deepest(chains[-1]), _classic(args.dtype)
    report = {"width": args.width, "batch_size": args.batch_size, "dtype": args.dtype, "backend": args.backend}
    report |= {"device": backend.device_name, "points": [asdict(point) for point in points]}
    write_report(args.json, "analyze", {**report, "deepest": deepest, "classic": classic})
    title = f"width {args.width}, batch {args.batch_size}, {args.dtype}"
    with drawn(lambda: picture.write_growth(points, args.figure, title=title)):
        print(
            f"peak array bytes of a step above rest: {CLASSIC[0]} inputs, H hidden layers of {args.width}, "
            f"{CLASSIC[-1]} outputs, batch {args.batch_size}, {args.dtype}; {args.backend} on {backend.device_name}\n"
        )
        print(f"{_table(points)}\n\n{_answer(deepest)}\n\n{_classic_answer(classic)}\n")
    print(f"the picture is {args.figure}")
    return 0


def _depths(text: str) -> tuple[int, ...]:
    depths = parse_sizes(text if "," in text else f"{text},1")
    depths = depths if "," in text else depths[:1]
    if max(depths) > MOST_HIDDEN_LAYERS:
        raise CheckpointError(f"depths up to {MOST_HIDDEN_LAYERS} hidden layers can be measured; got {max(depths)}")
    return depths


def _table(points: Sequence[Growth]) -> str:
    headers = ["hidden\nlayers"]
    for name in dict.fromkeys(point.name for point in points):
        headers += [f"{name}\nformula", f"{name}\npredicted", f"{name}\nmeasured"]
    rows: dict[int, list[str]] = {}
    for point in points:
        row = rows.setdefault(point.hidden_layers, [str(point.hidden_layers)])
        row += [f"{point.formula_bytes:,}", f"{point.predicted_bytes:,}", f"{point.measured_bytes:,}"]
    return tabulate(list(rows.values()), headers, disable_numparse=True, stralign="right")


def _deepest(chain: Chain) -> dict[str, Any]:
    """What a hidden layer and a backward step of a chain take."""
    return {
        "hidden_layers": chain.n_layers - 1,
        "activation_bytes": chain.activation_bytes(1),
        "workspace_bytes": chain.workspace_bytes(max(chain.n_layers - 1, 1)),
    }


def _answer(deepest: dict[str, Any]) -> str:
    one, work = format_bytes(deepest["activation_bytes"]), format_bytes(deepest["workspace_bytes"])
    return (
        f"With store all, each hidden layer adds batch x width values, {one} here: memory grows in proportion to\n"
        f"depth, batch and width. Every k-th grows with depth / k + k, and sqrt, where the two are alike, with\n"
        f"2 sqrt(depth). Beside the activations a step holds a workspace of {work} (one layer's weight gradient,\n"
        f"and a piece of its error where that needs one), which does not grow with depth. Parameters do, with\n"
        f"width x width values a layer, and are held in any case."
    )


def _classic(dtype: str) -> dict[str, Any]:
    """The classic network's bytes, taken apart."""
    chain = chain_of(CLASSIC, batch_size=CLASSIC_BATCH, dtype=dtype)
    layers = range(1, chain.n_layers + 1)
    return {
        "sizes": list(CLASSIC),
        "batch_size": CLASSIC_BATCH,
        "activation_bytes": sum(chain.activation_bytes(layer) for layer in layers),
        "parameter_bytes": sum(chain.gradient_bytes(layer) for layer in layers),
        "peak_bytes": simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes,
        "workspace_bytes": chain.workspace_bytes(1),
    }


def _classic_answer(classic: dict[str, Any]) -> str:
    """When checkpointing saves little."""
    whole = classic["parameter_bytes"] + classic["peak_bytes"]
    share = classic["activation_bytes"] / whole
    return (
        f"On {format_sizes(classic['sizes'])} with batch {classic['batch_size']}, all activations together are "
        f"{format_bytes(classic['activation_bytes'])}, {share:.0%} of\n"
        f"the {format_bytes(whole)} that parameters and a step take. The peak is the first layer's weight gradient,\n"
        f"{format_bytes(classic['workspace_bytes'])} of {format_bytes(classic['peak_bytes'])}: "
        f"checkpointing saves next to nothing there."
    )
