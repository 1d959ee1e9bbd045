"""All ranks of a run: begun by a launcher, with one voice, and ended together.

Rank 0 alone writes to standard output; what the others say on the error stream begins with who they are. A rank that
fails says so in one line and ends all the others, which would wait for it for ever.
"""

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from backend import select_backend
from checkpoint.execution.ranks.agreement import share_cores
from checkpoint.execution.ranks.links.base import Link
from checkpoint.execution.ranks.links.current import run_by
from checkpoint.execution.ranks.links.mpi import Mpi
from checkpoint.runs.endings.ending import ending_of
from checkpoint.runs.ranks.watch import Watch

SAID_SECONDS = 0.05
"""A rank that has said why it fails waits so long to end all: a launcher then drops what it has not passed on yet."""

ALIKE_SECONDS = 0.5
"""A rank that fails waits so long to learn that all of them fail alike: such an end is no rank's fault."""

APART_SECONDS = 0.15
"""A rank that fails waits so long for each rank before it: what fails on all of them is said once, by the first."""

MOST_APART_SECONDS = 2.0


@contextmanager
def world(link: Link | None = None) -> Iterator[Link]:
    """A block that all ranks run together. An error on one of them ends all, with its exit status.

    One that all ranks have, such as a wrong option, is said once, and each ends by itself.
    """
    link = Mpi() if link is None else link
    if link.ranks == 1:
        with run_by(link):
            yield link
        return
    who = f"rank {link.rank} of {link.ranks}: "
    output: Any = sys.stdout if link.rank == 0 else _Nothing()
    errors: Any = sys.stderr if link.rank == 0 else _Prefixed(sys.stderr, who)
    plain, watch = sys.stderr, Watch(link)
    try:
        with redirect_stdout(output), redirect_stderr(errors), run_by(link):
            share_cores(link, select_backend("numpy"))
            yield link
            watch.leaving()
            link.exchange("")  # nobody leaves before all are done
    except BaseException as error:
        watch.leaving()
        ending = ending_of(error)
        if ending is not None and link.alike(f"{ending[1]} {ending[0]}", ALIKE_SECONDS):
            if link.rank == getattr(error, "rank", 0):
                print(f"mlp-checkpointing: {who}{' '.join(ending[0].split())}", file=plain, flush=True)
            sys.exit(ending[1])  # all do so, and no launcher has to end any
        turn = (link.rank - getattr(error, "rank", 0)) % link.ranks
        time.sleep(min(APART_SECONDS * turn, MOST_APART_SECONDS))
        if ending is None:
            traceback.print_exc(file=plain)
        line, status = ending or (f"{type(error).__name__}: {error}", 1)
        sys.stdout.flush()
        print(f"mlp-checkpointing: {who}{' '.join(line.split())}", file=plain, flush=True)
        time.sleep(SAID_SECONDS)
        link.abort(status)


class _Nothing:
    """A stream that nobody reads."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


class _Prefixed:
    """A stream whose lines begin with `prefix`."""

    def __init__(self, stream: Any, prefix: str) -> None:
        self._stream, self._prefix, self._begun = stream, prefix, False

    def write(self, text: str) -> int:
        for line in text.splitlines(keepends=True):
            self._stream.write(line if self._begun else self._prefix + line)
            self._begun = not line.endswith("\n")
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        """Nobody watches it: progress is shown once, by rank 0."""
        return False
