"""Why CuPy cannot be used: each case with its own reason and remedy, shown in a process where it is so.

What a process cannot be put into on this machine is put into CuPy's answer instead.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend import BackendUnavailable, select_backend
from backend.cupy.detection import LIBRARIES, count_devices, import_cupy, usable_device

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


def plain_wheel() -> dict[str, str | None]:
    """The environment without the stand-in; skips where CuPy is not installed."""
    pytest.importorskip("cupy", exc_type=ImportError)
    return {"CUPY_ON_HOST_LIB": None, "LD_LIBRARY_PATH": None}


@pytest.fixture
def runtime() -> Any:
    """CuPy's runtime module, to be put words into its mouth."""
    return pytest.importorskip("cupy", exc_type=ImportError).cuda.runtime


def answering(runtime: Any, status: int) -> Callable[[], int]:
    def get_device_count() -> int:
        raise runtime.CUDARuntimeError(status)

    return get_device_count


# Not installed


def test_without_cupy_the_remedy_is_to_install_it() -> None:
    assert say_why(first="import sys; sys.modules['cupy'] = None") == [
        "CuPy is not installed",
        'install it: pip install "mlp-checkpointing[cupy]"',
    ]


def test_a_module_that_cupy_misses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            if name == "cupy":
                raise ModuleNotFoundError("No module named 'fastrlock'", name="fastrlock")

    monkeypatch.setattr(sys, "meta_path", [Missing, *sys.meta_path])
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    with pytest.raises(BackendUnavailable, match="CuPy's installation lacks the module fastrlock"):
        import_cupy()


def test_a_cupy_that_cannot_be_loaded_says_why_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            if name == "cupy":
                raise ImportError(
                    "\n====\nFailed to import CuPy.\n\nOriginal error:\n  libcudart.so.13: not found\n====\n"
                )

    monkeypatch.setattr(sys, "meta_path", [Broken, *sys.meta_path])
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    with pytest.raises(BackendUnavailable) as caught:
        import_cupy()
    assert str(caught.value) == f"CuPy cannot be loaded (ImportError: libcudart.so.13: not found); {LIBRARIES}"


# No driver


def test_without_a_driver_the_remedy_is_a_driver_or_numpy() -> None:
    said = say_why(**plain_wheel())
    if said[0].startswith("CUDA device"):
        pytest.skip(f"there is a driver here: {said[0]}")
    assert said == ["there is no NVIDIA driver", "install one, or choose --backend numpy"]


def test_a_missing_driver_is_known_by_its_status(runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "getDeviceCount", answering(runtime, 35))
    monkeypatch.setattr(runtime, "driverGetVersion", lambda: 0)
    with pytest.raises(BackendUnavailable, match=r"^there is no NVIDIA driver; install one"):
        count_devices()


def test_a_driver_that_is_too_old_is_told_from_none(runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "getDeviceCount", answering(runtime, 35))
    monkeypatch.setattr(runtime, "driverGetVersion", lambda: 12040)
    monkeypatch.setattr(runtime, "runtimeGetVersion", lambda: 13020)
    with pytest.raises(BackendUnavailable) as caught:
        count_devices()
    assert caught.value.reason == "the NVIDIA driver is for CUDA 12.4, CuPy for 13.2"
    assert caught.value.remedy == "update the driver, or install the CuPy for its version"


# No device

NO_DEVICE = [
    "there is a driver but no CUDA device",
    "see what nvidia-smi lists, and that CUDA_VISIBLE_DEVICES names one",
]


def test_a_driver_without_a_device_is_told_from_no_driver() -> None:
    stand_in()
    assert say_why(EMU_DEVICES="0") == NO_DEVICE


@pytest.mark.parametrize("how", ["status 100", "a count of 0"])
def test_no_device_is_known_by_its_status_or_its_count(runtime: Any, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(runtime, "getDeviceCount", answering(runtime, 100) if how == "status 100" else lambda: 0)
    with pytest.raises(BackendUnavailable) as caught:
        select_backend("cupy")
    assert [caught.value.reason, caught.value.remedy] == NO_DEVICE


def test_another_failure_of_cuda_is_passed_on(runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "getDeviceCount", answering(runtime, 999))
    with pytest.raises(BackendUnavailable, match=r"^CUDA does not start \(CUDARuntimeError: .+\); see what nvidia-smi"):
        count_devices()


# Libraries missing


@pytest.mark.parametrize("library", ["libcublas.so.13", "libnvrtc.so.13"])
def test_without_a_library_the_remedy_is_to_install_them(tmp_path: Path, library: str) -> None:
    for file in Path(stand_in()).iterdir():
        if file.name != library:
            (tmp_path / file.name).symlink_to(file)
    environment = {"CUPY_ON_HOST_LIB": str(tmp_path), "LD_LIBRARY_PATH": str(tmp_path)}
    reason, remedy = say_why(CUPY_CACHE_DIR=str(tmp_path / "cache"), **environment)
    assert reason.startswith("CuPy cannot compute on device 0 (")
    assert remedy == LIBRARIES == 'install CUDA\'s libraries: pip install "cupy-cuda13x[ctk]"'


@pytest.fixture
def fails_to_multiply(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Makes the first thing computed on a device fail."""
    from backend.cupy import detection as cupy_detection
    from backend.cupy.kernels import gemm as cupy_gemm

    device_or_skip()

    def fail_with(error: Exception) -> None:
        def gemm(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(cupy_gemm, "gemm", gemm)
        cupy_detection._compute_something.cache_clear()

    return fail_with


def device_or_skip() -> int:
    try:
        return count_devices()
    except BackendUnavailable as error:
        pytest.skip(f"no CuPy device answers: {error}")


@pytest.mark.gpu
def test_a_library_that_fails_in_use_is_the_same_case(fails_to_multiply: Callable[[Exception], None]) -> None:
    fails_to_multiply(RuntimeError("CuPy failed to load libcublas.so.13:\n  OSError: not found"))
    with pytest.raises(BackendUnavailable) as caught:
        usable_device()
    assert str(caught.value) == f"CuPy cannot compute on device 0 (RuntimeError: OSError: not found); {LIBRARIES}"


@pytest.mark.gpu
def test_a_full_device_is_no_missing_library(fails_to_multiply: Callable[[Exception], None]) -> None:
    fails_to_multiply(MemoryError("none left"))
    with pytest.raises(BackendUnavailable, match=r"device 0 has no memory left \(MemoryError: none left\); end what"):
        usable_device()


@pytest.mark.gpu
def test_a_device_that_computes_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.cupy import detection as cupy_detection
    from backend.cupy.kernels import gemm as cupy_gemm

    device_or_skip()
    monkeypatch.setattr(cupy_gemm, "gemm", lambda *_, **__: None)
    cupy_detection._compute_something.cache_clear()
    with pytest.raises(BackendUnavailable, match="computes wrong values on device 0"):
        usable_device()


# Devices by number


@pytest.mark.gpu
@pytest.mark.parametrize("number", [-1, 64])
def test_a_device_that_is_not_there_is_refused_with_how_many_are(number: int) -> None:
    count = device_or_skip()
    with pytest.raises(BackendUnavailable) as caught:
        select_backend("cupy", device=number)
    assert caught.value.reason == f"there is no CUDA device {number}"
    listed = "1 device, number 0" if count == 1 else f"{count} devices, numbers 0 to {count - 1}"
    assert caught.value.remedy == f"choose from {listed}"


@pytest.mark.parametrize("number", [0, 1])
def test_the_device_chosen_is_named(number: int) -> None:
    stand_in()
    name, device = say_why(EMU_DEVICES="2", device=number)
    assert name == f"CUDA device {number}, emucuda (host memory, no GPU)"
    assert device == f"<CUDA Device {number}>"


def test_the_second_of_two_devices_is_the_last() -> None:
    stand_in()
    assert say_why(EMU_DEVICES="2", device=2) == ["there is no CUDA device 2", "choose from 2 devices, numbers 0 to 1"]


TWO_DEVICES = """
import cupy, numpy as np
from backend import select_backend
from checkpoint import chain_of, simulate, store_all
from mlp import Network
X, y = np.random.default_rng(0).random((6, 5), np.float32), np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
backends = [select_backend("cupy", device=number) for number in (0, 1)]
nets = [Network([5, 8, 3], backend=backend) for backend in backends]
predicted = simulate(store_all(n_layers=2), chain_of([5, 8, 3], batch_size=6, backend="cupy")).peak_bytes
for backend, net in zip(backends, nets):
    with backends[0].measure() as first, backends[1].measure() as second:
        net.update_mini_batch(X, y, eta=1.0)
    of_batch = 2 * 512
    peaks = [predicted + of_batch, 0]
    assert [first.peak_bytes, second.peak_bytes] == (peaks if backend is backends[0] else peaks[::-1])
    assert {p.device.id for p in [*net.weights, *net.biases]} == {backend.device.id}
    assert cupy.cuda.runtime.getDevice() == 0
assert not backends[0].owns(nets[1].weights[0])
assert backends[0].to_numpy(nets[0].weights[0]).tobytes() == backends[1].to_numpy(nets[1].weights[0]).tobytes()
backends[0].limit_bytes = 0
assert backends[1].limit_bytes is None
print("done")
"""


def test_two_devices_train_side_by_side_each_with_its_own_bytes() -> None:
    stand_in()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", TWO_DEVICES],
        env=os.environ | {"EMU_DEVICES": "2"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


# Nothing is loaded that was not chosen


def test_cupy_is_not_imported_for_another_backend_or_by_our_own_files() -> None:
    code = (
        "import sys, backend.cupy.backend, backend.cupy.detection, checkpoint; from backend import select_backend; "
        "select_backend('numpy'); assert not {'cupy', 'cupy_backends'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
