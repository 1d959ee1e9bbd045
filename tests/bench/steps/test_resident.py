"""The resident set of a process of its own."""

import numpy as np

from bench.steps.cases import MIB, Case
from bench.steps.resident import resident_of
from bench.steps.ways import PLAIN, Way
from checkpoint import every_nth


def test_resident_set_of_a_process_apart_sees_the_step_and_not_this_process() -> None:
    case = Case("wide", "a test", (256, *[256] * 8, 10), 8192, every=2, row_block_mib=None)  # 8 MiB a layer
    here = np.ones(512 * MIB, np.uint8)
    plain = resident_of(Way(PLAIN, "ours"), case)
    checkpointed = resident_of(Way("every 4th", "ours", schedule=every_nth(n_layers=9, n=4)), case)
    assert here.nbytes > 400 * MIB
    assert 60 * MIB < plain.above_start_bytes < 160 * MIB
    assert checkpointed.above_start_bytes < plain.above_start_bytes - 8 * MIB
    assert plain.above_start_bytes < plain.peak_bytes < 512 * MIB
