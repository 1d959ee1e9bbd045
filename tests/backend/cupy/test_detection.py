"""Why CuPy cannot be used: each case with its own reason and remedy, shown in a process where it is so.

What a process cannot be put into on this machine is put into CuPy's answer instead.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend import BackendUnavailable, select_backend
from backend.cupy import detection
from backend.cupy.detection import count_devices, import_cupy, usable_device
from backend.cupy.remedies import install_libraries, installed_wheel
from tests.backend.cupy.saying import device_or_skip, say_why, stand_in


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
    reason, remedy = say_why(first="import sys; sys.modules['cupy'] = None")
    assert reason == "CuPy is not installed"
    assert remedy.startswith('install it: pip install "mlp-checkpointing[cuda1')


def test_cupy_for_rocm_is_refused_in_one_line(runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "is_hip", True)
    with pytest.raises(BackendUnavailable) as caught:
        select_backend("cupy")
    assert str(caught.value) == (
        "this CuPy is built for ROCm, not for CUDA; use CuPy for CUDA, or choose --backend numpy"
    )


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
    assert (
        str(caught.value) == f"CuPy cannot be loaded (ImportError: libcudart.so.13: not found); {install_libraries()}"
    )


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
    assert caught.value.remedy == (
        f"update the driver, or use the CuPy for CUDA 12: pip uninstall {installed_wheel()}, then pip install "
        '"mlp-checkpointing[cuda12]"'
    )


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
    assert remedy == install_libraries() == f'install CUDA\'s libraries: pip install "{installed_wheel()}[ctk]"'


@pytest.fixture
def fails_to_multiply(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Makes the first thing computed on a device fail."""
    from backend.cupy.kernels import gemm as cupy_gemm

    device_or_skip()

    def fail_with(error: Exception) -> None:
        def gemm(*_: Any, **__: Any) -> None:
            raise error

        monkeypatch.setattr(cupy_gemm, "gemm", gemm)
        detection._compute_something.cache_clear()

    return fail_with


@pytest.mark.gpu
def test_a_library_that_fails_in_use_is_the_same_case(fails_to_multiply: Callable[[Exception], None]) -> None:
    fails_to_multiply(RuntimeError("CuPy failed to load libcublas.so.13:\n  OSError: not found"))
    with pytest.raises(BackendUnavailable) as caught:
        usable_device()
    assert (
        str(caught.value)
        == f"CuPy cannot compute on device 0 (RuntimeError: OSError: not found); {install_libraries()}"
    )


@pytest.mark.gpu
def test_a_full_device_is_no_missing_library(fails_to_multiply: Callable[[Exception], None]) -> None:
    fails_to_multiply(MemoryError("none left"))
    match = (
        r"device 0 has no memory left but [\d,]+ bytes \(MemoryError: none left\); end what else uses it, which nvid"
    )
    with pytest.raises(BackendUnavailable, match=match):
        usable_device()


def error_of_cuda(name: str, status: int) -> Exception:
    """An error such as CuPy raises for an answer of CUDA's libraries."""
    error: Exception = type(name, (RuntimeError,), {"status": status})(f"status {status}")
    return error


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("name", "status", "free_bytes", "is_full"),
    [
        ("CUDARuntimeError", 2, 10, True),
        ("CUDARuntimeError", 2, None, True),  # not even a context could be made
        ("CUDADriverError", 2, 10, True),
        ("CUBLASError", 3, 10, True),
        ("CUBLASError", 1, 10, True),
        ("CUBLASError", 1, 2**40, False),
        ("CUDARuntimeError", 1, 10, False),
    ],
)
def test_a_full_device_is_known_by_what_each_library_answers(
    fails_to_multiply: Callable[[Exception], None],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    status: int,
    free_bytes: int | None,
    is_full: bool,
) -> None:
    monkeypatch.setattr(detection, "_free_bytes", lambda number: free_bytes)
    fails_to_multiply(error_of_cuda(name, status))
    with pytest.raises(BackendUnavailable) as caught:
        usable_device()
    assert ("has no memory left" in caught.value.reason) == is_full
    assert (caught.value.remedy == install_libraries()) == (not is_full)


def test_a_device_that_is_full_at_the_start_says_what_is_left() -> None:
    stand_in()
    reason, remedy = say_why(EMU_MEM="100")
    assert reason.startswith("CUDA device 0 has no memory left but 92 bytes (")
    assert remedy == "end what else uses it, which nvidia-smi lists, or choose another with --device"


@pytest.mark.gpu
def test_a_device_that_computes_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from backend.cupy.kernels import gemm as cupy_gemm

    device_or_skip()
    monkeypatch.setattr(cupy_gemm, "gemm", lambda *_, **__: None)
    detection._compute_something.cache_clear()
    with pytest.raises(BackendUnavailable, match="computes wrong values on device 0"):
        usable_device()


# Nothing is loaded that was not chosen


def test_cupy_is_not_imported_for_another_backend_or_by_our_own_files() -> None:
    code = (
        "import sys, backend.cupy.backend, backend.cupy.detection, checkpoint; from backend import select_backend; "
        "select_backend('numpy'); assert not {'cupy', 'cupy_backends'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
