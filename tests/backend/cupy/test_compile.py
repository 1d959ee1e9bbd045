"""Every kernel's source compiles with NVIDIA's own compiler, for old and new cards, without a card.

The sources include nothing and are all ours, so the compiler is called directly, not by way of CuPy, and in a process
of its own: once loaded, it would be what CuPy finds, in place of the one that belongs to its device.
"""

import json
import re
import subprocess
import sys
from functools import cache
from importlib import metadata
from typing import Any

import pytest

from backend.cupy.kernels.source import ITEMS, OPTIONS, names, text

COMPILE = """
import ctypes, json, sys
path, source, options = json.load(sys.stdin)
nvrtc, program = ctypes.CDLL(path), ctypes.c_void_p()
assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None) == 0
encoded = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
status = nvrtc.nvrtcCompileProgram(program, len(options), encoded)
def text(what):
    size = ctypes.c_size_t()
    getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGet{what}")(program, buffer)
    return buffer.raw.rstrip(b"\\0").decode("latin-1")
json.dump({"status": status, "log": text("ProgramLog").strip(), "machine_code": text("CUBIN")}, sys.stdout)
"""


@cache
def nvrtc() -> str:
    """The library in the package nvidia-cuda-nvrtc; skips where it is not installed."""
    try:
        files = metadata.files("nvidia-cuda-nvrtc") or []
    except metadata.PackageNotFoundError:
        pytest.skip("the package nvidia-cuda-nvrtc is not installed")
    (library,) = (file for file in files if re.fullmatch(r"libnvrtc\.so\.\d+", file.name))
    return str(library.locate())


def compile_for(architecture: str, source: str) -> dict[str, Any]:
    """The compiler's status, its log, and the machine code."""
    arguments = json.dumps([nvrtc(), source, [*OPTIONS, f"--gpu-architecture={architecture}"]])
    done = subprocess.run([sys.executable, "-c", COMPILE], input=arguments, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_there_are_sources() -> None:
    assert names() == ["elementwise", "reports", "softmax", "sums"]


@pytest.mark.parametrize("architecture", ["sm_75", "sm_90"])
@pytest.mark.parametrize("item", ITEMS)
@pytest.mark.parametrize("name", names())
def test_every_kernel_compiles_without_a_warning(name: str, item: str, architecture: str) -> None:
    compiled = compile_for(architecture, text(name, item))
    assert (compiled["status"], compiled["log"]) == (0, "")
    kernels = re.findall(r'extern "C" __global__ void (\w+)', text(name, item))
    assert kernels
    assert all(f".text.{kernel}" in compiled["machine_code"] for kernel in kernels)


@pytest.mark.parametrize("wrong", ["Item x = y;", '#include "no_such_header.h"'])
def test_a_source_that_is_wrong_does_not_compile(wrong: str) -> None:
    compiled = compile_for("sm_90", text("sums", "float") + wrong)
    assert compiled["status"] != 0
    assert "error" in compiled["log"]
