"""cuBLAS handles of our own, with their modes and their workspace set once: nothing is set around a product.

There are two for each device and thread, which share a workspace: one takes the factors of a product from the host's
memory, the other from the device's.

CuPy's wrappers set the stream at each call, which takes a workspace away from the handle, so the library is called
directly. float32 stays float32: in CUBLAS_DEFAULT_MATH sgemm does not use TF32. Products in TF32 are asked of handles
of their own, so no mode is ever changed. Variables of the environment may change the arithmetic of all. The workspace
is memory of ours outside the pool, counted by name, so a product allocates nothing and the bytes of handles are known.
CuPy is imported on first use.
"""

import ctypes
import functools
import os
import sys
import threading
from typing import Any

from backend.cupy.outside import OutsideMemory

POINTER_MODE_HOST, POINTER_MODE_DEVICE = 0, 1
DEFAULT_MATH, TF32_MATH = 0, 3
"""cuBLAS's modes: CUBLAS_DEFAULT_MATH and CUBLAS_TF32_TENSOR_OP_MATH."""

WORKSPACE_BYTES = 2**22
"""NVIDIA's recommendation for a workspace, for GPUs before Hopper."""

HOPPER_WORKSPACE_BYTES = 2**25
"""And from compute capability 9.0 on."""


class CublasHandle:
    """cuBLAS for one device, which is current, and one thread. Raises `CUBLASError` for what cuBLAS refuses.

    `on_device`: the factors of products are addresses on the device, not of the host's memory.
    """

    def __init__(self, workspace: OutsideMemory, math_mode: int = DEFAULT_MATH, *, on_device: bool = False) -> None:
        import cupy

        self._handle = ctypes.c_void_p()
        self._library, self._stream = _library(), -1
        self._workspace = workspace
        self._do("cublasCreate_v2", ctypes.byref(self._handle))
        self._do("cublasSetPointerMode_v2", self._handle, POINTER_MODE_DEVICE if on_device else POINTER_MODE_HOST)
        self._do("cublasSetMathMode", self._handle, math_mode)
        self._current_stream = cupy.cuda.get_current_stream
        self.products = {"float": self._library.cublasSgemm_v2, "double": self._library.cublasDgemm_v2}

    def gemm(self, item: str, arguments: tuple[Any, ...]) -> None:
        """Call gemm for C type `item`, on the current stream, with its arguments after the handle."""
        self.use(self._current_stream().ptr)
        check(self.products[item](self.pointer, *arguments))

    @property
    def pointer(self) -> ctypes.c_void_p:
        """The handle as cuBLAS has it."""
        return self._handle

    def use(self, stream: int) -> None:
        """Have products run on a stream, by CUDA's pointer to it."""
        if stream != self._stream:
            self._do("cublasSetStream_v2", self._handle, ctypes.c_void_p(stream))
            workspace = ctypes.c_void_p(self._workspace.ptr), ctypes.c_size_t(self._workspace.size)
            self._do("cublasSetWorkspace_v2", self._handle, *workspace)  # after the stream, which takes it away
            self._stream = stream

    @property
    def version(self) -> int:
        """cuBLAS's own number: 10000 times the major version, 100 times the minor one, and the patch."""
        number = ctypes.c_int()
        self._do("cublasGetVersion_v2", self._handle, ctypes.byref(number))
        return number.value

    @property
    def math_mode(self) -> int:
        """The mode that cuBLAS says it is in."""
        mode = ctypes.c_int()
        self._do("cublasGetMathMode", self._handle, ctypes.byref(mode))
        return mode.value

    def __del__(self) -> None:
        if self._handle and not sys.is_finalizing():  # at the end CUDA may be gone already
            self._library.cublasDestroy_v2(self._handle)

    def _do(self, name: str, *arguments: Any) -> None:
        check(getattr(self._library, name)(*arguments))


class _Handles(threading.local):
    def __init__(self) -> None:
        self.of_devices: dict[tuple[int, int, bool], CublasHandle] = {}
        self.workspaces: dict[int, OutsideMemory] = {}


_handles = _Handles()


def cublas_handle(*, tf32: bool = False, on_device: bool = False) -> CublasHandle:
    """This thread's handle for the current device, the same one each time: for products in full, or in TF32.

    `on_device`: that for factors which lie there.
    """
    from cupy.cuda.runtime import getDevice

    number, math_mode = getDevice(), TF32_MATH if tf32 else DEFAULT_MATH
    key = number, math_mode, on_device
    if key not in _handles.of_devices:
        if number not in _handles.workspaces:
            _handles.workspaces[number] = _workspace_of(number)
        _handles.of_devices[key] = CublasHandle(_handles.workspaces[number], math_mode, on_device=on_device)
    return _handles.of_devices[key]


def _workspace_of(number: int) -> OutsideMemory:
    from cupy.cuda.runtime import getDeviceProperties

    size = HOPPER_WORKSPACE_BYTES if getDeviceProperties(number)["major"] >= 9 else WORKSPACE_BYTES
    return OutsideMemory(number, "cuBLAS workspace", size)


def cublas_facts() -> dict[str, str]:
    """What the arithmetic of products follows from beside the device: cuBLAS's version, and variables that are set.

    Those are NVIDIA_TF32_OVERRIDE, which takes TF32 away, and cuBLAS's own, such as CUBLAS_WORKSPACE_CONFIG, by which
    it chooses among kernels; not those that write logs.
    """
    number = cublas_handle().version
    text = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    names = (name for name in sorted(os.environ) if name.startswith("CUBLAS") and "LOG" not in name)
    names = (name for name in ("NVIDIA_TF32_OVERRIDE", *names) if name in os.environ)
    return {"cublas": text, "cublas variables": " ".join(f"{name}={os.environ[name]}" for name in names)}


@functools.lru_cache(maxsize=64)
def scalar(item: str, value: float) -> Any:
    """A factor of a product in the host's memory, to be passed by address."""
    return ctypes.byref({"float": ctypes.c_float, "double": ctypes.c_double}[item](value))


def check(status: int) -> None:
    """Raise `CUBLASError` for a status of cuBLAS that is an error."""
    if status:
        from cupy_backends.cuda.libs import cublas

        raise cublas.CUBLASError(status)


@functools.cache
def _library() -> Any:
    """The cuBLAS that CuPy loads: by its name, under which it is in the process already."""
    import cupy
    from cupy_backends.cuda.libs import cublas

    cublas.destroy(cublas.create())  # loads it from wherever CuPy finds it
    major = cupy.cuda.runtime.runtimeGetVersion() // 1000
    library = ctypes.CDLL(f"cublas64_{major}.dll" if sys.platform == "win32" else f"libcublas.so.{major}")
    address, number = ctypes.c_void_p, ctypes.c_int
    for name in ("cublasSgemm_v2", "cublasDgemm_v2"):
        getattr(library, name).argtypes = (
            *(address, *[number] * 5),
            *(address, address, number, address, number),
            *(address, address, number),
        )
    return library
