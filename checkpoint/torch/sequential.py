"""A `torch.nn.Sequential` that keeps to a budget of bytes: its layers in nested segments of `torch.utils.checkpoint`.

Gradients and buffers are bit-identical to the module's own, and its parameters are shared with it.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from torch.utils.checkpoint import checkpoint

from checkpoint.arguments import whole_number
from checkpoint.errors import BudgetError, CheckpointError
from checkpoint.schedule.layers import GeneralChain
from checkpoint.schedule.nested import Interval
from checkpoint.torch.candidates import Candidate, chains, equal_splits, planned
from checkpoint.torch.library import torch
from checkpoint.torch.meter import allocated
from checkpoint.torch.model import LayerTrace, is_segment, parts_of
from checkpoint.torch.trace import keeping, step_backward, traces_of
from checkpoint.units import format_bytes, least_bytes, parse_bytes


@dataclass(frozen=True, slots=True)
class SequentialPlan:
    """Nested segments within `budget_bytes`, and what a step of them is predicted to take.

    Bytes are above parameters and mini-batch, with the gradients that a step makes; a loss is the caller's. `chosen`
    has its name, the nested intervals and the prediction; `equal` is the fastest split of `checkpoint_sequential`
    within the same budget, or None where none fits. `store_all` is the module as it is. The choice is the fastest of
    the candidates by predicted seconds: those planned on the measured chain, and all equal splits.
    """

    budget_bytes: int
    chosen: Candidate
    store_all: Candidate
    equal: Candidate | None
    traces: tuple[LayerTrace, ...]

    @property
    def peak_bytes(self) -> int:
        """The predicted peak."""
        return self.chosen.predicted.peak_bytes

    @property
    def recompute_fraction(self) -> float:
        """Seconds of running layers again, over those of a forward pass."""
        once = sum(trace.forward_seconds for trace in self.traces)
        return self.chosen.predicted.recomputed_seconds / once if once else 0.0

    def __repr__(self) -> str:
        """The peak, and what it costs."""
        return (
            f"<SequentialPlan: {self.chosen.name}, {format_bytes(self.peak_bytes)} predicted of a budget of "
            f"{format_bytes(self.budget_bytes)}, {self.recompute_fraction:.2f} of a forward pass recomputed>"
        )


class PlannedSequential(torch.nn.Sequential):  # type: ignore[misc]
    """The layers of a Sequential, run in the nested segments of `plan` wherever gradients are wanted.

    Layers, parameters and names are the module's own: a `state_dict` of one is that of the other. A deep copy, or what
    comes out of pickle, has the plan.
    """

    def __init__(self, module: Any, plan: SequentialPlan) -> None:
        super().__init__()
        for name, layer in module.named_children():
            self.add_module(name, layer)
        self.training = module.training
        self.plan = plan

    def forward(self, input: Any) -> Any:
        """What the module itself returns. Raises `CheckpointError` where a layer would change twice."""
        layers = list(self.children())
        if not torch.is_grad_enabled():
            return _run(layers, Interval(0, len(layers)), input)
        _check_training(self)
        return _run(layers, self.plan.chosen.whole, input)


def plan_sequential(module: Any, sample: Any, *, budget_bytes: int | str) -> PlannedSequential:
    """`module` in nested segments whose step on a batch like `sample` keeps to `budget_bytes`; `.plan` says how.

    Layers are measured on `sample`, one at a time, on its device. `budget_bytes` is a whole number, or text such as
    "64MiB", or "50%" of what the module takes as it is; it counts what a step holds above parameters and mini-batch,
    gradients among it. As seconds are measured anew, two calls may choose differently. Raises `BudgetError`, which has
    the least peak that this call found, and `CheckpointError` for a module that is no Sequential and for layers that
    cannot run twice alike, by name: BatchNorm in training, say.
    """
    traces = _measured(module, sample)
    segment_bytes = int(torch.get_rng_state().nbytes)
    splits = list(equal_splits(traces, segment_bytes=segment_bytes))
    whole_bytes = splits[0].predicted.peak_bytes
    budget = _budget(budget_bytes, whole_bytes)
    candidates = [*splits, *planned(traces, budget, segment_bytes=segment_bytes)]
    fitting = [candidate for candidate in candidates if candidate.predicted.peak_bytes <= budget]
    if not fitting:
        least = min(candidate.predicted.peak_bytes for candidate in candidates)
        raise BudgetError(
            f"budget {format_bytes(budget)} is below the smallest peak found for this module, {least_bytes(least)}; "
            "raise the budget or shrink the batch",
            budget_bytes=budget,
            minimum_bytes=least,
        )
    equal = min((one for one in fitting if one.segments is not None), key=lambda one: one.order, default=None)
    chosen = min(fitting, key=lambda one: one.order)
    return PlannedSequential(module, SequentialPlan(budget, chosen, splits[0], equal, tuple(traces)))


def measured_chain(module: Any, sample: Any) -> GeneralChain:
    """The general chain of `module`, measured on `sample`, for `plan --chain` in JSON; its costs are nanoseconds."""
    return chains(_measured(module, sample))[0][1]


def measured_peak(module: Any, sample: Any) -> int:
    """The most bytes that one step of `module` on `sample` allocates, forward and backward, above those at the start.

    The output is held, and gradients do not exist before. Gradients and buffers are left as they were.
    """

    def step() -> Any:
        output = module(sample)
        step_backward(output)
        return output

    with keeping(module):
        return allocated(step, sample.device).peak_bytes


def _budget(budget: int | str, whole_bytes: int) -> int:
    if isinstance(budget, str):
        return parse_bytes(budget, whole_bytes=whole_bytes)
    return whole_number("budget_bytes", budget, least=0)


def _measured(module: Any, sample: Any) -> list[LayerTrace]:
    if not isinstance(module, torch.nn.Sequential) or type(module).forward is not torch.nn.Sequential.forward:
        raise CheckpointError(
            f"wanted a torch.nn.Sequential that runs its layers in order; got {type(module).__name__}"
        )
    if len(module) == 0:
        raise CheckpointError("the Sequential has no layers; add some")
    if not isinstance(sample, torch.Tensor):
        raise CheckpointError(f"sample must be a tensor, a batch of inputs; got {type(sample).__name__}")
    _check_training(module)
    return traces_of(module, sample)


def _check_training(module: Any) -> None:
    """Raise `CheckpointError` for layers with running statistics that are in training mode."""
    for name, layer in module.named_modules():
        if layer.training and getattr(layer, "running_mean", None) is not None:
            raise CheckpointError(
                f"layer {name} ({type(layer).__name__}) counts each run in its running statistics, and a checkpoint "
                "runs it twice; put it in eval() mode, or use one without them, such as GroupNorm"
            )


def _run(layers: list[Any], interval: Interval, x: Any) -> Any:
    for part in parts_of(interval):
        if is_segment(part):
            x = checkpoint(partial(_run, layers, part), x, use_reentrant=False, preserve_rng_state=True)
        else:
            x = layers[part.start](x)
    return x
