"""`plan`: the fastest schedule within a budget of bytes, before any step; its front, its timeline and its arena."""

import argparse
from collections.abc import Callable, Iterator
from functools import partial

from checkpoint.arguments import whole_number
from checkpoint.commands.found import Found, find, offloading_from
from checkpoint.commands.options import check_offload
from checkpoint.commands.pictures import drawn
from checkpoint.commands.plan_options import EXPORTS, add_arguments, chain_from, check
from checkpoint.errors import CheckpointError
from checkpoint.output import check_writable, replace_file, write_report
from checkpoint.planning.choice import Choice
from checkpoint.ranks.report import MOST_RANKS, report_of, report_text
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.files import written
from checkpoint.schedule.placement import place
from checkpoint.schedule.simulation import simulate

__all__ = ["add_arguments", "main"]


def main(args: argparse.Namespace) -> int:
    """Plan; write the JSON, then the pictures, then print; 0."""
    chain = chain_from(args)
    if args.ranks is not None:
        return _on_ranks(args, chain)
    if args.sum_groups is not None:
        raise CheckpointError("--sum-groups says how ranks add up; add --ranks P")
    check(args)
    found = find(args, chain)
    exported = None if args.export is None or found.schedule is None else EXPORTS[args.export](found.schedule)
    write_report(args.json, "plan", found.report)
    if args.save_schedule is not None and found.schedule is not None:
        replace_file(args.save_schedule, written(found.schedule, chain).encode())
        found.lines.append(
            f"the schedule is in {args.save_schedule}; follow it with train --checkpoint {args.save_schedule}"
        )
    with drawn(*_pictures(args, chain, found)):
        print("\n".join(found.lines) if exported is None else exported)
    for what, path in (("the front", args.figure), ("the timeline", args.timeline), ("the arena", args.arena)):
        if path is not None:
            print(f"{what} is drawn in {path}")
    if args.page is not None:
        print(f"the page is {args.page}; open it in a browser")
    return 0


def _on_ranks(args: argparse.Namespace, chain: Chain) -> int:
    """Show what ranks take; 0."""
    pictures = ("front", "figure", "page", "timeline", "arena", "save_schedule", "export", "no_row_blocks")
    others = ("seconds", "calibrate", "memory_limit", "chain", *(() if args.offload else ("recalibrate",)))
    for option in (*pictures, *others):
        if getattr(args, option):
            raise CheckpointError(f"--{option.replace('_', '-')} is of one process; leave it out, or --ranks")
    if chain.halves:
        raise CheckpointError(f"ranks keep activations in full; leave --precision {args.precision} out, or --ranks")
    ranks = whole_number("--ranks", args.ranks, most=MOST_RANKS)
    check_writable(args.json)
    checkpoint = args.checkpoint or ("none" if args.budget is None else "optimal")
    check_offload(args.offload, args.backend, args.bandwidth, args.speed)
    choice = Choice(checkpoint, args.budget, args.offload)
    report = report_of(chain, choice, ranks, sum_groups=args.sum_groups, offloading=offloading_from(args, checkpoint))
    write_report(args.json, "plan", report)
    print(report_text(report))
    return 0


def _pictures(args: argparse.Namespace, chain: Chain, found: Found) -> Iterator[Callable[[], None]]:
    """A function for each picture that is asked for, which draws it; matplotlib is loaded for those alone."""
    if found.front is not None and args.figure is not None:
        from checkpoint.drawing.front import write_front

        yield partial(write_front, found.front, args.figure, title=chain.title)
    if found.front is not None and args.page is not None:
        from checkpoint.drawing.page import write_page

        yield partial(write_page, found.front, args.page, schedule=found.schedule, plan=found.plan)
    if found.schedule is None:
        return
    budget_bytes = found.plan.budget_bytes if found.plan else None
    if args.timeline is not None:
        from checkpoint.drawing.timeline import Timeline, write_timeline

        line = Timeline(found.title, found.schedule, simulate(found.schedule, chain), budget_bytes=budget_bytes)
        yield partial(write_timeline, line, args.timeline)
    if args.arena is not None:
        from checkpoint.drawing.arena import write_arena

        placed = place(found.schedule, chain)
        yield partial(write_arena, args.arena, found.schedule, placed, budget_bytes=budget_bytes, title=found.title)
