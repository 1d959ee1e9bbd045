"""What PyTorch's allocator hands out while something runs: on the CPU by its profiler, on a GPU by its own counts."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from checkpoint.torch.library import torch


@dataclass(frozen=True, slots=True)
class Allocated:
    """Bytes above those at the start: the most at any moment, and those left at the end."""

    peak_bytes: int
    end_bytes: int


def allocated(work: Callable[[], Any], device: Any) -> Allocated:
    """What `work` allocates on `device`. What it returns is held until the end."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        start = torch.cuda.memory_allocated(device)
        held = work()
        torch.cuda.synchronize(device)
        found = Allocated(torch.cuda.max_memory_allocated(device) - start, torch.cuda.memory_allocated(device) - start)
        del held
        return found
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # its profiler reports each start and stop on standard error
    with torch.autograd.profiler.profile(use_kineto=True, profile_memory=True) as profiled:
        held = work()
    del held
    live = most = 0
    events = [event for event in profiled.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    return Allocated(most, live)
