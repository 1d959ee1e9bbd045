"""NumPy's meter: array bytes, exactly, and nothing else."""

import os
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from backend import MeterError, select_backend
from tests.conftest import NumpyBackend, ReadOnlyNumpy

MIB = 2**20


@pytest.fixture(params=[NumpyBackend, ReadOnlyNumpy])
def numpy_backend(request: pytest.FixtureRequest) -> NumpyBackend:
    return request.param()


@pytest.fixture
def tracing() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("n_bytes", [1, 7, 511, 1024, 1025, 4096, 3 * MIB + 1])
@pytest.mark.parametrize("make", [np.empty, np.zeros], ids=["empty", "zeros"])
def test_peak_is_exactly_the_bytes_of_an_array(numpy_backend, make, n_bytes):
    with numpy_backend.measure() as usage:
        a = make(n_bytes, dtype=np.uint8)
    assert (usage.peak_bytes, usage.end_bytes) == (a.nbytes, a.nbytes)


def test_peak_is_the_most_at_any_moment_and_not_the_sum(numpy_backend):
    with numpy_backend.measure() as usage:
        a = np.empty(1000, np.uint8)
        b = np.empty(500, np.uint8)
        del a
        c = np.empty(700, np.uint8)
        del b, c
    assert (usage.peak_bytes, usage.end_bytes) == (1500, 0)


def test_temporaries_of_an_expression_are_counted(numpy_backend):
    x = np.ones(1000)
    with numpy_backend.measure() as usage:
        x += x * x
    assert (usage.peak_bytes, usage.end_bytes) == (8000, 0)


def test_views_and_writes_in_place_cost_nothing(numpy_backend):
    x = np.ones((100, 100))
    with numpy_backend.measure() as usage:
        view = x[10:, 3:]
        np.add(view, view, out=view)
        np.negative(x.reshape(-1), out=x.reshape(-1))
    assert (usage.peak_bytes, usage.end_bytes) == (0, 0)


def test_resized_array_counts_its_new_size(numpy_backend):
    with numpy_backend.measure() as usage:
        a = np.empty(1000, np.uint8)
        a.resize(3000, refcheck=False)
    assert usage.end_bytes == 3000


def test_python_objects_are_not_counted(numpy_backend):
    with numpy_backend.measure() as usage:
        objects = [bytearray(MIB), list(range(100_000)), "text" * 100_000, {i: str(i) for i in range(10_000)}]
    assert (usage.peak_bytes, usage.end_bytes, len(objects)) == (0, 0, 4)


def test_arrays_from_before_the_block_are_not_missed_when_they_go(numpy_backend):
    before = np.ones(MIB, np.uint8)
    with numpy_backend.measure() as usage:
        del before
        a = np.empty(1000, np.uint8)
        del a
    assert (usage.peak_bytes, usage.end_bytes) == (1000, 0)


def test_marks_are_the_bytes_live_at_their_moments(numpy_backend):
    with numpy_backend.measure() as usage:
        usage.mark()
        a = np.empty(1000, np.uint8)
        usage.mark()
        b = np.empty(234, np.uint8)
        usage.mark()
        del a
        usage.mark()
        del b
    usage.mark()  # after the block there is nothing to measure
    assert usage.marks == [0, 1000, 1234, 234]


def test_nested_blocks_measure_from_their_own_starts(numpy_backend):
    with numpy_backend.measure() as outer:
        a = np.empty(1000, np.uint8)
        with numpy_backend.measure() as inner:
            b = np.empty(300, np.uint8)
            inner.mark()
            outer.mark()
            del b
        c = np.empty(100, np.uint8)
        del a, c
    assert (inner.peak_bytes, inner.end_bytes, inner.marks) == (300, 0, [300])
    assert (outer.peak_bytes, outer.end_bytes, outer.marks) == (1300, 0, [1300])


def test_outer_block_keeps_its_peak_from_before_an_inner_block(numpy_backend):
    with numpy_backend.measure() as outer:
        a = np.empty(5000, np.uint8)
        del a
        with numpy_backend.measure() as inner:
            b = np.empty(10, np.uint8)
            del b
    assert (outer.peak_bytes, inner.peak_bytes) == (5000, 10)


def test_inner_block_that_frees_the_outer_one_s_arrays_ends_below_its_start(numpy_backend):
    with numpy_backend.measure() as outer:
        a = np.empty(1000, np.uint8)
        with numpy_backend.measure() as inner:
            del a
    assert (inner.peak_bytes, inner.end_bytes, outer.peak_bytes) == (0, -1000, 1000)


@pytest.mark.parametrize("times", [2, 50])
def test_measuring_again_gives_the_same(numpy_backend, times):
    peaks = set()
    for _ in range(times):
        with numpy_backend.measure() as usage:
            np.empty(1000, np.uint8)
        peaks.add(usage.peak_bytes)
    assert peaks == {1000}


def test_block_that_fails_is_measured_and_leaves_no_tracing_behind(numpy_backend):
    with pytest.raises(ValueError, match="could not broadcast"), numpy_backend.measure() as usage:
        np.copyto(np.empty(1000, np.uint8), np.empty(10, np.uint8))
    assert usage.peak_bytes == 1010
    assert not tracemalloc.is_tracing()


def test_arrays_of_another_thread_are_counted(numpy_backend):
    with numpy_backend.measure() as usage:
        thread = threading.Thread(target=np.empty, args=(12_345, np.uint8))
        thread.start()
        thread.join()
    assert (usage.peak_bytes, usage.end_bytes) == (12_345, 0)


def test_tracemalloc_that_is_on_already_is_refused(numpy_backend, tracing):
    with pytest.raises(MeterError, match=r"tracemalloc is on already.*stop it"), numpy_backend.measure():
        pass
    assert tracemalloc.is_tracing()


TRACED_FROM_THE_START = """
import tracemalloc, warnings, numpy as np
from backend import select_backend
warnings.simplefilter("always")
held = np.ones(1000)
with warnings.catch_warnings(record=True) as caught, select_backend("numpy").measure() as usage:
    a = np.empty(300, np.uint8)
    objects = [bytearray(10**6)]
    del held
print(usage.peak_bytes, usage.end_bytes, [w.category.__name__ for w in caught])
print(tracemalloc.is_tracing(), tracemalloc.get_traceback_limit())
later = bytearray(10**6)
print(tracemalloc.get_traced_memory()[0] > 10**6)
"""


@pytest.mark.parametrize("options", [(), ("-X", "tracemalloc=3")])
def test_tracing_that_python_was_started_with_is_interrupted(options):
    environment = os.environ | ({} if options else {"PYTHONTRACEMALLOC": "3"})
    command = [sys.executable, *options, "-c", TRACED_FROM_THE_START]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["300 300 ['RuntimeWarning']", "True 3", "True"]


def test_meter_works_after_a_refusal(numpy_backend):
    tracemalloc.start()
    with pytest.raises(MeterError), numpy_backend.measure():
        pass
    tracemalloc.stop()
    with numpy_backend.measure() as usage:
        np.empty(77, np.uint8)
    assert usage.peak_bytes == 77


def test_backend_without_a_meter_says_so(backend):
    if backend.name != "array-api-strict":
        pytest.skip(f"{backend.name} has a meter")
    with pytest.raises(MeterError, match="array-api-strict backend has no meter; measure on numpy or cupy"):
        backend.measure().__enter__()


def test_resident_peak_remembers_what_has_been_freed():
    code = (
        "import numpy as np; from backend import peak_resident_bytes, resident_bytes\n"
        "before = resident_bytes(); np.ones(100 * 2**20, np.uint8)\n"
        "print(peak_resident_bytes() - before, resident_bytes() - before)"
    )
    peak, now = map(int, subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout.split())
    assert peak > 95 * MIB > now


def test_resident_peak_is_not_that_of_the_process_that_started_it():
    child = "from backend import peak_resident_bytes; print(peak_resident_bytes())"
    code = (
        "import subprocess, sys; import numpy as np; large = np.ones(512 * 2**20, np.uint8)\n"
        f"print(subprocess.run([sys.executable, '-c', {child!r}], check=True, capture_output=True, text=True).stdout)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(found.stdout) < 400 * MIB


def test_selected_numpy_backend_measures():
    with select_backend("numpy").measure() as usage:
        np.empty(5, np.uint8)
    assert usage.peak_bytes == 5
