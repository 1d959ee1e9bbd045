"""Seconds and resident MiB from the import to the end of a first classic step, and of planning alone.

    python -m bench.startup --repeats 5

Each row is a process of its own, in interleaved turns: the seconds from its first import to the end of its work, and
its resident set then. Libraries that are not installed are left out by name.
"""

import importlib.util
import statistics
import sys
from dataclasses import asdict, dataclass
from typing import Any

from tabulate import tabulate

from bench.command import closing, opening, parser_of, positive
from bench.machine.child import ChildError, figures_of

MIB = 2**20

BEFORE = "import time\nbegun = time.perf_counter()\n"
AFTER = """
seconds = time.perf_counter() - begun
import json, os, resource, sys
if sys.platform == "linux":
    resident = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")
else:
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": seconds, "resident_bytes": resident}))
"""

BATCH = """
import numpy as np
X, y = np.random.rand(100, 784).astype("float32"), np.eye(10, dtype="float32")[np.arange(100) % 10]
"""


@dataclass(frozen=True, slots=True)
class Start:
    """Something to do in a new process: `work` is its text, `library` what it needs, and the most it may take."""

    name: str
    work: str
    library: str = "numpy"
    most_seconds: float | None = None
    most_mib: float | None = None


STARTS = (
    Start("Python alone", "pass"),
    Start("import numpy", "import numpy"),
    Start(
        "planning alone",
        "from checkpoint import plan\nplan([784, 100, 30, 10], batch_size=100, budget_bytes=2**20)",
        most_mib=15,
    ),
    Start(
        "classic step",
        "from checkpoint import NetworkWithCheckpointing\n"
        + BATCH
        + "NetworkWithCheckpointing([784, 100, 30, 10], checkpoint_every_nth_layer=2).update_mini_batch(X, y, eta=3.0)",
        most_seconds=0.25,
        most_mib=45,
    ),
    Start(
        "PyTorch's classic step",
        "import torch\n"
        "sizes = [784, 100, 30, 10]\n"
        "layers = [m for a, b in zip(sizes, sizes[1:]) for m in (torch.nn.Linear(a, b), torch.nn.Sigmoid())]\n"
        "net = torch.nn.Sequential(*layers)\n"
        "X, y = torch.rand(100, 784), torch.eye(10)[torch.arange(100) % 10]\n"
        "optimizer = torch.optim.SGD(net.parameters(), lr=3.0)\n"
        "(((net(X) - y) ** 2).sum() / 200).backward()\n"
        "optimizer.step()",
        library="torch",
    ),
    Start(
        "scikit-learn's classic step",
        "from sklearn.neural_network import MLPRegressor\n"
        + BATCH
        + "net = MLPRegressor(hidden_layer_sizes=(100, 30), activation='logistic', solver='sgd', batch_size=100)\n"
        "net.partial_fit(X, y)",
        library="sklearn",
    ),
    Start(
        "JAX's classic step",
        BATCH + "import jax\n"
        "sizes = [784, 100, 30, 10]\n"
        "layers = [(np.ones((a, b), 'float32'), np.ones(b, 'float32')) for a, b in zip(sizes, sizes[1:])]\n"
        "def cost(layers, a):\n"
        "    for W, b in layers: a = jax.nn.sigmoid(a @ W + b)\n"
        "    return ((a - y) ** 2).sum() / 200\n"
        "@jax.jit\n"
        "def step(layers): return jax.tree.map(lambda p, g: p - 3.0 * g, layers, jax.grad(cost)(layers, X))\n"
        "jax.block_until_ready(step(layers))",
        library="jax",
    ),
)


@dataclass(frozen=True, slots=True)
class Started:
    """Medians over the repeats; `seconds` from the first import to the end of the work."""

    name: str
    seconds: float
    resident_bytes: int
    most_seconds: float | None
    most_bytes: int | None

    @property
    def within(self) -> bool | None:
        """Whether it took no more than it may; None where there is no such limit."""
        if self.most_seconds is None and self.most_bytes is None:
            return None
        fast = self.most_seconds is None or self.seconds <= self.most_seconds
        return fast and (self.most_bytes is None or self.resident_bytes <= self.most_bytes)


def measure(starts: tuple[Start, ...], *, repeats: int) -> list[Started]:
    """Each start `repeats` times, in turns that take each once; a start that fails is left out, and said."""
    found: dict[str, list[dict[str, Any]]] = {start.name: [] for start in starts}
    for _ in range(repeats):
        for start in starts:
            try:
                found[start.name].append(figures_of(["-c", BEFORE + start.work + AFTER]))
            except ChildError as error:
                print(f"{start.name} is left out: {error}", file=sys.stderr)
    return [
        Started(
            start.name,
            statistics.median(one["seconds"] for one in found[start.name]),
            int(statistics.median(one["resident_bytes"] for one in found[start.name])),
            start.most_seconds,
            None if start.most_mib is None else int(start.most_mib * MIB),
        )
        for start in starts
        if found[start.name]
    ]


def table(rows: list[Started]) -> str:
    """Seconds and MiB of each row, beside the most it may take."""
    body = [
        [
            row.name,
            f"{row.seconds:.3f}",
            "" if row.most_seconds is None else f"{row.most_seconds:.2f}",
            f"{row.resident_bytes / MIB:.1f}",
            "" if row.most_bytes is None else f"{row.most_bytes / MIB:.0f}",
            {True: "yes", False: "NO", None: ""}[row.within],
        ]
        for row in rows
    ]
    headers = ["from import to the end of", "seconds", "at most", "resident MiB", "at most", "within"]
    return tabulate(body, headers, disable_numparse=True, colalign=("left", *["right"] * 4, "left"))


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 0, or 2 where the JSON cannot be written."""
    parser = parser_of("startup", __doc__)
    parser.add_argument("--repeats", type=positive, default=5, metavar="N", help="processes for each row (default: 5)")
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    args = parser.parse_args(argv)
    where = opening(args)
    if where is None:
        return 2
    starts = []
    for start in STARTS:
        if args.no_peers and start.library != "numpy":
            continue
        if importlib.util.find_spec(start.library) is None:
            print(f"{start.name} is left out: {start.library} is not installed")
            continue
        starts.append(start)
    rows = measure(tuple(starts), repeats=args.repeats)
    print(table(rows))
    return closing(args, "startup", where, [{**asdict(row), "within": row.within} for row in rows])


if __name__ == "__main__":
    sys.exit(main())
