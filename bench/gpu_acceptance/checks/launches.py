"""What a step costs the host: the time until `update_mini_batch` returns, and how many kernels and copies it begins.

PyTorch's profiler counts them, as it sees whatever runs on the GPU in its process, CuPy's kernels too.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from bench.gpu_acceptance.checks.steps import case_in, ways_of
from bench.gpu_acceptance.rows import Row, measured
from bench.gpu_acceptance.setting import Setting
from bench.gpu_acceptance.torch_ways import WAYS, torch_on_gpu, torch_step
from bench.gpu_acceptance.turns import TURNS, Seconds
from bench.steps.runner import ETA, batch_of
from checkpoint import chain_of

UNCOUNTED = "kernels are not counted, as PyTorch's profiler does that, and no PyTorch can use this GPU"


def launches(setting: Setting) -> Iterator[Row]:
    """A row for plain backpropagation, sqrt and PyTorch, of the classic network and a deep one."""
    backend, torch = setting.backend, torch_on_gpu()
    for name in ("classic", "deep"):
        case = case_in(name, setting.free_bytes // 2, quick=setting.quick)
        batch = tuple(backend.asarray(x) for x in batch_of(case))
        chain = chain_of(case.sizes, batch_size=case.batch_size, backend="cupy")
        for way in ways_of(chain)[:2]:
            net = way.network(case, backend)
            issue: Callable[[], None] = partial(net.update_mini_batch, *batch, eta=ETA)
            yield host_row(f"{name}, {way.name}", issue, backend.synchronize, counted=torch is not None)
            del net, issue
        if torch is not None:
            issue = torch_step(WAYS[0], case, backend.device.id)
            yield host_row(f"{name}, {WAYS[0].name}", issue, backend.synchronize, counted=True)
            del issue


def host_row(name: str, issue: Callable[[], None], synchronize: Callable[[], None], *, counted: bool) -> Row:
    """The row of a step that `issue` begins."""
    for _ in range(2):
        issue()
        synchronize()
    host, whole = [], []
    for _ in range(TURNS):
        begun = time.perf_counter()
        issue()
        host.append(time.perf_counter() - begun)
        synchronize()
        whole.append(time.perf_counter() - begun)
    own, all_of_it = Seconds(tuple(host)), Seconds(tuple(whole))
    figures = {"host_seconds": own.median, "seconds": all_of_it.median}
    told = f"the host is free after {own.median * 1e6:.0f} of {all_of_it.median * 1e6:.0f} microseconds"
    if counted:
        found = counts_of(issue, synchronize)
        figures |= found
        told += "; " + ", ".join(f"{count} {what}" for what, count in found.items())
    else:
        told += f"; {UNCOUNTED}"
    return measured("launches", name, told, figures)


def counts_of(issue: Callable[[], None], synchronize: Callable[[], None]) -> dict[str, int]:
    """How many kernels, copies and fills of memory ran on the GPU in a step."""
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        issue()
        synchronize()
    ran = [event.name for event in profiled.events() if event.device_type == DeviceType.CUDA]
    kinds = Counter("copies" if "Memcpy" in name else "fills" if "Memset" in name else "kernels" for name in ran)
    return {what: kinds[what] for what in ("kernels", "copies", "fills")}
