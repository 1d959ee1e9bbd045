"""The team of threads: forks, signals, callers at once, no threads to be had, no memory, and how many there may be."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend import select_backend

ROOT = Path(__file__).parents[3]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="as Linux does it")


def forward(backend: Any, rows: int = 256) -> bytes:
    """A layer's output, large enough for several threads."""
    random = np.random.default_rng(1)
    a, W, b = (random.normal(size=shape).astype("float32") for shape in ((rows, 96), (96, 96), (96,)))
    out = np.empty((rows, 96), "float32")
    backend.forward_layer_(a, W, b, "sigmoid", out=out)
    return out.tobytes()


def in_a_process(code: str, **environment: str) -> str:
    """What `code` prints in a process of its own, within a minute."""
    command = [sys.executable, "-c", f"from tests.backend.numpy.test_team import *\n{code}"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=60, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_workers_sleep_when_there_is_nothing_to_do_and_come_back(compiled):
    compiled.engine.threads = 3
    wanted = forward(compiled)
    time.sleep(0.1)
    assert [forward(compiled) == wanted for _ in range(20)] == [True] * 20


def test_workers_that_sleep_take_no_time(compiled):
    compiled.engine.threads = 3
    forward(compiled)
    time.sleep(0.1)
    before = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - before < 0.1


@linux
def test_workers_on_the_caller_s_core_are_woken_for_each_job(compiled):
    code = """
backend = select_backend("numpy")
backend.engine.threads = 1
wanted = forward(backend)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
backend.engine.threads = 3
print([forward(backend) == wanted for _ in range(200)] == [True] * 200)
"""
    assert in_a_process(code) == "True"


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_several_threads_of_the_caller_s_may_ask_at_once(threads, compiled):
    compiled.engine.threads = threads
    wanted, right = forward(compiled), []
    callers = [
        threading.Thread(target=lambda: right.extend(forward(compiled) == wanted for _ in range(50))) for _ in range(3)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert right == [True] * 150


def _in_a_fork(queue: Any) -> None:
    queue.put(forward(select_backend("numpy")))


@linux
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # a fork leaves the threads behind
def test_forked_process_has_a_team_of_its_own(compiled):
    compiled.engine.threads = 3
    wanted = forward(compiled)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_fork, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == wanted
    child.join()
    assert forward(compiled) == wanted


@linux
def test_fork_while_another_thread_is_in_a_step_leaves_a_team_that_works(compiled):
    code = """
import signal
backend = select_backend("numpy")
backend.engine.threads = 3
wanted, stop = forward(backend), threading.Event()
def keep_busy():
    while not stop.is_set():
        forward(backend, 4096)
busy = threading.Thread(target=keep_busy)
busy.start()
for _ in range(20):
    child = os.fork()
    if not child:
        signal.alarm(30)
        os._exit(0 if forward(backend) == wanted else 1)
    print(os.waitpid(child, 0)[1])
stop.set()
busy.join()
"""
    assert in_a_process(code, PYTHONWARNINGS="ignore").split() == ["0"] * 20


@linux
def test_signal_handler_that_runs_a_step_during_a_step_does_not_hang(compiled):
    code = """
import signal
backend = select_backend("numpy")
backend.engine.threads = 2
wanted, right = forward(backend), []
signal.signal(signal.SIGALRM, lambda *_: right.append(forward(backend) == wanted))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
ended = time.monotonic() + 2
while time.monotonic() < ended and len(right) < 200:
    assert forward(backend) == wanted
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(right) >= 20, all(right))
"""
    assert in_a_process(code) == "True True"


@linux
def test_signals_are_not_taken_by_workers(compiled):
    compiled.engine.threads = 3
    forward(compiled)
    blocked = []
    for task in Path("/proc/self/task").iterdir():
        if int(task.name) not in {thread.native_id for thread in threading.enumerate()}:
            fields = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
            blocked.append(int(fields["SigBlk"], 16) >> 1 & 1)  # SIGINT
    assert sum(blocked) >= 2  # BLAS's own threads are here too


@linux
def test_no_more_threads_to_be_had_is_no_fault(compiled):
    code = """
backend = select_backend("numpy")
backend.engine.threads = 1
wanted = forward(backend)
backend.engine.threads = 3
import resource
limit = resource.getrlimit(resource.RLIMIT_AS)
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 2**18, limit[1]))  # no room for a thread's stack, or for its scratch
print(forward(backend) == wanted, backend.engine.library.engine_threads())
resource.setrlimit(resource.RLIMIT_AS, limit)
time.sleep(1.1)
print(forward(backend) == wanted, backend.engine.library.engine_threads())
"""
    assert in_a_process(code, OPENBLAS_NUM_THREADS="1").split() == ["True", "1", "True", "3"]


@linux
def test_no_scratch_memory_is_a_memory_error_and_nothing_is_done(compiled):
    code = """
import resource
backend = select_backend("numpy")
W = np.ones((40_000, 600), "float32")  # panels of 40,000 terms are several MiB
a, b, out = np.ones((1, 40_000), "float32"), np.zeros(600, "float32"), np.full((1, 600), 7, "float32")
limit = resource.getrlimit(resource.RLIMIT_AS)
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 2**18, limit[1]))
try:
    backend.forward_layer_(a, W, b, "identity", out=out)
except MemoryError as error:
    print("scratch" in str(error), (out == 7).all())
resource.setrlimit(resource.RLIMIT_AS, limit)
backend.forward_layer_(a, W, b, "identity", out=out)
print((out == 40_000).all())
"""
    assert in_a_process(code, OPENBLAS_NUM_THREADS="1").split() == ["True", "True", "True"]
