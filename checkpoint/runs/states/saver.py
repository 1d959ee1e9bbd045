"""When a training's state is saved, and with which notes. The writing itself is `mlp.saving`'s."""

import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from backend import Backend
from checkpoint.errors import CheckpointError, Fault
from checkpoint.output import check_writable
from checkpoint.units import how_far
from mlp import Network, Progress, StateError, Step, read_state, save_state
from mlp.saving.atomic import numbered, remove_leftovers
from mlp.saving.keeping import check_kept, files_to_come

_EVERY = re.compile(r"([0-9]{1,9})\s*(epoch|step|min|s)s?")
EVERY = "1epoch"
BEST_EPOCH = "best_epoch"
"""The note of a state whose parameters are those of an earlier epoch than its progress says."""


@dataclass(frozen=True, slots=True)
class Every:
    """How often to save: every `count` epochs or steps, or `count` seconds after the last time (`unit` "s")."""

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> "Every":
        """What `--save-every` says: 1epoch, 100steps, 5min or 30s. Raises `CheckpointError` for anything else.

        >>> Every.parse("5min")
        Every(count=300, unit='s')
        """
        match = _EVERY.fullmatch(text.strip())
        if match is None or int(match[1]) < 1:
            raise CheckpointError(f"how often to save is written like 1epoch, 100steps, 5min or 30s; got {text[:40]!r}")
        count, unit = int(match[1]), match[2]
        return cls(60 * count, "s") if unit == "min" else cls(count, unit)


@dataclass(frozen=True, slots=True)
class Saving:
    """Where to save, how often, and how many older states to keep."""

    path: Path
    every: Every = Every(1, "epoch")
    keep: int = 0

    def check(self, *, resumed: Path | None = None) -> None:
        """Raise `CheckpointError` unless a state can be put at `path` and nothing is lost by that.

        Only the training that goes on from a saved state overwrites it.
        """
        if self.keep < 0:
            raise CheckpointError(f"the number of older states to keep must be 0 or more; got {self.keep}")
        check_writable(self.path)
        if self.keep:
            check_writable(numbered(self.path, self.keep))
        remove_leftovers(self.path)
        goes_on = self.path.exists() and resumed is not None and self.path.samefile(resumed)
        self._check_older(goes_on)
        if not self.path.exists() or goes_on:
            return
        try:
            progress = read_state(self.path).progress
        except StateError as error:
            raise CheckpointError(f"{error}; it is not overwritten, choose another path to save to") from None
        what = "a network" if progress is None else f"a training {how_far(progress.epoch, progress.step)}"
        raise CheckpointError(
            f"{self.path} holds {what}, which a new training would overwrite; go on with --resume {self.path}, or "
            f"move it away"
        )

    def _check_older(self, goes_on: bool) -> None:
        """Raise `CheckpointError` where what --keep puts aside would take the place of another's files."""
        older = files_to_come(self.path, self.keep) if self.keep else []
        if goes_on:
            try:
                check_kept(self.path, self.keep, older)
            except StateError as error:
                raise CheckpointError(f"--keep: {error}") from None
        elif older:
            raise CheckpointError(f"{older[0]} is there, and --keep {self.keep} would overwrite it; move it away")


class Saver:
    """Saves a training's state as it goes, and knows how far it has come. Without `saving` it saves nothing."""

    def __init__(
        self, network: Network, progress: Progress, saving: Saving | None, notes: Mapping[str, str] | None = None
    ) -> None:
        self._network, self._saving, self._notes = network, saving, notes
        self._begun, self._epoch, self._step = progress, progress.epoch, progress.step
        self.saved: Progress | None = None
        self._steps = 0
        self._saved_at = time.monotonic()

    @property
    def backend(self) -> Backend:
        """Where the network is."""
        return self._network.backend

    @property
    def progress(self) -> Progress:
        """How far the training has come."""
        return replace(self._begun, epoch=self._epoch, step=self._step)

    @property
    def where(self) -> str:
        """How far the training has come, in words."""
        return how_far(self._epoch, self._step)

    def after_step(self, step: Step) -> None:
        """A step is done."""
        self._steps += 1
        self._epoch, self._step = step.epoch, step.step
        if self._saving is None:
            return
        every = self._saving.every
        steps_due = every.unit == "step" and self._steps % every.count == 0
        if steps_due or (every.unit == "s" and self._time_is_up(every)):
            self._try_to_save(self._saving)

    def _time_is_up(self, every: Every) -> bool:
        return time.monotonic() - self._saved_at >= every.count

    def after_epoch(self, epoch: int) -> None:
        """An epoch is done, its evaluation too."""
        self._epoch, self._step = epoch + 1, 0
        if self._saving and self._saving.every.unit == "epoch" and epoch % self._saving.every.count == 0:
            self._try_to_save(self._saving)

    def _try_to_save(self, saving: Saving) -> None:
        """Save, or say on the error stream that it could not be done: the training goes on, and tries again."""
        try:
            self._save(saving)
        except StateError as error:
            print(f"warning: {error}; training goes on", file=sys.stderr, flush=True)
            self._saved_at = time.monotonic()

    def best_restored(self, epoch: int) -> None:
        """The network has the parameters of an earlier epoch again: `finish` saves them, and says whose they are."""
        self._notes = {**(self._notes or {}), BEST_EPOCH: str(epoch)}
        self.saved = None

    def finish(self) -> None:
        """Save what has not been. Raises `Fault` where it cannot be done."""
        if self._saving is None or self.saved == self.progress:
            return
        try:
            self._save(self._saving)
        except StateError as error:
            raise Fault(str(error)) from None

    @property
    def last_good(self) -> str:
        """What the last good state is of, and where, for messages."""
        if self._saving is None or self.saved is None:
            return "nothing was saved"
        return f"{self._saving.path} holds the training {how_far(self.saved.epoch, self.saved.step)}"

    def _save(self, saving: Saving) -> None:
        save_state(saving.path, self._network, self.progress, keep=saving.keep, notes=self._notes)
        self._note_saved()

    def _note_saved(self) -> None:
        self.saved, self._saved_at = self.progress, time.monotonic()
