"""How the kernels are compiled: which compiler, for which processors, into which files. Imports nothing of ours.

Used when the package is built or installed (`build_backend`), by whoever builds for other platforms, and by the loader,
which compares hashes and compiles nothing: `subprocess` is imported where it is used. An object is made for each level
of a processor, and the best one that runs is loaded.
"""

import contextlib
import hashlib
import json
import os
import platform
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
MANIFEST = "objects.json"
"""Beside the objects: the SHA-256 of each, so that one that is cut short is never loaded, and of their sources."""

FLAGS = (
    *(
        "-std=c11",
        "-D_GNU_SOURCE",
        "-O3",
        "-ffp-contract=off",
        "-fno-math-errno",
        "-fno-trapping-math",
    ),  # every multiply-add is written
    *("-fvisibility=hidden", "-fPIC", "-g0", "-pthread"),
)


@dataclass(frozen=True, slots=True)
class Level:
    """Processors that an object is for. `number` is what C knows it by; `flags` those of gcc and clang, `cpu` zig's."""

    name: str
    number: int
    flags: tuple[str, ...]
    cpu: str
    tuning: tuple[str, ...] = ()


_V3 = ("-mavx2", "-mfma", "-mbmi", "-mbmi2")
_V4 = (*_V3, "-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq", "-mavx512cd")
_X86 = (
    Level("v4", 4, _V4, "x86_64_v4", ("-mprefer-vector-width=512",)),  # clang makes half as wide ones otherwise
    Level("v3", 3, _V3, "x86_64_v3"),
)
_ARM = (Level("aarch64", 0, (), "generic"),)
LEVELS = {"x86_64": _X86, "amd64": _X86, "aarch64": _ARM, "arm64": _ARM}
"""By machine, the best first. There are none for processors without a multiply-add in one instruction."""


class NotCompiled(RuntimeError):
    """No object could be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """What objects are made for: zig's triple, None for this machine with its own compiler; and the file suffix."""

    machine: str
    triple: str | None
    suffix: str


def here() -> Target:
    """This machine."""
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    return Target(platform.machine().lower(), None, suffix)


def object_name(level: Level, target: Target) -> str:
    return f"engine_{level.name}{target.suffix}"


def sources() -> list[Path]:
    """The C files and headers, in an order that is the same everywhere."""
    return sorted((path for path in FOLDER.iterdir() if path.suffix in (".c", ".h")), key=lambda path: path.name)


def sources_hash() -> str:
    """What the sources are, in 16 digits: objects carry it, and the loader compares."""
    found = hashlib.sha256()
    for path in sources():
        found.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return found.hexdigest()[:16]


def system_compiler() -> list[str] | None:
    """The command of a C compiler that makes shared objects here: CC, cc, gcc or clang; None where none does."""
    wanted = shlex.split(os.environ.get("CC", ""))
    for command in ([wanted] if wanted else []) + [[name] for name in ("cc", "gcc", "clang")]:
        if shutil.which(command[0]) and _works(command):
            return command
    return None


def _works(command: list[str]) -> bool:
    import subprocess

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <math.h>\n#include <pthread.h>\ndouble probe(double x) { return log(x); }\n")
        full = [*command, "-shared", "-fPIC", "-pthread", str(source), "-o", str(source.with_suffix(".out")), "-lm"]
        try:
            return subprocess.run(full, capture_output=True, check=False, timeout=60).returncode == 0  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            return False


def zig_compiler() -> list[str] | None:
    """The command of the C compiler in the wheel `ziglang`; None where that isn't installed."""
    from importlib.util import find_spec

    return [sys.executable, "-m", "ziglang", "cc"] if find_spec("ziglang") else None


def remove_objects(folder: Path = FOLDER) -> None:
    """Remove what was compiled before, of whatever platform."""
    for path in folder.iterdir():
        if path.name == MANIFEST or (path.name.startswith("engine_") and path.suffix in (".so", ".dylib", ".dll")):
            path.unlink()


def compile_objects(target: Target | None = None, folder: Path = FOLDER) -> list[str]:
    """Make the objects of a target in `folder`, and its manifest; returns their names. Raises `NotCompiled`."""
    import subprocess

    target = target or here()
    levels = LEVELS.get(target.machine)
    if not levels:
        raise NotCompiled(f"there are no kernels for {target.machine} processors")
    zig = zig_compiler()
    commands = [command for command in ((None if target.triple else system_compiler()), zig) if command]
    if not commands:
        raise NotCompiled("there is no C compiler: neither cc, gcc or clang, nor the wheel ziglang")
    digest, complaints = sources_hash(), []
    for command in commands:
        try:
            with tempfile.TemporaryDirectory(dir=folder) as workplace:
                made = [_compile(command, command is zig, level, target, digest, Path(workplace)) for level in levels]
                digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made}
                manifest = Path(workplace, MANIFEST)
                manifest.write_text(json.dumps({"sources": digest, "objects": digests}, indent=1) + "\n")
                for path in (*made, manifest):
                    path.replace(folder / path.name)
            return list(digests)
        except (OSError, subprocess.SubprocessError) as error:
            complaints.append(f"{shlex.join(command)}: {_reason(error)}")
    raise NotCompiled("; ".join(complaints))


def _compile(command: list[str], zig: bool, level: Level, target: Target, digest: str, workplace: Path) -> Path:
    """One object, in `workplace`. The file that asks what the processor can do is compiled for any of them."""
    import subprocess

    triple = ["-target", target.triple] if target.triple else []
    defined = [f'-DSOURCES_HASH="{digest}"', f"-DLEVEL={level.number}"]
    cpu = [f"-mcpu={level.cpu}"] if zig else [*level.flags]
    out = workplace / object_name(level, target)
    asks = [path for path in sources() if path.name == "level.c"]
    others = [path for path in sources() if path.suffix == ".c" and path not in asks]
    with _private_caches() as environment:

        def run(*arguments: str) -> None:
            full = [*command, *triple, *FLAGS, *arguments]
            done = subprocess.run(full, capture_output=True, text=True, env=environment, timeout=600, check=False)  # noqa: S603
            if done.returncode:
                raise subprocess.SubprocessError(done.stderr.strip()[-2000:] or f"exit status {done.returncode}")

        plain = workplace / f"level_{level.name}.o"
        run("-c", str(asks[0]), "-o", str(plain))
        math = [] if "windows" in (target.triple or "") or (sys.platform == "win32" and not target.triple) else ["-lm"]
        files = [*map(str, others), str(plain)]
        run(*cpu, *level.tuning, *defined, "-shared", *files, "-o", str(out), "-s", *math)
    return out


@contextlib.contextmanager
def _private_caches() -> Iterator[dict[str, str]]:
    """An environment in which zig keeps what it caches in a folder of its own: homes may be read-only."""
    with tempfile.TemporaryDirectory() as cache:
        yield {**os.environ, "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
