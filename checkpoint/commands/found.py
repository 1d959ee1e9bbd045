"""What `plan` finds: a front, a schedule or both, as JSON and as lines of text. Nothing here prints or draws."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from checkpoint.commands.plan_options import wants_front, wants_schedule
from checkpoint.planning.choice import Choice
from checkpoint.planning.costs import OPERATIONS, Cost, cost_of
from checkpoint.planning.front import Front, front_of
from checkpoint.planning.machine import MachineCost
from checkpoint.planning.offloading import Offloading
from checkpoint.planning.plan import memory_for, plan_chain, search_of
from checkpoint.planning.planned import Plan
from checkpoint.planning.process import check_room
from checkpoint.planning.report import chain_report, front_report, front_text, schedule_report, schedule_text
from checkpoint.schedule.chain import Chain, state_arrays
from checkpoint.schedule.schedule import Schedule
from checkpoint.strategies import store_all
from checkpoint.units import format_bytes
from mlp import parse_sizes
from mlp.precision import FULL

if TYPE_CHECKING:
    from checkpoint.measuring.calibration import Calibration


@dataclass(slots=True)
class Found:
    """What is planned, as JSON and as lines of text, and what its pictures show."""

    report: dict[str, Any]
    lines: list[str]
    front: Front | None = None
    schedule: Schedule | None = None
    plan: Plan | None = None

    @property
    def title(self) -> str:
        """What the schedule is of, and how it came about."""
        if self.schedule is None:
            return str(self.report["title"])
        name = self.schedule.name if self.plan is None else f"planned in {format_bytes(self.plan.budget_bytes)}"
        return f"{self.report['title']}: {name}"

    @property
    def differs(self) -> bool:
        """Whether a step took other seconds than predicted."""
        from checkpoint.measuring.calibration import differs

        return "measured_seconds" in self.report and differs(
            self.report["predicted_seconds"], self.report["measured_seconds"]
        )


def find(args: argparse.Namespace, chain: Chain) -> Found:
    """What the options ask for, of `chain`; where a measured step contradicts kept timings, with new ones."""
    offloading, calibration = offloading_from(args, args.checkpoint), _calibration(args)
    if calibration is None:
        cost = _machine_cost(args, chain) if args.seconds else OPERATIONS if args.operations else None
        return _find(args, chain, None, offloading, cost=cost)
    found = _find(args, chain, calibration, offloading, cost=calibration)
    if calibration.found and found.differs:  # timed under another load, say
        off = found.report["measured_seconds"] / found.report["predicted_seconds"]
        calibration.forget()
        found = _find(args, chain, calibration, offloading, cost=calibration)
        found.report["kept_timings_off"] = off
        how = f"{max(off, 1 / off):.3g} times {'slower' if off > 1 else 'faster'}"
        found.lines.append(f"kept timings were made again, as a step was {how} than they predicted")
    calibration.save()
    return found


def _find(
    args: argparse.Namespace,
    chain: Chain,
    calibration: "Calibration | None",
    offloading: Offloading | None,
    *,
    cost: Cost | str | None,
) -> Found:
    of_sizes = {"dtype": args.dtype, "backend": args.backend} if args.chain is None else {}
    if args.chain is None:
        of_sizes["precision"] = args.precision or FULL
    found = Found(chain_report(chain, **of_sizes), [])
    if offloading is not None:
        found.lines.append(_rates_line(args.offload, offloading))
    if wants_front(args):
        found.front = front_of(chain, cost=cost, row_blocks=not args.no_row_blocks, offloading=offloading)
        found.report |= front_report(found.front, cost=cost)
        found.lines.append(front_text(found.front, found.report))
    if wants_schedule(args):
        found.schedule, found.plan = _schedule(chain, args, cost, offloading)
        found.report |= schedule_report(
            chain, found.schedule, plan=found.plan, cost=cost, offloading=offloading, states=_states(args)
        )
        found.lines.append(schedule_text(found.report))
        if calibration is not None:
            from checkpoint.execution.timing import step_report

            found.report |= step_report(chain, found.schedule, calibration, args.offload, offloading)
            found.lines.append(_seconds_line(found.report))
        elif isinstance(cost, MachineCost):
            predicted = cost_of(found.schedule, chain, cost)
            ratio = predicted / cost_of(store_all(n_layers=chain.n_layers), chain, cost)
            found.report |= {"predicted_seconds": predicted, "predicted_ratio": ratio}
            found.lines.append(f"a step: {predicted * 1e3:.2f} ms predicted, {ratio:.2f} of store all's predicted time")
    return found


def _schedule(
    chain: Chain, args: argparse.Namespace, cost: Cost | str | None, offloading: Offloading | None
) -> tuple[Schedule, Plan | None]:
    """The schedule that is asked for, and the plan if it was planned."""
    if args.checkpoint not in (None, "optimal"):
        return Choice(args.checkpoint, args.budget, args.offload).schedule(chain), None
    memory = None if args.memory_limit is None else memory_for(chain, args.memory_limit, states=_states(args))
    if memory is not None:
        check_room(memory, search_of(chain, row_blocks=not args.no_row_blocks))
    budget_bytes = args.budget if memory is None else memory.budget_bytes
    found = plan_chain(
        chain, budget_bytes=budget_bytes, cost=cost, row_blocks=not args.no_row_blocks, offloading=offloading
    )
    return found.schedule, replace(found, memory=memory)


def _states(args: argparse.Namespace) -> int:
    return state_arrays(momentum=args.momentum, optimizer=args.optimizer)


def _calibration(args: argparse.Namespace) -> "Calibration | None":
    if not (args.calibrate or args.recalibrate):
        return None
    from checkpoint.measuring.calibration import calibrate

    sizes = parse_sizes(args.sizes)
    return calibrate(sizes, batch_size=args.batch_size, dtype=args.dtype, backend=args.backend, afresh=args.recalibrate)


def _machine_cost(args: argparse.Namespace, chain: Chain) -> MachineCost:
    """Seconds by this machine's constants, which are measured where none are kept."""
    from backend import select_backend
    from checkpoint.measuring.constants import constants_of

    return MachineCost(chain, constants_of(select_backend(args.backend), args.dtype))


def offloading_from(args: argparse.Namespace, checkpoint: str | None) -> Offloading | None:
    """The rates to weigh offloading at, where something is planned with it; `checkpoint` is what is kept, if named."""
    planned = checkpoint in (None, "optimal") or wants_front(args)
    if args.offload is None or not planned:
        return None
    from checkpoint.measuring.bandwidth import rates_for

    return rates_for(
        args.backend,
        args.offload,
        dtype=args.dtype,
        bandwidth=args.bandwidth,
        speed=args.speed,
        afresh=args.recalibrate,
    )


def _rates_line(place: str, rates: Offloading) -> str:
    speed = f", weighed against {rates.flops_per_second:.3g} operations a second" if rates.flops_per_second else ""
    return f"offloading to {place} at {format_bytes(rates.bytes_per_second)}/s{speed}"


def _seconds_line(report: Mapping[str, Any]) -> str:
    return (
        f"a step: {report['predicted_seconds'] * 1e3:.2f} ms predicted ({report['predicted_ratio']:.2f} of store all's "
        f"predicted time), {report['measured_seconds'] * 1e3:.2f} ms measured; {report['device']}"
    )
