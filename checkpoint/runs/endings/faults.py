"""How a training ends when it is stopped, runs out of memory, or computes numbers that are not finite: in one line."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from backend import DeviceMemory, OutOfDeviceMemory, TransferError
from checkpoint.errors import Fault, VerificationError
from checkpoint.planning.process import batches_bytes
from checkpoint.runs.endings.advice import advice
from checkpoint.runs.endings.interruption import Interruption, Stopped
from checkpoint.runs.states.saver import Saver
from checkpoint.schedule.chain import Chain
from checkpoint.units import format_bytes
from mlp import TrainingError


@contextmanager
def watched(
    saver: Saver, chain: Chain, *, arena_bytes: int, pixels: bool = False, interruption: Interruption | None = None
) -> Iterator[Interruption]:
    """A block that trains. Signals, `MemoryError` and `TrainingError` leave it saying what was saved, and where.

    On a signal the state is saved. A step that failed has changed some layers and not others, so after it nothing is
    saved, and the last good state stays. `pixels`: whether the data's inputs are in uint8. `interruption`: another way
    to take signals.
    """
    try:
        with interruption or Interruption() as watching:
            yield watching
    except TrainingError as error:
        problem = f"{error.problem}; {saver.last_good}"
        raise TrainingError(problem, layer=error.layer, epoch=error.epoch, step=error.step) from None
    except VerificationError as error:
        problem = f"{saver.where}: {error}; {saver.last_good}"
        raise VerificationError(problem, layer=error.layer) from None
    except TransferError as error:
        raise Fault(f"{saver.where}: {error}; {saver.last_good}") from None
    except MemoryError as error:
        reason = error.reason if isinstance(error, OutOfDeviceMemory) else str(error) or "no reason given"
        traceback.clear_frames(error.__traceback__)  # which hold the step's arrays
        remedy = _advice(chain, arena_bytes, saver.backend.device_memory(), pixels=pixels)
        raise Fault(
            f"out of memory {saver.where}: {reason}; a step was to take {format_bytes(arena_bytes)} "
            f"above rest; {remedy}; {saver.last_good}"
        ) from None
    except Stopped as stop:
        stop.args = (f"stopped by {stop.name} {saver.where}; {_saved(saver, stop)}",)
        raise


def _saved(saver: Saver, stop: Stopped) -> str:
    if not stop.whole:
        return f"a step was under way; {saver.last_good}"
    try:
        saver.finish()
    except (Fault, TrainingError) as error:
        print(f"mlp-checkpointing: error: {error}", file=sys.stderr)
    return saver.last_good


def _advice(chain: Chain, arena_bytes: int, device: DeviceMemory | None, *, pixels: bool) -> str:
    free_bytes = None
    if device is not None:  # a step's own arrays are gone by now, and its mini-batch and the one after it too
        free_bytes = max(device.free_bytes - batches_bytes(chain, pixels=pixels), 0)
    try:
        return advice(chain, arena_bytes=arena_bytes, free_bytes=free_bytes)
    except MemoryError:  # nothing is left for planning either
        return "give a smaller --budget or --batch-size"
