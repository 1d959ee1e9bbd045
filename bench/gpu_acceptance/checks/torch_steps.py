"""PyTorch's time and memory of the same steps, beside the matrix products alone: measured, and judged by nobody.

A process of its own keeps what PyTorch's allocator and compiler hold, and what they may break, apart from ours.
"""

import gc
import time
from collections.abc import Callable, Iterator

from bench.gpu_acceptance.checks.steps import PRODUCTS, case_in, seconds_row
from bench.gpu_acceptance.rows import Row, is_out_of_memory, left_out, measured
from bench.gpu_acceptance.setting import Setting
from bench.gpu_acceptance.torch_ways import MOST_COMPILED_LAYERS, WAYS, TorchWay, torch_on_gpu, torch_step
from bench.gpu_acceptance.turns import seconds_of
from bench.steps.cases import Case
from bench.steps.runners import control
from checkpoint.units import format_bytes


def torch_steps(name: str, setting: Setting) -> Iterator[Row]:
    """A row of memory and one of time for each way, one way alive at a time."""
    group = f"{name}, PyTorch"
    if torch_on_gpu() is None:
        yield left_out(group, "all of it", "no PyTorch can use this GPU")
        return
    case = case_in(name, setting.free_bytes, quick=setting.quick)
    products = control(case, setting.backend).step
    for way in WAYS:
        if way.compiled is not None and case.n_layers > MOST_COMPILED_LAYERS:
            yield left_out(group, way.name, f"compiling {case.n_layers} layers takes minutes")
        elif time.monotonic() > setting.deadline:
            yield left_out(group, way.name, "the group's time is over")
        else:
            yield from _way_rows(group, case, way, products, setting)


def _way_rows(group: str, case: Case, way: TorchWay, products: Callable[[], None], setting: Setting) -> Iterator[Row]:
    import torch

    number = setting.backend.device.id
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(number)
    try:
        issue = torch_step(way, case, number)

        def step() -> None:
            issue()
            torch.cuda.synchronize(number)

        step()
        held = torch.cuda.memory_allocated(number)
        step()
        reserved = torch.cuda.max_memory_reserved(number)
        above = torch.cuda.max_memory_allocated(number) - held
        told = f"{format_bytes(reserved)} reserved from the driver, {format_bytes(above)} above rest"
        figures = {"driver_bytes": reserved, "peak_bytes": above}
        yield measured(group, f"{way.name}: bytes", told, figures)
        found = seconds_of({PRODUCTS: products, way.name: step}, deadline=setting.deadline)
        yield seconds_row(group, case, way.name, found[way.name], products=found[PRODUCTS], plain=None)
    except Exception as error:  # PyTorch's own trouble, such as no C compiler, is not ours
        said = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        why = "the GPU is too small or busy" if is_out_of_memory(error) else "PyTorch cannot"
        yield left_out(group, way.name, f"{why} ({said})")
