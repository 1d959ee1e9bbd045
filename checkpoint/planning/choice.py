"""What to keep and recompute, as the command line and the reports name it. No arrays here.

A choice is the text of `--checkpoint`, with that of `--budget`: it becomes a schedule once the chain is known.
"""

import re
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from backend.nearest import nearest
from checkpoint.errors import CheckpointError
from checkpoint.planning.budget import resolve_budget
from checkpoint.planning.offloading import Offloading
from checkpoint.planning.plan import plan_chain
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.files import read_schedule
from checkpoint.schedule.schedule import Schedule
from checkpoint.schedule.simulation import judge
from checkpoint.strategies import binomial, every_nth, micro_batches, square_root, store_all
from checkpoint.strategies.offloaded import every_nth_offloaded
from checkpoint.units import format_bytes

FORMS = "none, every:N, sqrt, slots:S, micro:R, optimal, or FILE.json of a schedule"
FORMS_TOLD = (
    "none, every:N (the outputs of every Nth layer), sqrt (of every sqrt(L)th), slots:S (at most S outputs at a time, "
    "those that leave the least to recompute), micro:R (R rows at a time), optimal, or FILE.json of a schedule"
)
"""The same, with what each means, for help."""
_WORDS = ("none", "every", "sqrt", "slots", "micro", "optimal")
_COUNTED = re.compile(r"(every|slots|micro):([0-9]+)")
_MOST = 9_999_999
"""The largest number in such a text: more layers or checkpoints than a chain has, and more rows than a block is for."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`checkpoint` as in `--checkpoint`; `budget` as in `--budget`, for "optimal" alone; `offload` as in `--offload`.

    With a place to offload to, "every" and "sqrt" put all their checkpoints there except the last; "optimal" weighs it.
    """

    checkpoint: str = "none"
    budget: str | None = None
    offload: str | None = None

    def __post_init__(self) -> None:
        known = self.checkpoint in ("none", "sqrt", "optimal") or self.path is not None
        counted = _COUNTED.fullmatch(str(self.checkpoint))
        if not known and not counted:
            raise CheckpointError(
                f"unknown way to checkpoint {self.checkpoint!r:.80}; choose {FORMS}{_meant(self.checkpoint)}"
            )
        if counted and (len(counted[2]) > len(str(_MOST)) or int(counted[2]) > _MOST):
            letter = {"every": "N", "slots": "S", "micro": "R"}[counted[1]]
            raise CheckpointError(f"{letter} in {counted[1]}:{letter} must be at most {_MOST}; got {counted[2]:.60}")
        if self.checkpoint == "optimal" and self.budget is None:
            raise CheckpointError("optimal needs a budget to be optimal under; give one, such as --budget 64MiB")
        if self.budget is not None and self.checkpoint != "optimal":
            raise CheckpointError(f"a budget is planned for; with it use optimal, not {self.checkpoint}")
        offloads = self.path is not None or re.match("every|sqrt|optimal", self.checkpoint)
        if self.offload is not None and not offloads:
            raise CheckpointError(
                f"{self.checkpoint} keeps no checkpoints that could be offloaded; give --budget, or checkpoint every:N "
                f"or sqrt"
            )

    def __str__(self) -> str:
        how = self.checkpoint if self.budget is None else f"optimal in {self._budget_shown}"
        return how if self.offload is None else f"{how}, offloaded to {self.offload}"

    @property
    def _budget_shown(self) -> str:
        """The budget as it was given, but for a bare number of bytes."""
        budget = str(self.budget)
        return format_bytes(int(budget)) if budget.isdecimal() else budget

    @property
    def path(self) -> Path | None:
        """The file that holds the schedule, where the choice is one."""
        return Path(self.checkpoint) if str(self.checkpoint).endswith(".json") else None

    def schedule(self, chain: Chain, *, offloading: Offloading | None = None) -> Schedule:
        """The schedule for `chain`; one that is planned offloads at the rates `offloading`, if there are any.

        Raises `CheckpointError` where there is none and for rates without a place to offload to, `ScheduleError` for a
        file whose schedule `chain` cannot follow.
        """
        if offloading is not None and self.offload is None:
            raise CheckpointError("offloading, the rates of copies, is for a choice with offload, the place; give both")
        if self.path is not None:
            schedule = read_schedule(self.path)
            judge(schedule, chain)
            return schedule
        kind, n_layers = self.checkpoint.partition(":")[0], chain.n_layers
        if kind == "optimal":
            return plan_chain(chain, budget_bytes=self.budget or "100%", offloading=offloading).schedule
        if kind in ("every", "sqrt") and self.offload is not None:
            return every_nth_offloaded(n_layers=n_layers, n=self.spacing(n_layers))
        if kind == "every":
            return every_nth(n_layers=n_layers, n=self._count)
        if kind == "sqrt":
            return square_root(n_layers=n_layers)
        if kind == "slots":
            return binomial(n_layers=n_layers, slots=self._count)
        if kind == "micro":
            return micro_batches(n_layers=n_layers, batch_size=chain.batch_size, rows=self._count)
        return store_all(n_layers=n_layers)

    def budget_bytes(self, chain: Chain) -> int:
        """The budget in bytes."""
        return resolve_budget(self.budget or "100%", chain)

    def spacing(self, n_layers: int) -> int:
        """The number of layers from checkpoint to checkpoint, where it is one number: `n_layers` where none is kept."""
        if self.checkpoint == "sqrt":
            return round(sqrt(n_layers))
        return self._count if self.checkpoint.startswith("every:") else n_layers

    @property
    def micro_batch_rows(self) -> int | None:
        """The rows of a micro-batch; None where there are none."""
        return self._count if self.checkpoint.startswith("micro:") else None

    @property
    def within_blocks(self) -> "Choice":
        """What is kept and recomputed of each micro-batch, for whoever takes these one by one."""
        return self if self.micro_batch_rows is None else Choice()

    @property
    def _count(self) -> int:
        return int(self.checkpoint.partition(":")[2])


def _meant(text: object) -> str:
    """A question for the way that was probably meant, with its number."""
    word, _, count = str(text).partition(":")
    found = nearest(word, _WORDS)
    if found in ("every", "slots", "micro"):
        found += f":{count if count.isdecimal() else 'N'}"
    return "" if found in (None, text) else f"; did you mean {found}?"
