"""The CuPy backend's rules of optimizers, one launch each, in place; and a gradient's norm. See `optimizers.cu`."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

from backend.cupy.kernels.elementwise import launch
from backend.cupy.kernels.launching import here, not_to_record
from backend.cupy.kernels.layout import item_of, side_by_side, vector
from backend.cupy.kernels.source import THREADS, function, values_at_once
from backend.cupy.kernels.sums import BUSY_BLOCKS
from backend.rules import RULES, RuleNumbers

LOOKS = 8
"""Values of each thread, at least, before another block takes part in a norm."""


def apply_rule(w: Any, g: Any, kept: Sequence[Any], rule: str, numbers: RuleNumbers) -> None:
    """Change `w` by its gradient `g`, and the arrays `kept`, by a rule of `backend.rules`."""
    if rule not in RULES:
        raise ValueError(f"unknown rule {rule!r}; choose {' or '.join(RULES)}")
    names = RULES[rule]
    item = item_of(w, g, *kept)
    rows, columns, leadings = side_by_side(w, g, *kept)
    arrays = (w, g, *kept)
    places = [(array.data.ptr, leading) for array, leading in zip(arrays, leadings, strict=True)]
    by_name = dict(zip(names, zip(kept, leadings[2:], strict=True), strict=True))
    velocity = by_name.get("velocity") or by_name.get("mean") or (0, 0)
    slots = (w, leadings[0], g, leadings[1], *velocity, *by_name.get("square", (0, 0)))
    values = values_at_once(item, rows, *places)
    of_step = _of_step(w, numbers)
    of_kernel = [0.0 if of_step[2] else float(value) for name, value in numbers._asdict().items() if name != "clip"]
    arguments = *of_kernel, *of_step
    launch(f"rule_{rule}", item, values, rows, columns, slots, arguments, "optimizers")


def _of_step(w: Any, numbers: RuleNumbers) -> tuple[int, int, int]:
    """The watched step, the layer, and where the numbers are on the device; 0 where they are not the step's."""
    step = here.watched
    if step is None:
        return 0, 0, 0
    if numbers == (step.rule if w.ndim == 2 else step.rule.of_bias):
        return step.address, step.layer, step.numbers_address + (0 if w.ndim == 2 else 64)
    not_to_record("a layer has numbers of its own in the optimizer's rule")
    return step.address, step.layer, 0


def gradient_norm(weight: Any, bias: Any, scratch: int, answer: Any) -> float:
    """The norm of a layer's gradient, both without gaps, by way of `answer`, room for 8 bytes.

    `scratch` is the address of `SCRATCH_BYTES` of device memory, see `backend.cupy.kernels.sums`.
    """
    not_to_record("the host asks for the norm of a gradient")
    item, parts = item_of(weight, bias), 0
    for array in (weight.reshape(-1), bias):
        vector(array, array.size)
        blocks = max(1, min(BUSY_BLOCKS, array.size // (THREADS * LOOKS)))
        function("optimizers", item, "squares")((blocks,), (THREADS,), (array, array.size, scratch + 8 * parts))
        parts += blocks
    function("optimizers", item, "add_up")((1,), (THREADS,), (scratch, parts, answer))
    return sqrt(float(answer.view("float64").get()[0]))
