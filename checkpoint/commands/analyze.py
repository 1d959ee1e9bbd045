"""`analyze`: how a step's memory grows with the number of hidden layers, as formula, prediction and measurement."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate
from tqdm import tqdm

from backend import Backend, select_backend
from checkpoint.commands.options import add_backend_options, add_json_option
from checkpoint.errors import CheckpointError
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.output import check_writable, write_json
from checkpoint.planning.choice import Choice
from checkpoint.planning.growth import Growth, even_sizes, growth
from checkpoint.schedule.chain import Chain, chain_of
from checkpoint.schedule.simulation import simulate
from checkpoint.strategies import store_all
from checkpoint.units import format_bytes
from mlp import Network, parse_sizes

FIGURE = Path("analyze.png")
DEPTHS = "1,2,4,8,16,32,48,64"
CLASSIC = (784, 100, 30, 10)


@dataclass(frozen=True, slots=True)
class Measured:
    """One point of the table: a depth and a way, and what a step of it took."""

    growth: Growth
    measured_bytes: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_backend_options(parser)
    parser.add_argument("--depths", default=DEPTHS, metavar="H,H,...", help=f"hidden layers (default: {DEPTHS})")
    parser.add_argument("--width", type=int, default=128, metavar="N", help="units of a hidden layer (default: 128)")
    parser.add_argument("--batch-size", type=int, default=1000, metavar="N", help="rows (default: 1000)")
    parser.add_argument("--every", type=int, default=4, metavar="N", help="keep every N-th layer (default: 4)")
    parser.add_argument("--dtype", default="float32", help="float32 or float64 (default: float32)")
    parser.add_argument("--figure", type=Path, default=FIGURE, metavar="PATH", help=f"the picture (default: {FIGURE})")
    add_json_option(parser)


def main(args: argparse.Namespace) -> int:
    """Predict and measure each depth in each way, print the table and the answer, draw the picture; 0."""
    check_writable(args.json)
    check_writable(args.figure)
    backend = select_backend(args.backend, device=args.device)
    ways = ("none", f"every:{args.every}", "sqrt")
    for way in ways:
        Choice(way)
    chains = [
        chain_of(
            even_sizes(depth, inputs=CLASSIC[0], width=args.width, outputs=CLASSIC[-1]),
            batch_size=args.batch_size,
            dtype=args.dtype,
            backend=args.backend,
        )
        for depth in _depths(args.depths)
    ]
    points = []
    for chain in tqdm(chains, desc="analyze", unit="depth", leave=False, disable=None):
        for way in ways:
            found = growth(chain, way)
            points.append(Measured(found, measure_step(chain, way, dtype=args.dtype, backend=backend)))
    print(
        f"peak array bytes of a step above rest: {CLASSIC[0]} inputs, H hidden layers of {args.width}, {CLASSIC[-1]} "
        f"outputs, batch {args.batch_size}, {args.dtype}; {args.backend} on {backend.device_name}\n"
    )
    print(_table(points, ways))
    print(f"\n{_answer(chains[-1])}\n\n{_classic_answer(args.dtype)}")
    from checkpoint.drawing.growth import draw_growth

    draw_growth(points, args.figure, title=f"width {args.width}, batch {args.batch_size}, {args.dtype}")
    print(f"\nthe picture is {args.figure}")
    if args.json:
        write_json(
            args.json,
            {"points": [{**asdict(point.growth), "measured_bytes": point.measured_bytes} for point in points]},
        )
    return 0


def measure_step(chain: Chain, way: str, *, dtype: str, backend: Backend) -> int:
    """The peak array bytes above rest of one `update_mini_batch` on random data."""
    net: Network
    if way == "none":
        net = Network(chain.widths, dtype=dtype, backend=backend)
    else:
        net = NetworkWithCheckpointing(chain.widths, schedule=Choice(way).schedule(chain), dtype=dtype, backend=backend)
    random = np.random.default_rng(0)
    X = backend.asarray(random.random((chain.batch_size, chain.widths[0])), dtype)
    y = backend.asarray(random.random((chain.batch_size, chain.widths[-1])), dtype)
    with backend.measure() as usage:
        net.update_mini_batch(X, y, eta=0.1)
    return usage.peak_bytes


def _depths(text: str) -> tuple[int, ...]:
    depths = parse_sizes(text if "," in text else f"{text},1")
    depths = depths if "," in text else depths[:1]
    if max(depths) > 4096:
        raise CheckpointError(f"depths up to 4096 hidden layers can be measured; got {max(depths)}")
    return depths


def _table(points: Sequence[Measured], ways: Sequence[str]) -> str:
    names = {"none": "keep all", "sqrt": "sqrt"}
    headers = ["hidden\nlayers"]
    for way in ways:
        name = names.get(way, way)
        headers += [f"{name}\nformula", f"{name}\npredicted", f"{name}\nmeasured"]
    rows: dict[int, list[str]] = {}
    for point in points:
        row = rows.setdefault(point.growth.hidden_layers, [str(point.growth.hidden_layers)])
        row += [f"{point.growth.formula_bytes:,}", f"{point.growth.predicted_bytes:,}", f"{point.measured_bytes:,}"]
    return tabulate(list(rows.values()), headers, disable_numparse=True, stralign="right")


def _answer(chain: Chain) -> str:
    one, work = chain.activation_bytes(1), chain.workspace_bytes(max(chain.n_layers - 1, 1))
    return (
        f"Keeping all, each hidden layer adds batch x width values, {format_bytes(one)} here: memory grows in\n"
        f"proportion to depth, batch and width. Every k-th grows with depth / k + k, and sqrt, where the two are\n"
        f"alike, with 2 sqrt(depth). Beside the activations a step holds {format_bytes(work)} of workspace (one\n"
        f"layer's weight gradient, and a piece of its error), which does not grow with depth. Parameters do,\n"
        f"width x width values a layer, and are held in any case."
    )


def _classic_answer(dtype: str) -> str:
    """When checkpointing saves little: the classic network's bytes, taken apart."""
    chain = chain_of(CLASSIC, batch_size=100, dtype=dtype)
    peak = simulate(store_all(n_layers=chain.n_layers), chain).peak_bytes
    activations = sum(chain.activation_bytes(layer) for layer in range(1, chain.n_layers + 1))
    parameters = sum(chain.gradient_bytes(layer) for layer in range(1, chain.n_layers + 1))
    whole = parameters + peak
    gradient = chain.workspace_bytes(1)
    return (
        f"On {','.join(map(str, CLASSIC))} with batch 100, all activations together are {format_bytes(activations)},\n"
        f"{activations / whole:.0%} of the {format_bytes(whole)} that parameters and a step take. The peak is the\n"
        f"first layer's weight gradient, {format_bytes(gradient)} of {format_bytes(peak)}: checkpointing saves next to "
        f"nothing there."
    )
