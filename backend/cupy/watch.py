"""The watch over steps on a GPU: bad numbers are noted on the device, and looked at when the next step begins.

The device writes to a word of the host's pinned memory where it meets one, and reads there never, so looking at the
word is neither a copy nor a wait. The device refuses a bad step and all that come after it, see `watch.cuh`, so however
far the host is ahead, the weights are those from before. CuPy is imported when a `CupyWatch` is made.
"""

from typing import Any

import numpy as np

from backend.cupy.kernels.launching import CLOSED_CODE, OUTPUT_CODE, StepRate, here, run
from backend.cupy.kernels.source import function
from backend.cupy.outside import OutsideMemory
from backend.rules import RuleNumbers
from backend.watching import Bad, Watch

STEP_BYTES = 176
"""The struct Step of watch.cuh, for float and double alike."""

MINUS_RATE, KEEP, RULE_NUMBERS = 16, 24, 32
"""Where in it are what products read, and the numbers of the rule: 8 for weights, then 8 for biases."""

NUMBERS = 2**31
"""Numbers of steps are noted modulo this."""

NO_RULE = RuleNumbers(0.0)


class CupyWatch(Watch):
    """The watch over steps in C type `item` on `device`, a `cupy.cuda.Device`."""

    def __init__(self, device: Any, item: str) -> None:
        import cupy

        self._device, self._item = device, item
        with device:
            self._step = OutsideMemory(device.id, "watched steps", STEP_BYTES)
            self._pinned = cupy.cuda.PinnedMemoryPointer(cupy.cuda.PinnedMemory(8), 0)
            self._step.pointer.memset_async(0, STEP_BYTES)
        self._word = np.frombuffer(self._pinned, np.uint64, 1)
        self._word[0] = 0
        self.address = self._step.ptr
        self.minus_rate_address, self.keep_address = self.address + MINUS_RATE, self.address + KEEP
        self.numbers_address = self.address + RULE_NUMBERS
        self.keep, self._number = 1.0, 0
        self.rule = NO_RULE
        self._around: Any = None

    def begin(self, number: int, rate: float, rule: RuleNumbers | None) -> float:
        self._number, self.rule, self.keep = number, rule or NO_RULE, 1.0
        step = StepRate(rate)
        numbers = (*self.rule[:4], *self.rule[5:])
        kernel = function("steps", self._item, "begin_step")
        with self._device:
            run(kernel, (1,), (1,), (self.address, number % NUMBERS, rate, *numbers, self._pinned.ptr))
        self.is_open, self._around, here.watched = True, here.watched, self
        return step

    def end(self) -> None:
        if self.is_open:
            self.is_open, here.watched = False, self._around

    def bad(self) -> Bad | None:
        word = int(self._word[0])
        if not word:
            return None
        number, code = divmod(word, 2**32)
        assert code != CLOSED_CODE  # noqa: S101
        step = self._number - (self._number - number) % NUMBERS
        kind, layer = ("output", OUTPUT_CODE - code) if code > OUTPUT_CODE // 2 else ("error", code)
        return Bad(step, kind, layer)

    def forget(self) -> None:
        with self._device:
            self._device.synchronize()
            self._step.pointer.memset_async(0, STEP_BYTES)
            self._word[0] = 0
