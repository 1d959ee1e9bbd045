"""Every kernel's source compiles with NVIDIA's own compiler, for old and new GPUs, without one; and to what it should.

The sources include nothing and are all ours, so the compiler is called directly, not by way of CuPy, and in a process
of its own: once loaded, it would be what CuPy finds, in place of the one that belongs to its device.
"""

import json
import re
import struct
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata

import pytest

from backend.cupy.kernels.source import ITEM_BYTES, ITEMS, OPTIONS, PACK_BYTES, names, text
from backend.rules import RULES

ARCHITECTURES = ("sm_75", "sm_80", "sm_90", "sm_100")

PACKED = {
    "elementwise": (
        *("add_bias_activate", "output_delta", "hidden_delta", "divide_bytes", "apply_gradient", "apply_momentum"),
    ),
    "optimizers": tuple(f"rule_{rule}" for rule in RULES),
    "sums": ("sum_rows", "count_not_finite"),
}
"""The kernels that take 16 bytes at once where they can."""

INSTRUCTIONS_EACH = {
    "apply_gradient": 34,
    "apply_momentum": 47,
    "hidden_delta": 104,
    "output_delta": 100,
    "add_bias_activate": 212,
    "divide_bytes": 100,
    "sum_rows": 104,
    "count_not_finite": 110,
    "rule_sgd": 44,
    "rule_momentum": 56,
    "rule_nesterov": 58,
    "rule_adam": 142,
    "rule_rmsprop": 125,
    "rule_adagrad": 120,
}
"""The most machine instructions of a kernel for float32 for each value that a thread takes at once, all of its branches
and its padding counted; to watch a step takes up to 17 of them. Value by value `apply_gradient` had 121."""

VARIANTS = [
    (name, item, values)
    for name in names()
    for item in ITEMS
    for values in ((1, PACK_BYTES // ITEM_BYTES[item]) if name in PACKED else (1,))
]

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
    return buffer.raw.decode("latin-1")
answer = {"status": status, "log": text("ProgramLog").strip("\\0\\n "), "cubin": text("CUBIN"), "ptx": text("PTX")}
json.dump(answer, sys.stdout)
"""


@dataclass(frozen=True)
class Compiled:
    """What the compiler answers: its status and log, the machine code and the code in NVIDIA's assembly language."""

    status: int
    log: str
    cubin: str
    ptx: str

    def instructions(self) -> dict[str, int]:
        """How many instructions, of 16 bytes, each kernel has: the machine code is an ELF file, a section a kernel."""
        whole = self.cubin.encode("latin-1")
        (start,) = struct.unpack_from("<Q", whole, 0x28)
        size, count, of_names = struct.unpack_from("<3H", whole, 0x3A)
        headers = [struct.unpack_from("<IIQQQQ", whole, start + i * size) for i in range(count)]
        names_start = headers[of_names][4]
        found = {}
        for name_at, _, _, _, _, n_bytes in headers:
            name = whole[names_start + name_at : whole.index(0, names_start + name_at)].decode()
            if name.startswith(".text."):
                found[name.removeprefix(".text.")] = n_bytes // 16
        return found

    def ptx_of(self, kernel: str) -> str:
        """The body of one kernel."""
        return self.ptx.split(f".visible .entry {kernel}(")[1].split(".visible .entry")[0]


@cache
def nvrtc() -> str:
    """The library in the package nvidia-cuda-nvrtc; skips where it is not installed."""
    try:
        files = metadata.files("nvidia-cuda-nvrtc") or []
    except metadata.PackageNotFoundError:
        pytest.skip("the package nvidia-cuda-nvrtc is not installed")
    (library,) = (file for file in files if re.fullmatch(r"libnvrtc\.so\.\d+", file.name))
    return str(library.locate())


@cache
def compile_for(architecture: str, source: str) -> Compiled:
    options = [*OPTIONS, "--ptxas-options=--verbose", f"--gpu-architecture={architecture}"]
    arguments = json.dumps([nvrtc(), source, options])
    done = subprocess.run([sys.executable, "-c", COMPILE], input=arguments, capture_output=True, text=True, check=True)
    return Compiled(**json.loads(done.stdout))


def test_there_are_sources() -> None:
    assert names() == ["dropping", "elementwise", "halves", "optimizers", "reports", "softmax", "steps", "sums"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(("name", "item", "values"), VARIANTS)
def test_every_kernel_compiles_without_a_warning_or_a_spilled_register(
    name: str, item: str, values: int, architecture: str
) -> None:
    source = text(name, item, values)
    compiled = compile_for(architecture, source)
    assert compiled.status == 0, compiled.log
    kernels = re.findall(r'extern "C" __global__ void (\w+)', source)
    assert sorted(compiled.instructions()) == sorted(kernels)
    lines = [line for line in compiled.log.splitlines() if line.strip()]
    assert [line for line in lines if not line.startswith("ptxas")] == []
    assert "warning" not in compiled.log
    frames = [line for line in lines if "stack frame" in line]
    assert len(frames) >= len(kernels)
    assert all(re.search(r"\b0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads", line) for line in frames)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("item", ITEMS)
@pytest.mark.parametrize("name", PACKED)
def test_packs_are_loaded_and_stored_at_once(name: str, item: str, architecture: str) -> None:
    values = PACK_BYTES // ITEM_BYTES[item]
    compiled = compile_for(architecture, text(name, item, values))
    for kernel in PACKED[name]:
        body = compiled.ptx_of(kernel)
        as_one = rf"|[bu]{8 * values}\b" if kernel == "divide_bytes" else ""  # four bytes may be loaded as one number
        assert re.search(rf"ld\.global\S*\.(v{values}\.\w+{as_one})", body), kernel
        assert kernel == "count_not_finite" or re.search(rf"st\.global\S*\.v{values}\.\w+", body), kernel


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", PACKED)
def test_kernels_are_short(name: str, architecture: str) -> None:
    compiled = compile_for(architecture, text(name, "float", 4))
    for kernel in PACKED[name]:
        assert compiled.instructions()[kernel] <= 4 * INSTRUCTIONS_EACH[kernel], kernel


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("values", [1, 4])
def test_no_elementwise_kernel_divides_whole_numbers(values: int, architecture: str) -> None:
    assert not re.search(r"\b(div|rem)\.[su]\d\d", compile_for(architecture, text("elementwise", "float", values)).ptx)
    rules = compile_for(architecture, text("optimizers", "float", values))
    assert not any(re.search(r"\b(div|rem)\.[su]\d\d", rules.ptx_of(kernel)) for kernel in PACKED["optimizers"])


@pytest.mark.parametrize("wrong", ["Item x = y;", '#include "no_such_header.h"'])
def test_a_source_that_is_wrong_does_not_compile(wrong: str) -> None:
    compiled = compile_for("sm_90", text("sums", "float") + wrong)
    assert compiled.status != 0
    assert "error" in compiled.log


SPILLS = """
extern "C" __global__ void spills(Item* x, long long at) {
    Item held[64];
    for (int i = 0; i < 64; i++) held[i] = x[i];
    x[0] = held[at] / held[at / 3];
}
"""


def test_a_kernel_that_needs_memory_of_its_own_is_seen() -> None:
    compiled = compile_for("sm_90", text("sums", "float") + SPILLS)
    assert compiled.status == 0
    assert re.search(r"[1-9]\d* bytes stack frame", compiled.log)


def test_a_division_of_whole_numbers_is_seen() -> None:
    compiled = compile_for("sm_90", text("sums", "float") + SPILLS.replace("at / 3", "at / (long long)x[1]"))
    assert re.search(r"\b(div|rem)\.[su]\d\d", compiled.ptx)
