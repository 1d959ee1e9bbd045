"""What a benchmark says it ran on, and beside what."""

import subprocess
import sys

import pytest

from bench.machine.environment import environment, headline
from bench.machine.quiet import Busy, Quiet, look_around
from bench.machine.rates import measured_rates


def test_other_busy_process_is_seen_and_children_are_not_others() -> None:
    """A grandchild that its parent left behind is another process; a child is this one's."""
    spin = "import time; end = time.time() + 20\nwhile time.time() < end: pass"
    leave = (
        f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {spin!r}], stdout=-3, stderr=-3).pid)"
    )
    left = int(subprocess.run([sys.executable, "-c", leave], capture_output=True, text=True, check=True).stdout)
    child = subprocess.Popen([sys.executable, "-c", spin])
    try:
        for _ in range(20):  # on a busy machine it may hardly run at first
            seen = look_around(0.5)
            if left in {one.pid for one in seen.busy}:
                break
    finally:
        child.kill()
        child.wait()
        subprocess.run(["kill", str(left)], check=True)
    busy = {one.pid for one in seen.busy}
    assert left in busy
    assert child.pid not in busy
    assert not seen.quiet
    assert "NOT QUIET" in str(seen)


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (Quiet(0.1, 0.02, 0.0, ()), "nothing else runs; load 0.10"),
        (
            Quiet(None, 0.5, 0.0, (Busy(9, "cc1", 0.5),)),
            "NOT QUIET, so times and ratios are unreliable: others take 0.50 cores: cc1 (9) 50%",
        ),
        (
            Quiet(None, 0.0, 0.25, ()),
            "NOT QUIET, so times and ratios are unreliable: others take 0.00 cores, 25% of a core stolen",
        ),
    ],
)
def test_what_else_runs_is_one_line(seen: Quiet, wanted: str) -> None:
    assert str(seen) == wanted
    assert seen.quiet == wanted.startswith("nothing")


def test_variables_that_set_kernels_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("HOME_OMP_FOLDER", "there")
    found = environment()
    assert found["variables"]["OPENBLAS_CORETYPE"] == "Haswell"
    assert "HOME_OMP_FOLDER" not in found["variables"]
    text = headline(found)
    assert "OMP_NUM_THREADS=1" in text
    assert "OPENBLAS_CORETYPE" in text.splitlines()[-1]
    assert "unset" in text.splitlines()[-1]


def test_rates_are_positive_and_of_this_machine() -> None:
    rates = measured_rates(threads=2, side=64, copied_bytes=2**20)
    assert 1e7 < rates.flops_per_second < 1e14
    assert 1e7 < rates.bytes_per_second < 1e13
    assert rates.cache_bytes >= 0
