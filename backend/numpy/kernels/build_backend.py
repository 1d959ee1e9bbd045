"""The build backend of `pyproject.toml`: setuptools', with the kernels compiled first.

It asks for the wheel `ziglang`, which holds a C compiler, only where the system has none; it is gone after the build.
Where nothing compiles, the package is installed without kernels of its own, and one line says so.

A wheel is for one platform and every Python. With the setting `platform`, the objects for that platform are taken to be
there already: whoever builds for other platforms has made them by `compiling`.
"""

import platform
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import compiling  # type: ignore[import-not-found]  # beside this file: backend-path of pyproject.toml
from setuptools import Distribution, build_meta
from setuptools.build_meta import (  # noqa: F401  # the hooks that stay as they are
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)
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
        with (
            _replaced(bdist_wheel, "get_tag", lambda self: ("py3", "none", tag)),
            _replaced(Distribution, "has_ext_modules", lambda self: True),  # the files are those of one platform
        ):
            return str(build_meta.build_wheel(directory, _others(config_settings), metadata_directory))
    return str(build_meta.build_wheel(directory, config_settings, metadata_directory))


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

    with _replaced(sdist, "make_distribution", without_objects):
        return str(build_meta.build_sdist(directory, config_settings))


@contextmanager
def _replaced(owner: type, name: str, method: Callable[..., Any]) -> Iterator[None]:
    """A method of setuptools' replaced for a while."""
    plain = getattr(owner, name)
    setattr(owner, name, method)
    try:
        yield
    finally:
        setattr(owner, name, plain)


def _others(config_settings: Settings) -> Settings:
    return {key: value for key, value in (config_settings or {}).items() if key != "platform"}


def _is_made(name: str) -> bool:
    name = name.replace("\\", "/")
    return name.endswith(f"kernels/{compiling.MANIFEST}") or ("kernels/engine_" in name and not name.endswith(".py"))


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
