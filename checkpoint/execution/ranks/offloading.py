"""What ranks that offload need beside a network in one process: a place each, and the same rates to plan with."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backend.places import HOST
from checkpoint.execution.ranks.links.base import Link
from checkpoint.planning.offloading import Offloading


def own_place(place: Any, rank: int) -> Any:
    """The place that rank `rank` offloads to: a new file beside `place` where that is one, and else `place` itself.

    >>> own_place("activations", 2), own_place("host", 2)
    ('activations.2', 'host')
    """
    if rank == 0 or not isinstance(place, str | Path) or str(place) == HOST or os.path.isdir(place):  # noqa: PTH112
        return place
    return f"{place}.{rank}"


def same_rates(link: Link, measure: Callable[[], Offloading]) -> Offloading:
    """The rates of rank 0, on all ranks: what they plan by them is the same. All call this together."""
    own = json.dumps(asdict(measure())) if link.rank == 0 else ""
    return Offloading(**json.loads(link.exchange(own)[0]))
