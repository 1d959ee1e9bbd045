"""What to keep and recompute, as the command line and the reports name it. No arrays here.

A choice is the text of `--checkpoint`, with that of `--budget`: it becomes a schedule once the chain is known.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backend.facts import FACTS
from checkpoint.errors import CheckpointError
from checkpoint.schedule.chain import Chain
from checkpoint.schedule.placement import arena_bytes
from checkpoint.schedule.schedule import Schedule
from checkpoint.strategies import binomial, every_nth, micro_batches, square_root, store_all
from checkpoint.strategies.offloaded import every_nth_offloaded
from checkpoint.units import parse_bytes

if TYPE_CHECKING:
    from checkpoint.planning.offloading import Offloading

AUTO_SHARE = 0.75
"""The part of free memory that a budget of "auto" takes; the rest is for parameters, BLAS and whoever else is here."""

FORMS = "none, every:N, sqrt, slots:S, micro:R or optimal"
_COUNTED = re.compile(r"(every|slots|micro):([0-9]{1,7})")


@dataclass(frozen=True, slots=True)
class Choice:
    """`checkpoint` as in `--checkpoint`; `budget` as in `--budget`, for "optimal" alone; `offload` as in `--offload`.

    With a place to offload to, what "every" and "sqrt" keep goes there, but the last checkpoint; "optimal" weighs it.
    """

    checkpoint: str = "none"
    budget: str | None = None
    offload: str | None = None

    def __post_init__(self) -> None:
        if self.checkpoint not in ("none", "sqrt", "optimal") and not _COUNTED.fullmatch(self.checkpoint):
            raise CheckpointError(f"unknown way to checkpoint {self.checkpoint!r}; choose {FORMS}")
        if self.checkpoint == "optimal" and self.budget is None:
            raise CheckpointError("optimal needs a budget to be optimal under; give one, such as --budget 64MiB")
        if self.budget is not None and self.checkpoint != "optimal":
            raise CheckpointError(f"a budget is planned for; with it use optimal, not {self.checkpoint}")
        if self.offload is not None and not re.match("every|sqrt|optimal", self.checkpoint):
            raise CheckpointError(
                f"{self.checkpoint} keeps no checkpoints that could be offloaded; give --budget, or checkpoint every:N "
                f"or sqrt"
            )

    def __str__(self) -> str:
        how = self.checkpoint if self.budget is None else f"optimal in {self.budget}"
        return how if self.offload is None else f"{how}, offloaded to {self.offload}"

    def schedule(self, chain: Chain, *, offloading: "Offloading | None" = None) -> Schedule:
        """The schedule for `chain`; one that is planned offloads at the rates of `offloading`, if at all.

        Raises `CheckpointError` where there is none.
        """
        if self.offload is not None and self.checkpoint != "optimal":
            return self._offloaded(chain.n_layers)
        if self.checkpoint == "none":
            return store_all(n_layers=chain.n_layers)
        if self.checkpoint == "sqrt":
            return square_root(n_layers=chain.n_layers)
        if match := _COUNTED.fullmatch(self.checkpoint):
            count = int(match[2])
            if match[1] == "every":
                return every_nth(n_layers=chain.n_layers, n=count)
            if match[1] == "slots":
                return binomial(n_layers=chain.n_layers, slots=count)
            return micro_batches(n_layers=chain.n_layers, batch_size=chain.batch_size, rows=count)
        from checkpoint.planning.plan import plan_chain

        return plan_chain(chain, budget_bytes=self.budget_bytes(chain), offload=offloading).schedule

    def _offloaded(self, n_layers: int) -> Schedule:
        n = round(n_layers**0.5) if self.checkpoint == "sqrt" else int(self.checkpoint.removeprefix("every:"))
        return every_nth_offloaded(n_layers=n_layers, n=n)

    def budget_bytes(self, chain: Chain) -> int:
        """The budget in bytes."""
        return resolve_budget(self.budget or "100%", chain)


def resolve_budget(text: str, chain: Chain) -> int:
    """The bytes that a budget names: an amount, a percentage of the arena for storing everything, or "auto".

    "auto" is three quarters of the memory that is free now, on the host or on the card that the chain is for, and no
    more than storing everything takes. Raises `CheckpointError` for any other text.
    """
    whole = arena_bytes(store_all(n_layers=chain.n_layers), chain)
    if text != "auto":
        return parse_bytes(text, whole_bytes=whole)
    from backend import free_bytes

    on_card = chain.allocation_bytes != FACTS["numpy"].allocation_bytes
    return min(int(free_bytes("cupy" if on_card else "numpy") * AUTO_SHARE), whole)
