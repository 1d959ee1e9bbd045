"""What `select_backend("cupy")` says in a process of its own, for tests of each case in which it is refused."""

import os
import subprocess
import sys

import pytest

from backend import BackendUnavailable
from backend.cupy.detection import count_devices

STAND_IN = os.environ.get("CUPY_ON_HOST_LIB")
"""Where CuPy's runtime is the one in host memory, its folder."""

SAY_WHY = """
import warnings
warnings.simplefilter("error")
from backend import BackendUnavailable, select_backend
try:
    backend = select_backend("cupy", device=DEVICE)
except BackendUnavailable as error:
    print(error.reason, error.remedy, sep="\\n")
else:
    print(backend.device_name, backend.device, sep="\\n")
"""


def say_why(*, first: str = "", device: int | None = None, **environment: str | None) -> list[str]:
    """The reason and the remedy, or the device's names, in a process that runs `first` and has this environment."""
    variables = {key: value for key, value in (os.environ | environment).items() if value is not None}
    code = f"{first}\n{SAY_WHY.replace('DEVICE', str(device))}"
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if not line.startswith("[emu]")] == []  # the stand-in's own words
    return done.stdout.splitlines()


def stand_in() -> str:
    if STAND_IN is None:
        pytest.skip("CuPy's host-memory stand-in is not in use")
    return STAND_IN


def device_or_skip() -> int:
    """How many devices there are; skips where none answers."""
    try:
        return count_devices()
    except BackendUnavailable as error:
        pytest.skip(f"no CuPy device answers: {error}")
