"""A team of threads for one compiled job at a time: whoever asks for it works too, and waits until all are done.

A step of a small network takes a tenth of a millisecond, so a job has to reach the other threads in about one
microsecond. Those wait for it busily, but not for long: after some tenths of a millisecond they sleep, and a job that
finds them asleep is done without them and wakes them for the next one. What is computed does not depend on how many
take part. Python threads that hand a product to each other by locks, BLAS on one thread in each, made 1.3 10^11
operations a second where such busy ones make 2.0 10^11.

Threads share words of 64 bits. A worker's own word says what it is at; only it and whoever has the team change it.
"""

import ctypes
import mmap
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from numba import njit

from backend.numpy.kernels.shared_words import load_word, pause, store_word, swap_word, yield_core

LINE = 8
"""Words in a line of the cache. What different threads write lies in different lines."""

FIELDS = 32
"""Words that describe a job. The first are for the team: the job's number of parts, the scratch memory, what runs a
part, and the runners to choose from, of float32 and float64."""
PARTS, SCRATCH, SCRATCH_EACH, RUN, RUN_32, RUN_64, FIRST_FIELD = range(7)

MOST_THREADS = 64
PROGRESS = FIELDS  # how far each part of a job is
WHOSE = 1  # beside it, the worker that has the part
STATES = PROGRESS + MOST_THREADS * LINE  # what each worker is at
WORDS = STATES + MOST_THREADS * LINE

ABSENT, ASLEEP, WAKING, IDLE, CHOSEN, WORKING = -3, -2, -1, 0, 1, 2
"""A worker's states; WORKING + p is at work on part p."""

FINISHED = 2**62
SPINS = 4000
"""How often a worker looks for a job before it sleeps: some tenths of a millisecond."""
SPINS_ALONE = 200
"""How often it looks before it begins to let other threads have its core."""


def thread_count() -> int:
    """Threads that a job may have: the cores that this process may use, or fewer if OMP_NUM_THREADS says so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return max(1, min(cores, int(wanted) if wanted.isdigit() and int(wanted) else cores, MOST_THREADS))


@njit(nogil=True, cache=True)
def choose(words, wanted):  # type: ignore[no-untyped-def]
    """Take up to `wanted` - 1 idle workers, and set the number of parts and their progress; gives that number.

    Fill in the job's other fields then, and `start` it.
    """
    parts = 1
    for worker in range(1, MOST_THREADS):
        if parts == wanted:
            break
        if swap_word(words + 8 * (STATES + worker * LINE), IDLE, CHOSEN):
            store_word(words + 8 * (PROGRESS + parts * LINE), 0)
            store_word(words + 8 * (PROGRESS + parts * LINE + WHOSE), worker)
            parts += 1
    store_word(words + 8 * PROGRESS, 0)
    store_word(words + 8 * PARTS, parts)
    return parts


@njit(nogil=True, cache=True)
def start(words, parts):  # type: ignore[no-untyped-def]
    """Let the chosen workers begin."""
    for part in range(1, parts):
        worker = load_word(words + 8 * (PROGRESS + part * LINE + WHOSE))
        store_word(words + 8 * (STATES + worker * LINE), WORKING + part)


@njit(nogil=True, cache=True)
def arrive(words, part, place):  # type: ignore[no-untyped-def]
    """Say that `part` has come to `place`, 1, 2, ..., and wait until all parts have."""
    store_word(words + 8 * (PROGRESS + part * LINE), place)
    wait_for_all(words, place)


@njit(nogil=True, cache=True)
def wait_for_all(words, place):  # type: ignore[no-untyped-def]
    """Wait until each part has come to `place`."""
    for other in range(load_word(words + 8 * PARTS)):
        spins = 0
        while load_word(words + 8 * (PROGRESS + other * LINE)) < place:
            spins += 1
            if spins > SPINS_ALONE:
                yield_core()
            else:
                pause()


@njit(nogil=True, cache=True)
def finish(words):  # type: ignore[no-untyped-def]
    """Wait until all parts of the job are done; the first part is the caller's own."""
    store_word(words + 8 * PROGRESS, FINISHED)
    wait_for_all(words, FINISHED)


@njit(nogil=True, cache=True)
def next_part(words, worker):  # type: ignore[no-untyped-def]
    """Wait for a job; gives the number of the part that `worker` has in it, or 0 when it has gone to sleep."""
    state = words + 8 * (STATES + worker * LINE)
    spins = 0
    while True:
        found = load_word(state)
        if found >= WORKING:
            return found - WORKING
        if found == IDLE:
            spins += 1
            if spins > SPINS and swap_word(state, IDLE, ASLEEP):
                return 0
        if spins > SPINS_ALONE:
            yield_core()
        else:
            pause()


@njit(nogil=True, cache=True)
def leave(words, worker, part):  # type: ignore[no-untyped-def]
    """Say that `worker` has done its part."""
    store_word(words + 8 * (STATES + worker * LINE), IDLE)
    store_word(words + 8 * (PROGRESS + part * LINE), FINISHED)


class Team:
    """Up to `threads` threads, the caller's one of them. `serve(words, worker)` is the compiled loop of a worker.

    Jobs are only begun by who holds the `lock`. `words` is the address of what all share.
    """

    def __init__(self, threads: int, serve: Callable[[int, int], Any]) -> None:
        self.threads = threads
        self._serve = serve
        self.lock = threading.Lock()
        self._memory = _memory(8 * WORDS)
        self.words = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._view = (ctypes.c_int64 * WORDS).from_address(self.words)
        self._bells: list[threading.Semaphore] = []
        self._scratch: list[mmap.mmap] = []
        self._begin_alone()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin_alone)

    def _begin_alone(self) -> None:
        """Without workers: at first, and in a forked process, where threads are not copied."""
        self.lock = threading.Lock()
        self._bells = []
        for worker in range(MOST_THREADS):
            self._view[STATES + worker * LINE] = ABSENT

    def wake(self) -> None:
        """Wake who sleeps, and hire who is missing."""
        for worker in range(1, self.threads):
            if worker > len(self._bells):
                self._bells.append(threading.Semaphore(1))
                self._view[STATES + worker * LINE] = WAKING
                threading.Thread(target=self._work, args=(worker,), name=f"kernels {worker}", daemon=True).start()
            elif self._view[STATES + worker * LINE] == ASLEEP:
                self._view[STATES + worker * LINE] = WAKING
                self._bells[worker - 1].release()

    def reserve(self, bytes_each: int) -> None:
        """Have scratch memory of so many bytes for each thread."""
        if bytes_each <= self._view[SCRATCH_EACH]:
            return
        each = -(-bytes_each // 4096) * 4096
        memory = _memory(each * self.threads)
        self._scratch = [memory]
        self._view[SCRATCH] = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        self._view[SCRATCH_EACH] = each

    def set_runner(self, dtype: str, address: int) -> None:
        """Have the compiled function at `address` do the parts of jobs of "float32" or "float64" arrays."""
        self._view[RUN_32 if dtype == "float32" else RUN_64] = address

    def _work(self, worker: int) -> None:
        bell = self._bells[worker - 1]
        while True:
            bell.acquire()
            self._view[STATES + worker * LINE] = IDLE
            self._serve(self.words, worker)


def _memory(size: int) -> mmap.mmap:
    """Memory of no array library, so that no meter of arrays counts it, and of this process alone."""
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
