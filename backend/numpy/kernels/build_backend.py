"""The build backend of `pyproject.toml`: setuptools', with the kernels compiled first.

It asks for the wheel `ziglang`, which holds a C compiler, only where the system has none; it is gone after the build.
Where nothing compiles, the package is installed without kernels of its own, and one line says so.
"""

import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

import compiling  # type: ignore[import-not-found]  # beside this file: backend-path of pyproject.toml
from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

Settings = dict[str, Any] | None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """What building a wheel needs."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_compiler()]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """What an editable installation needs."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_compiler()]


def build_wheel(directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """The name of a wheel for this platform and any Python."""
    _compile()
    plat_name = os.environ.get("MLP_CHECKPOINTING_PLATFORM") or sysconfig.get_platform()
    options = ["--python-tag", "py3", "--plat-name", plat_name.replace("-", "_").replace(".", "_")]
    settings = {**(config_settings or {}), "--build-option": options}
    return str(build_meta.build_wheel(directory, settings, metadata_directory))


def build_editable(directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """The name of an editable wheel; the kernels are compiled in their folder."""
    _compile()
    return str(build_meta.build_editable(directory, config_settings, metadata_directory))


def _compiler() -> list[str]:
    if os.environ.get("MLP_CHECKPOINTING_PLATFORM") or compiling.system_compiler():
        return []
    return ["ziglang"]


def _compile() -> None:
    if os.environ.get("MLP_CHECKPOINTING_PLATFORM"):  # objects for another platform are there already
        return
    for path in Path(compiling.FOLDER).glob("engine_*"):
        if path.suffix in (".so", ".dll", ".dylib"):
            path.unlink()
    try:
        print("compiled", ", ".join(compiling.compile_objects()), file=sys.stderr)
    except (compiling.NotCompiled, OSError) as error:
        print(f"no kernels were compiled, NumPy's own will be used, which are slower: {error}", file=sys.stderr)
