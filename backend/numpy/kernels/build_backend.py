"""The build backend of `pyproject.toml`: setuptools', with the kernels compiled first.

It asks for the wheel `ziglang`, which holds a C compiler, only where the system has none; it is gone after the build.
Where nothing compiles, the package is installed without kernels of its own, and one line says so.

A wheel is for one platform and every Python. With the setting `platform`, the objects for that platform are taken to be
there already: whoever builds for other platforms has made them by `compiling`.
"""

import platform
import sys
import sysconfig
from typing import Any

import compiling  # type: ignore[import-not-found]  # beside this file: backend-path of pyproject.toml
from setuptools import Distribution, build_meta
from setuptools.build_meta import *  # noqa: F403
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.sdist import sdist

Settings = dict[str, Any] | None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """What building a wheel needs."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_compiler(config_settings)]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """What an editable installation needs."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_compiler(config_settings)]


def build_wheel(directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """The name of a wheel: for one platform and any Python, or for any platform where nothing could be compiled."""
    for_platform = (config_settings or {}).get("platform")
    if for_platform or _compile():
        tag = str(for_platform or _platform_here()).replace("-", "_").replace(".", "_")
        bdist_wheel.get_tag = lambda self: ("py3", "none", tag)
        Distribution.has_ext_modules = lambda self: True  # so the files go where those of one platform belong
    rest = {key: value for key, value in (config_settings or {}).items() if key != "platform"}
    return str(build_meta.build_wheel(directory, rest, metadata_directory))


def build_editable(directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    """The name of an editable wheel; the kernels are compiled in their folder."""
    _compile()
    return str(build_meta.build_editable(directory, config_settings, metadata_directory))


def build_sdist(directory: str, config_settings: Settings = None) -> str:
    """The name of an archive of the sources; what was compiled here stays here."""
    plain = sdist.make_distribution

    def without_objects(self: sdist) -> None:
        self.filelist.files = [name for name in self.filelist.files if not _is_made(name)]
        plain(self)

    sdist.make_distribution = without_objects
    try:
        return str(build_meta.build_sdist(directory, config_settings))
    finally:
        sdist.make_distribution = plain


def _is_made(name: str) -> bool:
    name = name.replace("\\", "/")
    return name.endswith(f"kernels/{compiling.MANIFEST}") or "kernels/engine_" in name and not name.endswith(".py")


def _platform_here() -> str:
    """This platform's tag; a Python for two kinds of Mac gets objects for the one that it runs on."""
    return sysconfig.get_platform().replace("universal2", platform.machine())


def _compiler(config_settings: Settings) -> list[str]:
    return [] if (config_settings or {}).get("platform") or compiling.system_compiler() else ["ziglang"]


def _compile() -> bool:
    """Compile in place, and leave nothing that was compiled before; whether there are kernels now."""
    try:
        compiling.remove_objects()
        print("compiled", ", ".join(compiling.compile_objects()), file=sys.stderr)
    except (compiling.NotCompiled, OSError) as error:
        print(f"no kernels were compiled, NumPy's own will be used, which are slower: {error}", file=sys.stderr)
        return False
    return True
