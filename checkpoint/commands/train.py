"""`train`: one network, one way of keeping and recomputing, and a record of it; saved as it goes, and gone on with."""

import argparse
import sys
import time
from dataclasses import asdict

from backend import select_backend
from checkpoint.commands.data_options import add_reading_options, check_not_given, reading_from, sized
from checkpoint.commands.options import (
    add_backend_options,
    add_checkpoint_options,
    add_data_option,
    add_json_option,
    add_offload_options,
    path_of,
)
from checkpoint.commands.training_options import add_network_options, settings_from
from checkpoint.errors import CheckpointError
from checkpoint.execution.ranks.links.alone import Alone
from checkpoint.execution.ranks.links.base import Link
from checkpoint.execution.saved import restore_plans
from checkpoint.output import check_writable, write_report
from checkpoint.runs.clock import process_begun
from checkpoint.runs.fits import check_fits
from checkpoint.runs.ranks.report import ranks_report, ranks_text
from checkpoint.runs.ranks.together import begin_together, in_turn, print_ranks, restore, saver_of
from checkpoint.runs.record import RunRecord
from checkpoint.runs.resumption import Resumption, data_of, notes_of
from checkpoint.runs.run import progress_of, run
from checkpoint.runs.saver import EVERY, Every, Saving
from checkpoint.runs.settings import RunSettings, make_network
from checkpoint.runs.trained_data import prepared_alike
from checkpoint.units import counted, format_bytes
from mlp import EpochRecord, data, format_sizes
from mlp.data import Dataset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_backend_options(parser)
    add_data_option(parser)
    add_reading_options(parser)
    add_network_options(parser, RunSettings())
    add_checkpoint_options(parser)
    add_offload_options(parser)
    parser.set_defaults(backend=None, data=None)  # those of a saved run, where there is one
    saved = parser.add_argument_group("saved state")
    saved.add_argument(
        "--save",
        type=path_of,
        metavar="PATH",
        help="save the network and its training here, and again as it goes",
    )
    saved.add_argument(
        "--save-every",
        metavar="N",
        help=f"how often to save: 1epoch, 100steps, 5min (default: {EVERY}); the end is saved too",
    )
    saved.add_argument("--keep", type=int, metavar="N", help="keep N older states, as PATH.1 to PATH.N (default: 0)")
    saved.add_argument(
        "--resume",
        type=path_of,
        metavar="PATH",
        help="go on from a saved state, and save there; options not given are those of the saved run",
    )
    saved.add_argument(
        "--allow-changed-data", action="store_true", help="let --resume go on with other data than before"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="check in each step that no stored activation changes, that what is recomputed is what was there before, "
        "and that bytes are as predicted; slower",
    )
    parser.add_argument(
        "--ranks",
        action="store_true",
        help="train on all processes that mpiexec has started, each on its share of every mini-batch: the weights are "
        "those of one process",
    )
    add_json_option(parser)


def main(args: argparse.Namespace) -> int:
    """Train as the options say; 0."""
    if not args.ranks:
        return _train(args, Alone())
    from checkpoint.runs.ranks.world import world

    with world() as link:
        return _train(args, link)


def _train(args: argparse.Namespace, link: Link) -> int:
    begun = process_begun()
    resumption = None
    if args.resume is not None:
        resumption = Resumption.read(args.resume, allow_changed_data=args.allow_changed_data)
    settings = settings_from(args, resumption.settings if resumption else RunSettings(), fit=resumption is None)
    reading = reading_from(args, seed=settings.seed)
    known = None
    if resumption:
        resumption.check_settings(settings)
        check_not_given(args, args.resume)
        known = prepared_alike(resumption.state, resumption.path, skip_pass=args.skip_data_pass)
    saving = _saving(args, first=link.rank == 0)
    if link.rank:
        args.json = None
    check_writable(args.json)
    source = data_of(args, resumption)
    loading = time.perf_counter()
    dataset = in_turn(link, lambda: data.load(source, reading=reading, known=known))
    loading_seconds = time.perf_counter() - loading
    if dataset.notice and link.rank == 0:
        print(dataset.notice, file=sys.stderr)
    if resumption:
        resumption.check_data(dataset)
    if args.sizes is not None or not resumption:
        settings = sized(settings, args.sizes, dataset)
    if resumption:
        resumption.check_settings(settings)
    backend = select_backend(settings.backend, device=settings.device)
    print(
        f"{format_sizes(settings.sizes)} on {_described(dataset)}, {settings.backend} on {backend.device_name}, "
        f"checkpoints: {settings.choice}"
    )
    check_fits(settings, dataset, backend)
    schedule = resumption.schedule(settings) if resumption else None
    network = make_network(settings, verify=args.verify, schedule=schedule, link=link)
    first = (1, 1)
    if resumption:
        restore(resumption.path, network)
        if settings.choice == resumption.settings.choice:
            restore_plans(network, resumption.state, resumption.path)
        first = (resumption.progress.epoch, resumption.progress.step + 1)
        print(resumption.promise(settings, network, dataset))
    print_ranks(link, settings)
    begin_together(link, network, settings, dataset)
    notes = notes_of(settings, network, dataset, source) if saving else {}
    saver = saver_of(network, progress_of(settings, dataset, at=first), saving, notes)
    if resumption and saving and saving.path == resumption.path:
        saver.saved = saver.progress
    record = run(
        settings,
        dataset,
        network=network,
        saver=saver,
        first=first,
        after_epoch=lambda epoch, alike: print(_line(epoch, alike=alike), flush=True),
        begun=begun,
        loading_seconds=loading_seconds,
    )
    ranks = ranks_report(link, network, record)
    report = {"settings": asdict(settings), **record.as_json()}
    write_report(args.json, "train", report | ({"ranks": ranks} if args.ranks else {}))
    print(_summary(record))
    print(ranks_text(ranks), end="")
    if saving:
        print(f"saved to {saving.path}")
    return 0


def _described(dataset: Dataset) -> str:
    """The name of a data set, how many samples it has, and what is to be told, where it is not the ten digits."""
    train = counted(len(dataset.train), f"training {dataset.kind}")
    classes, outputs = dataset.preparation.classes, dataset.outputs
    told = f", {counted(outputs, 'value')} each" if classes is None else f" of {len(classes)} classes"
    test = counted(len(dataset.test), f"test {dataset.kind}")
    return f"{dataset.name}, {train} and {test}{'' if classes == tuple(range(10)) else told}"


def _saving(args: argparse.Namespace, *, first: bool) -> Saving | None:
    """Where and how often to save, found possible by the first rank; None where nothing is to be saved."""
    path = args.save or args.resume
    if path is None:
        given = "--save-every" if args.save_every is not None else "--keep" if args.keep is not None else None
        if given:
            raise CheckpointError(f"{given} says how to save, and nothing says where; add --save PATH")
        return None
    saving = Saving(path, Every.parse(EVERY if args.save_every is None else args.save_every), args.keep or 0)
    if first:
        saving.check(resumed=args.resume)
    return saving


def _line(epoch: EpochRecord, *, alike: bool) -> str:
    same = "  all outputs are alike" if alike else ""
    accuracy = "" if epoch.test_accuracy is None else f"  test accuracy {epoch.test_accuracy:.4f}"
    return f"epoch {epoch.epoch:3}{accuracy}  test cost {epoch.test_cost:.4g}  {epoch.seconds:.2f} s{same}"


def _summary(record: RunRecord) -> str:
    agree = "as predicted" if record.predicted_peak_bytes == record.measured_peak_bytes else "not as predicted"
    if not record.measured_peak_bytes:
        agree = "no whole mini-batch was left to train on"
    same = "the outputs do not differ between samples: lower --eta, or try --initialization scaled\n"
    return (
        f"{same if record.outputs_alike else ''}"
        f"{_quality(record)}"
        f"{record.strategy}: {counted(record.recomputed_layers, 'layer')} recomputed per step\n"
        f"{_time_spent(record)}\n"
        f"peak above rest: {record.measured_peak_bytes:,} bytes measured, {record.predicted_peak_bytes:,} predicted "
        f"({agree})\n"
        f"{_offloaded(record)}"
        f"at rest: {format_bytes(record.rest_bytes)} of parameters, mini-batch and row numbers; resident peak of the "
        f"process: {format_bytes(record.peak_resident_bytes)}"
    )


def _quality(record: RunRecord) -> str:
    """How near values are told, and how good the network is on the samples held out for validation."""
    lines = []
    if record.test_rmse is not None:
        r2 = "" if record.test_r2 is None else f", R^2 {record.test_r2:.4f}"
        lines.append(f"test root mean square error {record.test_rmse:.4g}{r2}\n")
    if record.validation_cost is not None:
        accuracy = "" if record.validation_accuracy is None else f"accuracy {record.validation_accuracy:.4f}, "
        samples = counted(record.validation_samples, "sample")
        lines.append(f"validation on {samples}: {accuracy}cost {record.validation_cost:.4g}\n")
    return "".join(lines)


def _time_spent(record: RunRecord) -> str:
    """Where the time went since the process began."""
    return (
        f"{record.seconds:.2f} s in steps ({record.batch_seconds:.2f} s of it taking mini-batches), "
        f"{record.evaluation_seconds:.2f} s in evaluation, {record.loading_seconds:.2f} s loading the data, "
        f"{record.other_seconds:.2f} s starting up and in all else: {record.busy_share:.0%} of "
        f"{record.wall_seconds:.2f} s in steps and evaluation"
    )


def _offloaded(record: RunRecord) -> str:
    if not record.offload_place:
        return ""
    return (
        f"offloaded: {format_bytes(record.offloaded_bytes)} per step to {record.offload_place} and back; at most "
        f"{record.host_asked_bytes:,} bytes are there at once and take {record.host_held_bytes:,} bytes of it\n"
    )
