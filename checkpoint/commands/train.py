"""`train`: one network, one way of keeping and recomputing, and a record of it."""

import argparse
import sys
from dataclasses import asdict

from checkpoint.commands.options import (
    add_backend_options,
    add_checkpoint_options,
    add_data_option,
    add_json_option,
    add_network_options,
    settings_from,
)
from checkpoint.output import check_writable, write_json
from checkpoint.run import RunRecord, RunSettings, run
from checkpoint.units import format_bytes
from mlp import EpochRecord, data, format_sizes

SUMMARY = "train a network, and say what it took"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_backend_options(parser)
    add_data_option(parser)
    add_network_options(parser, RunSettings())
    add_checkpoint_options(parser)
    add_json_option(parser)


def main(args: argparse.Namespace) -> int:
    """Train as the options say; 0."""
    settings = settings_from(args, RunSettings())
    check_writable(args.json)
    dataset = data.load(args.data)
    if dataset.notice:
        print(dataset.notice, file=sys.stderr)
    print(
        f"{format_sizes(settings.sizes)} on {dataset.name}, {len(dataset.train_images)} images, {settings.backend}, "
        f"checkpoints: {settings.choice}"
    )
    record = run(settings, dataset, after_epoch=lambda epoch: print(_line(epoch), flush=True))
    print(_summary(record))
    if args.json:
        write_json(args.json, {"settings": asdict(settings), **record.as_json()})
    return 0


def _line(epoch: EpochRecord) -> str:
    return f"epoch {epoch.epoch:3}  test accuracy {epoch.test_accuracy:.4f}  {epoch.seconds:.2f} s"


def _summary(record: RunRecord) -> str:
    agree = "as predicted" if record.predicted_peak_bytes == record.measured_peak_bytes else "not as predicted"
    return (
        f"{record.strategy}: {record.recomputed_layers} layers recomputed a step, {record.seconds:.2f} s in steps, "
        f"{record.evaluation_seconds:.2f} s in evaluation\n"
        f"peak above rest: {record.measured_peak_bytes:,} bytes measured, {record.predicted_peak_bytes:,} predicted "
        f"({agree})\n"
        f"at rest: {format_bytes(record.rest_bytes)} of parameters and mini-batch; resident peak of the process: "
        f"{format_bytes(record.peak_resident_bytes)}"
    )
