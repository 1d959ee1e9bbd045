"""What each layer of a Sequential takes, measured on a sample: bytes by the allocator and by saved tensors, seconds.

One layer runs at a time, so measuring takes the memory of one layer's step. Parameters, their gradients, buffers and
the state of random numbers are left as they were.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from checkpoint.errors import CheckpointError
from checkpoint.torch.library import torch
from checkpoint.torch.meter import allocated
from checkpoint.torch.model import LayerTrace

MOST_SECONDS, MOST_REPEATS = 0.3, 5
"""A layer is timed so often, or so long."""


def traces_of(module: Any, sample: Any) -> list[LayerTrace]:
    """What each layer of `module` takes on `sample`. Raises `CheckpointError` for those that cannot run twice alike."""
    device = sample.device
    found = []
    with _undisturbed(module, device):
        x = sample.detach()
        known: dict[object, tuple[LayerTrace, Any]] = {}
        for at, (name, layer) in enumerate(module.named_children()):
            title = f"layer {name} ({type(layer).__name__})"
            kind = _kind(layer, x) if at else None
            if kind is not None and kind in known:
                trace, x = known[kind]
            else:
                _check_alike(layer, x, title)
                trace, x = _trace(layer, x, title, first=at == 0)
            if kind is not None:
                known[kind] = trace, x
            found.append(replace(trace, name=title))
    return found


class _Error(torch.autograd.Function):  # type: ignore[misc]
    """A number whose backward step makes an error of `x`'s shape, which only autograd then holds."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.like = x.new_empty(0).expand(0), x.shape
        return x.new_zeros(())

    @staticmethod
    def backward(ctx: Any, error: Any) -> Any:
        empty, shape = ctx.like
        return torch.ones(shape, dtype=empty.dtype, device=empty.device)


def step_backward(output: Any) -> None:
    """Go backward from `output` with an error of ones, of which nobody else holds a reference."""
    _Error.apply(output).backward()


def _kind(layer: Any, x: Any) -> object:
    """What a layer of PyTorch's own has in common with those that take the same; None where others' code runs."""
    if any(not type(part).__module__.startswith("torch.nn.") for part in layer.modules()):
        return None
    shapes = tuple((tuple(p.shape), p.dtype, p.requires_grad) for p in (*layer.parameters(), *layer.buffers()))
    training = tuple(part.training for part in layer.modules())
    return repr(layer), shapes, training, tuple(x.shape), x.stride(), x.dtype


def _trace(layer: Any, x: Any, title: str, *, first: bool) -> tuple[LayerTrace, Any]:
    """The trace of a layer, and what it makes of `x`, detached."""
    device = x.device
    leaf = x.detach()
    if not first and leaf.is_floating_point():
        leaf.requires_grad_()
    in_place, shares = _ways(layer, leaf)
    if in_place and first:
        raise CheckpointError(f"{title} changes its input in place, which is the mini-batch; it cannot run twice")
    given: Callable[[], Any] = leaf.clone if in_place else lambda: leaf

    saved, output = _saved(layer, given())
    output_bytes = _storage(output).nbytes()
    needs_input, needs_output = _pointer(leaf) in saved, _pointer(output) in saved
    if in_place:
        needs_output, needs_input = bool(saved - _own(layer)), False
    following = output.detach()
    del output

    x = given()
    with torch.autograd.graph.saved_tensors_hooks(_forget, _never):
        dropping = allocated(lambda: layer(x), device)
    x = given()
    saving = allocated(lambda: layer(x), device)
    new_bytes = 0 if shares else output_bytes

    x = given()
    source = [_Error.apply(layer(x))]
    backward = None
    if source[0].requires_grad:
        backward = allocated(lambda: source[0].backward(), device)
    gradients = sum(_storage(p.grad).nbytes() for p in layer.parameters() if p.grad is not None)
    error_bytes = 0 if leaf.grad is None else _storage(leaf.grad).nbytes()
    forward_seconds, backward_seconds = _seconds(layer, given, leaf, device)
    trace = LayerTrace(
        name=title,
        output_bytes=output_bytes,
        inner_bytes=max(0, saving.end_bytes - new_bytes),
        needs_input=needs_input,
        needs_output=needs_output,
        shares=shares,
        in_place=in_place,
        dropping_bytes=max(dropping.peak_bytes, new_bytes),
        saving_bytes=max(saving.peak_bytes, new_bytes),
        backward_bytes=0 if backward is None else max(0, backward.peak_bytes - output_bytes),
        gradient_bytes=gradients,
        error_bytes=error_bytes,
        forward_seconds=forward_seconds,
        backward_seconds=backward_seconds,
    )
    return trace, following


def _ways(layer: Any, leaf: Any) -> tuple[bool, bool]:
    """Whether a layer changes its input in place, and whether its output lies in its input's memory."""
    x = leaf.clone()
    version = x._version
    y = layer(x)
    return x._version != version, _pointer(y) == _pointer(x)


def _saved(layer: Any, x: Any) -> tuple[set[int], Any]:
    """Where the tensors lie that a layer saves, and its output."""
    kept: list[Any] = []

    def keep(tensor: Any) -> None:
        kept.append(tensor.detach())  # so that no other tensor is laid there meanwhile

    with torch.autograd.graph.saved_tensors_hooks(keep, _never):
        output = layer(x)
    return {_pointer(tensor) for tensor in kept}, output


def _own(layer: Any) -> set[int]:
    return {_pointer(tensor) for tensor in (*layer.parameters(), *layer.buffers())}


def _seconds(layer: Any, given: Callable[[], Any], leaf: Any, device: Any) -> tuple[float, float]:
    """The least seconds of a forward run, and of a backward step."""
    forward: list[float] = []
    backward: list[float] = []
    begun = time.perf_counter()
    while len(forward) < MOST_REPEATS and (not forward or time.perf_counter() - begun < MOST_SECONDS):
        leaf.grad = None
        for parameter in layer.parameters():
            parameter.grad = None
        x = given()
        start = _clock(device)
        source = _Error.apply(layer(x))
        forward.append(_clock(device) - start)
        if source.requires_grad:
            start = _clock(device)
            source.backward()
            backward.append(_clock(device) - start)
    return min(forward), min(backward, default=0.0)


def _clock(device: Any) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _check_alike(layer: Any, x: Any, title: str) -> None:
    """Raise `CheckpointError` for a layer whose second run is not its first: the gradients would be others."""
    devices = [x.device] if x.device.type == "cuda" else []
    before = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    runs = []
    for _ in range(2):
        with torch.no_grad(), torch.random.fork_rng(devices=devices):
            runs.append(layer(x.clone()))
        if not isinstance(runs[-1], torch.Tensor):
            raise CheckpointError(f"{title} returns {type(runs[-1]).__name__}; each layer must return one tensor")
    changed = [name for name, buffer in layer.named_buffers() if not _equal(buffer, before[name])]
    if changed:
        raise CheckpointError(
            f"{title} changes {', '.join(changed)} each time it runs, and a checkpoint runs it twice; put it in eval() "
            "mode, or use one without running statistics, such as GroupNorm"
        )
    if not _equal(*runs):
        raise CheckpointError(f"{title} is not deterministic: with equal random numbers its second run differs")


def _equal(a: Any, b: Any) -> bool:
    return a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())


@contextmanager
def keeping(module: Any) -> Iterator[None]:
    """A block that begins without gradients, and after which gradients and buffers are as before."""
    gradients = [(parameter, parameter.grad) for parameter in module.parameters()]
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    try:
        for parameter, _ in gradients:
            parameter.grad = None
        yield
    finally:
        for parameter, gradient in gradients:
            parameter.grad = gradient
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)


@contextmanager
def _undisturbed(module: Any, device: Any) -> Iterator[None]:
    """A block after which gradients, buffers and random numbers are as before."""
    devices = [device] if device.type == "cuda" else []
    with keeping(module), torch.random.fork_rng(devices=devices), torch.enable_grad():
        yield


def _storage(tensor: Any) -> Any:
    return tensor.untyped_storage()


def _pointer(tensor: Any) -> int:
    return int(_storage(tensor).data_ptr())


def _forget(tensor: Any) -> None:
    return None


def _never(packed: Any) -> Any:
    raise AssertionError("nothing goes backward here")
