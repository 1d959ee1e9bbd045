"""PyTorch's steps on a GPU: eager, recomputing, in TF32, and compiled without and with CUDA graphs."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench.steps.cases import Case
from bench.steps.runner import ETA, batch_of


@dataclass(frozen=True, slots=True)
class TorchWay:
    """A way of PyTorch's, by name. `compiled`: the mode of `torch.compile`, or None. `tf32`: products round to TF32.

    `segmented`: by `checkpoint_sequential`, in sqrt segments.
    """

    name: str
    compiled: str | None = None
    tf32: bool = False
    segmented: bool = False


WAYS = (
    TorchWay("PyTorch eager"),
    TorchWay("PyTorch checkpoint_sequential", segmented=True),
    TorchWay("PyTorch eager, TF32", tf32=True),
    TorchWay("PyTorch compile", compiled="default"),
    TorchWay("PyTorch compile with CUDA graphs", compiled="reduce-overhead"),
    TorchWay("PyTorch compile with CUDA graphs, TF32", compiled="reduce-overhead", tf32=True),
)
"""What is least likely to break a process comes first."""

MOST_COMPILED_LAYERS = 100
"""Compiling takes seconds for each layer at first: 512 of them would take all the time there is."""


def torch_on_gpu() -> str | None:
    """PyTorch's version where it can use the GPU, else None."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return str(torch.__version__) if torch.cuda.is_available() else None


def torch_step(way: TorchWay, case: Case, number: int) -> Callable[[], None]:
    """A function that takes a step of `case` on GPU `number` in that way, without waiting for it.

    The precision of products is PyTorch's own setting, for the whole process: the latest call's.
    """
    import torch
    from torch.utils.checkpoint import checkpoint_sequential

    device = torch.device("cuda", number)
    torch.set_float32_matmul_precision("high" if way.tf32 else "highest")
    torch.manual_seed(0)
    X, y = (torch.from_numpy(x).to(device) for x in batch_of(case))
    net = torch.nn.Sequential(
        *(torch.nn.Sequential(torch.nn.Linear(a, b), torch.nn.Sigmoid()) for a, b in pairwise(case.sizes))
    ).to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=ETA)
    segments = max(round(case.n_layers**0.5), 1)

    def cost(X: Any, y: Any) -> Any:
        if way.segmented:
            a = checkpoint_sequential(net, segments, X, use_reentrant=False, preserve_rng_state=False)
        else:
            a = net(X)
        return ((a - y) ** 2).sum() / (2 * len(X))

    costed = cost if way.compiled is None else torch.compile(cost, mode=way.compiled)

    def step() -> None:
        if way.compiled == "reduce-overhead":
            torch.compiler.cudagraph_mark_step_begin()
        costed(X, y).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step
