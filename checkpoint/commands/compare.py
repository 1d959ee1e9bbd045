"""`compare`: the same network with and without checkpointing, each run in a process of its own."""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tabulate import tabulate
from tqdm import tqdm

from backend import select_backend
from checkpoint.commands.options import (
    add_backend_options,
    add_data_option,
    add_json_option,
    add_offload_options,
    check_offload,
)
from checkpoint.commands.training_options import add_network_options, settings_from
from checkpoint.errors import CheckpointError
from checkpoint.execution.network import NetworkWithCheckpointing
from checkpoint.output import check_writable, write_json
from checkpoint.planning.choice import FORMS, Choice
from checkpoint.runs.cases import CASES, Case
from checkpoint.runs.record import RunRecord
from checkpoint.runs.settings import RunSettings, make_network
from checkpoint.schedule.chain import Chain, chain_of
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import Simulation, simulate
from mlp import ImageBatches, data, format_sizes

FIGURE = Path("compare.png")
OFFLOADED = ", offloaded to "
OFFLOADABLE = re.compile("every|sqrt|optimal")
"""Ways that keep checkpoints; with --offload each is compared with the same way offloaded."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One row of the table: a run, and how it stands to plain backpropagation of the same case."""

    case: Case
    settings: RunSettings
    record: RunRecord
    seconds_ratio: float
    peak_ratio: float
    identical: bool
    row_blocks: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "case": self.case.name,
            "settings": asdict(self.settings),
            **self.record.as_json(),
            "seconds_ratio": self.seconds_ratio,
            "peak_ratio": self.peak_ratio,
            "identical_weights": self.identical,
        }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_backend_options(parser)
    add_data_option(parser)
    parser.add_argument(
        "--case", choices=[*CASES, "all"], default="all", help="one of the two networks (default: both)"
    )
    parser.add_argument(
        "--checkpoint", action="append", metavar="HOW", help=f"a way to compare with none: {FORMS}; may be repeated"
    )
    parser.add_argument(
        "--budget", metavar="BYTES", help="also compare the fastest plan in so many bytes, such as 50%%"
    )
    add_offload_options(parser)
    parser.add_argument("--figure", type=Path, default=FIGURE, metavar="PATH", help=f"the picture (default: {FIGURE})")
    add_json_option(parser)
    add_network_options(parser, RunSettings())


def main(args: argparse.Namespace) -> int:
    """Run every case in every way, print the tables and draw the picture; 0."""
    check_offload(args.offload, args.backend, args.bandwidth, args.speed)
    cases = list(_cases(args))
    check_writable(args.json)
    check_writable(args.figure)
    dataset = data.load(args.data)
    if dataset.notice:
        print(dataset.notice, file=sys.stderr)
    runs = [(case, settings) for case in cases for settings in _runs(case)]
    for _, settings in runs:  # a wrong option shows now, not after minutes
        network = make_network(settings)
        ImageBatches(network, dataset.train_images, dataset.train_labels)
        if isinstance(network, NetworkWithCheckpointing):
            network.schedule_for(settings.batch_size)
    source = "sample" if dataset.name == "sample" else args.data
    compared: list[Compared] = []
    for case, settings in tqdm(runs, desc="compare", unit="run", leave=False, disable=None):
        plain = next((row.record for row in compared if row.case is case), None)
        compared.append(_compared(case, settings, _run_apart(settings, source), plain))
    backend = select_backend(args.backend, device=args.device)
    print(
        f"{dataset.name}: {len(dataset.train_images)} training and {len(dataset.test_images)} test images; "
        f"{args.backend} on {backend.device_name}"
    )
    for case in cases:
        print("\n" + _table(case, [row for row in compared if row.case is case]))
    from checkpoint.drawing.comparison import draw_comparison
    from checkpoint.drawing.timeline import write_timelines

    draw_comparison(compared, args.figure)
    timelines = args.figure.with_stem(f"{args.figure.stem}-timelines")
    write_timelines(timelines, [[_timeline(row) for row in compared if row.case is case] for case in cases])
    print(f"\nthe pictures are {args.figure} and, of the bytes after each action, {timelines}")
    if args.json:
        write_json(args.json, {"data": dataset.name, "runs": [row.as_json() for row in compared]})
    return 0


def _timeline(row: Compared) -> tuple[str, Schedule, Simulation, list[int]]:
    """What the timeline of a row shows."""
    schedule, chain = _schedule(row.settings)
    title = f"{row.case.name}: {row.record.strategy}"
    return title, schedule, simulate(schedule, chain), row.record.measured_bytes_after


def _schedule(settings: RunSettings) -> tuple[Schedule, Chain]:
    """The schedule of a run, and its chain."""
    chain = chain_of(settings.sizes, batch_size=settings.batch_size, dtype=settings.dtype, backend=settings.backend)
    return settings.choice.schedule(chain, offloading=settings.offloading), chain


def _cases(args: argparse.Namespace) -> Iterator[Case]:
    """The cases that are meant, with the options given put in. With --sizes it is that network alone."""
    if args.sizes is not None:
        base = Case("yours", "the network named by --sizes", RunSettings(), ("none", "every:2", "sqrt"))
        chosen = [base]
    else:
        chosen = list(CASES.values()) if args.case == "all" else [CASES[args.case]]
    ways = args.checkpoint
    apart = dict.fromkeys(("checkpoint", "budget", "offload", "bandwidth", "speed"))
    shared = argparse.Namespace(**{**vars(args), **apart})
    for case in chosen:
        names = ("none", *(way for way in ways if way != "none")) if ways else case.ways
        for name in names:
            Choice(name)
        if args.budget is not None:
            names = (*names, f"optimal in {args.budget}")
        settings = settings_from(shared, case.settings)
        if args.offload is not None:
            names = (*names, *(f"{name}{OFFLOADED}{args.offload}" for name in names if OFFLOADABLE.match(name)))
            settings = _with_rates(args, settings)
        yield replace(case, settings=settings, ways=names)


def _with_rates(args: argparse.Namespace, settings: RunSettings) -> RunSettings:
    """The settings with the rates that offloading is planned at, so that every process plans alike."""
    if args.budget is None:
        return settings
    rates = replace(
        settings, checkpoint="optimal", budget="1", offload=args.offload, bandwidth=args.bandwidth, speed=args.speed
    ).offloading
    if rates is None or rates.flops_per_second is None:
        return settings
    bandwidth, speed = f"{max(1, int(rates.bytes_per_second))}B/s", f"{max(1, int(rates.flops_per_second))}FLOP/s"
    return replace(settings, bandwidth=bandwidth, speed=speed)


def _runs(case: Case) -> Iterator[RunSettings]:
    for way in case.ways:
        how, _, place = way.partition(OFFLOADED)
        checkpoint, _, budget = how.partition(" in ")
        settings = replace(case.settings, checkpoint=checkpoint, budget=budget or None, offload=place or None)
        if not place:
            settings = replace(settings, bandwidth=None, speed=None)
        yield settings


def _run_apart(settings: RunSettings, source: str) -> RunRecord:
    """Run `train` in a process of its own, so that its resident peak is its own too."""
    with tempfile.TemporaryDirectory(prefix="mlp-checkpointing-") as folder:
        report = Path(folder) / "run.json"
        command = [sys.executable, "-m", "checkpoint", "train", "--data", str(source), "--json", str(report)]
        ended = subprocess.run([*command, *_options(settings)], capture_output=True, text=True, check=False)  # noqa: S603
        if ended.returncode != 0:
            last = (ended.stderr.strip().splitlines() or ["no message"])[-1].removeprefix("mlp-checkpointing: error: ")
            raise CheckpointError(f"the run with --checkpoint {settings.checkpoint} failed: {last}")
        return RunRecord.from_json(json.loads(report.read_text()))


def _options(settings: RunSettings) -> Iterator[str]:
    for name, value in asdict(settings).items():
        if value is None or name == "shuffle":
            continue
        yield "--" + name.replace("_", "-")
        yield format_sizes(value) if name == "sizes" else str(value)
    if not settings.shuffle:
        yield "--no-shuffle"


def _compared(case: Case, settings: RunSettings, record: RunRecord, plain: RunRecord | None) -> Compared:
    plain = plain or record
    return Compared(
        case,
        settings,
        record,
        seconds_ratio=_epoch_seconds(record) / _epoch_seconds(plain),
        peak_ratio=record.measured_peak_bytes / plain.measured_peak_bytes,
        identical=record.weights_sha256 == plain.weights_sha256,
        row_blocks=_schedule(settings)[0].batch_size is not None,
    )


def _weights(row: Compared) -> str:
    """How the final weights stand to plain backpropagation's. Row blocks add up in another order."""
    return "identical" if row.identical else "rounded" if row.row_blocks else "differ"


def _epoch_seconds(record: RunRecord) -> float:
    """The median epoch's: what else the machine does comes and goes."""
    return statistics.median(epoch.seconds for epoch in record.epochs)


def _table(case: Case, rows: Iterable[Compared]) -> str:
    settings = case.settings
    title = (
        f"{case.name}: {format_sizes(settings.sizes)}, {settings.activation}, batch {settings.batch_size}, eta "
        f"{settings.eta:g}, {settings.epochs} epochs ({case.why})"
    )
    body = [
        [
            row.record.strategy,
            f"{row.record.test_accuracy:.4f}",
            f"{row.record.seconds:.2f}",
            f"{row.seconds_ratio:.2f}",
            f"{row.record.predicted_peak_bytes:,}",
            f"{row.record.measured_peak_bytes:,}",
            f"{row.peak_ratio:.3f}",
            f"{row.record.peak_resident_bytes / 2**20:.0f}",
            _weights(row),
        ]
        for row in rows
    ]
    headers = [
        "keeps",
        "test\naccuracy",
        "seconds\nin steps",
        "ratio of\nmedian epoch",
        "peak bytes\npredicted",
        "peak bytes\nmeasured",
        "of\nplain's",
        "resident\nMiB",
        "final\nweights",
    ]
    return title + "\n" + tabulate(body, headers, disable_numparse=True, stralign="right", colalign=("left",))
