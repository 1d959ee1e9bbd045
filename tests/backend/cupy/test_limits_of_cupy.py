"""CuPy's own memory limit and its cache of compiled kernels: named where they are what stops us."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.cupy import detection
from tests.backend.cupy.saying import say_why, stand_in

# CuPy's own limit


def test_cupy_s_limit_is_named_where_nothing_can_be_allocated() -> None:
    stand_in()
    assert say_why(CUPY_GPU_MEMORY_LIMIT="100") == [
        "nothing can be allocated on CUDA device 0: CUPY_GPU_MEMORY_LIMIT is 100 bytes",
        "raise CUPY_GPU_MEMORY_LIMIT, or unset it",
    ]


LIMITED = """
from backend import OutOfDeviceMemory, select_backend
backend = select_backend("cupy")
assert (backend.limit_bytes, backend.device_memory().limit_bytes) == (None, 300_000)
a = backend.empty((25_000,), "float32")
assert backend.device_memory().free_bytes == 300_000 - 100_352
for size in (60_000, 10**12):
    try:
        backend.empty((size,), "float32")
    except OutOfDeviceMemory as error:
        print(error, error.limit_bytes, error.limit_name)
"""


def test_cupy_s_limit_is_named_where_it_is_what_limits() -> None:
    stand_in()
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        env=os.environ | {"CUPY_GPU_MEMORY_LIMIT": "300000"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    remedy = "raise CUPY_GPU_MEMORY_LIMIT, give a smaller budget, or shrink the batch 300000 CUPY_GPU_MEMORY_LIMIT"
    assert done.stdout.splitlines() == [
        f"out of device memory: asked for {asked} bytes with 100,352 in use, and CUPY_GPU_MEMORY_LIMIT is 300,000; "
        f"{remedy}"
        for asked in ("240,000", "4,000,000,000,000")
    ]


# CuPy's cache


def unwritable(folder: Path, reason: str) -> list[str]:
    said = f"CuPy's cache of compiled kernels, {folder}, cannot be written to ({reason})"
    return [said, "set CUPY_CACHE_DIR to a folder that can"]


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    stand_in()
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "cache"
    assert say_why(CUPY_CACHE_DIR=str(folder)) == unwritable(folder, "Not a directory")


FAILS_TO_WRITE = """
import errno, os, tempfile
import cupy
def fail(*_, dir=None, **__):
    raise {error}
tempfile.NamedTemporaryFile = fail
"""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.path.join(dir, 'tmp'))", "Permission denied"),
        ("OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))", "No space left on device"),
    ],
)
def test_a_cache_that_cannot_be_written_to_is_named(tmp_path: Path, error: str, reason: str) -> None:
    stand_in()
    said = say_why(first=FAILS_TO_WRITE.format(error=error), CUPY_CACHE_DIR=str(tmp_path))
    assert said == unwritable(tmp_path, reason)


def test_a_file_elsewhere_is_not_the_cache_s() -> None:
    assert not detection._concerns_the_cache(FileNotFoundError(2, "No such file", "/usr/lib/libcublas.so"))
    assert not detection._concerns_the_cache(OSError("libcublas.so: cannot open shared object file"))
