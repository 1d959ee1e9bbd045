"""`train`: one network, one way of keeping and recomputing, and a record of it; saved as it goes, and gone on with."""

import argparse
import sys
import time
from dataclasses import asdict

from backend import select_backend
from checkpoint.commands.data_options import add_reading_options, check_not_given, fitting, reading_from, sized
from checkpoint.commands.files import check_data_apart
from checkpoint.commands.history import draw_history, history_kept
from checkpoint.commands.options import (
    add_backend_options,
    add_checkpoint_options,
    add_data_option,
    add_json_option,
    add_memory_limit_option,
    add_offload_options,
    add_sum_groups_option,
    check_amounts,
    path_of,
)
from checkpoint.commands.pictures import drawn
from checkpoint.commands.trained_text import described, epoch_line, summary
from checkpoint.commands.training_options import add_network_options, settings_from
from checkpoint.errors import CheckpointError
from checkpoint.execution.ranks.links.alone import Alone
from checkpoint.execution.ranks.links.base import Link
from checkpoint.execution.saved import restore_plans
from checkpoint.output import check_writable, write_report
from checkpoint.runs.clock import process_begun
from checkpoint.runs.fits import check_fits
from checkpoint.runs.limited import limit_report, limited
from checkpoint.runs.ranks.report import ranks_report, ranks_text
from checkpoint.runs.ranks.together import begin_together, in_turn, on_own_device, print_ranks, restore, saver_of
from checkpoint.runs.run import progress_of, run
from checkpoint.runs.settings import RunSettings, make_network
from checkpoint.runs.states.resumption import Resumption, data_of, notes_of
from checkpoint.runs.states.saver import EVERY, Every, Saving
from checkpoint.runs.states.trained_data import prepared_alike
from checkpoint.runs.stopping import check_stopping
from checkpoint.schedule.files import read_schedule, said_of_file
from mlp import data, format_sizes
from mlp.precision import FULL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_backend_options(parser, ranks=True)
    add_data_option(parser)
    add_reading_options(parser)
    add_network_options(parser, RunSettings())
    add_checkpoint_options(parser)
    add_memory_limit_option(parser)
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
    add_sum_groups_option(parser)
    parser.add_argument(
        "--figure", type=path_of, metavar="PATH", help="draw cost and accuracy by epoch here, however the training ends"
    )
    parser.add_argument(
        "--early-stopping",
        type=int,
        metavar="N",
        help="stop after N epochs in a row without a better cost on the samples of --validation, and keep the "
        "parameters of the best epoch",
    )
    add_json_option(parser)


def main(args: argparse.Namespace) -> int:
    """Train as the options say; 0."""
    if not args.ranks:
        return _train(args, Alone())
    if args.memory_limit is not None:
        raise CheckpointError("--memory-limit is for a run of one process; with --ranks give each a --budget")
    from checkpoint.runs.ranks.world import world

    with world() as link:
        return _train(args, link)


def _train(args: argparse.Namespace, link: Link) -> int:
    begun = process_begun()
    resumption = None
    if args.resume is not None:
        resumption = Resumption.read(args.resume, allow_changed_data=args.allow_changed_data)
    elif args.allow_changed_data:
        raise CheckpointError("--allow-changed-data is for --resume, which compares the data; leave it out")
    check_amounts(args.budget, args.memory_limit)
    settings = settings_from(args, resumption.settings if resumption else RunSettings(), fit=resumption is None)
    reading = reading_from(args, seed=settings.seed)
    known = None
    if resumption:
        resumption.check_settings(settings)
        check_not_given(args, args.resume)
        known = prepared_alike(resumption.state, resumption.path, skip_pass=args.skip_data_pass)
    check_stopping(settings)
    saving = _saving(args, first=link.rank == 0)
    if link.rank:
        args.json = args.figure = None
    check_writable(args.json)
    if args.figure is not None:
        from checkpoint.drawing.canvas import check_drawable

        check_drawable(args.figure)
    if link.ranks == 1:  # ranks have devices of their own, which are found below
        select_backend(settings.backend, device=settings.device)
    if settings.choice.path is not None and (resumption is None or settings.choice != resumption.settings.choice):
        read_schedule(settings.choice.path)
    source = data_of(args, resumption)
    if resumption:
        check_data_apart(args, source, resumption.path)
    loading = time.perf_counter()
    dataset = in_turn(link, lambda: data.load(source, reading=reading, known=known))
    loading_seconds = time.perf_counter() - loading
    if dataset.notice and link.rank == 0:
        print(dataset.notice, file=sys.stderr)
    check_stopping(settings, dataset)
    if resumption:
        resumption.check_data(dataset)
    if not resumption:
        settings = settings_from(fitting(args, dataset), RunSettings())
    if args.sizes is not None or not resumption:
        settings = sized(settings, args.sizes, dataset)
    if resumption:
        resumption.check_settings(settings)
    settings = on_own_device(link, settings)
    backend = select_backend(settings.backend, device=settings.device)
    limits = None if args.memory_limit is None else limited(args.memory_limit, settings, backend, dataset)
    settings = limits.settings if limits else settings
    print(
        f"{format_sizes(settings.sizes)} on {described(dataset)}, {settings.backend} on {backend.device_name}, "
        f"{'' if settings.precision == FULL else f'precision {settings.precision}, '}checkpoints: {settings.choice}"
    )
    check_fits(settings, dataset, backend)
    if settings.choice.path is not None and resumption is None and link.rank == 0:
        print(said_of_file(settings.choice.path, settings.chain), end="")
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
    saver = saver_of(network, progress_of(settings, dataset, at=first, saved=saving is not None), saving, notes)
    if resumption and saving and saving.path == resumption.path:
        saver.saved = saver.progress
    with history_kept(network, settings, data=dataset.name, report=args.json, figure=args.figure):
        record = run(
            settings,
            dataset,
            network=network,
            saver=saver,
            first=first,
            after_epoch=lambda epoch, wrong: print(epoch_line(epoch, wrong=wrong), flush=True),
            begun=begun,
            loading_seconds=loading_seconds,
        )
        ranks = ranks_report(link, network, record, batch_size=settings.batch_size)
    report = {"settings": asdict(settings), **record.as_json(), "stopped": None, "memory": limit_report(limits)}
    write_report(args.json, "train", report | ({"ranks": ranks} if args.ranks else {}))
    with drawn(lambda: draw_history(network, args.figure, data=dataset.name, best_epoch=record.best_epoch)):
        print(summary(record))
        if limits:
            print(limits.text())
        print(ranks_text(ranks), end="")
        if saving:
            print(f"saved to {saving.path}")
    if args.figure is not None:
        print(f"the epochs are drawn in {args.figure}")
    return 0


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
