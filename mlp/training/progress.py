"""What one sees while a network trains: a progress bar on a terminal or in a notebook, and a line for each epoch."""

import sys
import warnings
from collections.abc import Iterable
from typing import Any

from mlp.errors import NetworkError
from mlp.training.history import EpochRecord, shown_values


def check_verbose(verbose: Any) -> bool | None:
    """`verbose` as True, False or None. Raises `NetworkError` for what is neither these nor a whole number."""
    if verbose is None or isinstance(verbose, int):
        return None if verbose is None else bool(verbose)
    raise NetworkError(f"verbose must be True, False, or None for a bar where one is seen; got {repr(verbose)[:60]}")


def bar(items: Iterable[Any], *, title: str, unit: str, verbose: bool | None = None) -> Iterable[Any]:
    """`items`, with a progress bar while they are taken, which goes when they are through.

    `verbose` None: on a terminal and in a notebook; True: wherever the error stream leads; False: nowhere.
    """
    shown: Any
    if in_notebook():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # without ipywidgets the bar is text, which needs no advice
            from tqdm.auto import tqdm as shown
    else:
        from tqdm import tqdm as shown
    disable = None if verbose is None and not in_notebook() else verbose is False
    return shown(items, desc=title, unit=unit, leave=False, disable=disable)  # type: ignore[no-any-return]


def say(record: EpochRecord, of: int) -> None:
    """Print what is known of an epoch, of `of`, in one line."""
    tell(f"epoch {record.epoch}/{of}: {measured_of(record, seconds=True)}")


def tell(line: str) -> None:
    """Print a line that leaves a bar whole."""
    from tqdm import tqdm

    tqdm.write(line)


def measured_of(record: EpochRecord, *, seconds: bool = False) -> str:
    """What was measured after an epoch, in a few words; with `seconds`, its steps' too.

    >>> measured_of(EpochRecord(3, 1.25, 0.91, validation_cost=0.5))
    'test accuracy 0.91, validation cost 0.5'
    """
    left = ("epoch", "batch seconds", "evaluation seconds", *(() if seconds else ("seconds",)))
    return ", ".join(f"{name} {value}" for name, value in shown_values(record).items() if name not in left)


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, whose output is no terminal and still shows bars."""
    interactive = sys.modules.get("IPython")
    return interactive is not None and hasattr(interactive.get_ipython(), "kernel")
