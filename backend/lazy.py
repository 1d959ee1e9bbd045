"""Packages whose parts are imported on first use: their public names are those that the stub beside them re-exports.

`import checkpoint` therefore loads no array library, and a type checker, `dir()` and `__all__` read one list.
"""

import sys
from collections.abc import Callable
from typing import Any

import lazy_loader

DISTRIBUTION = "mlp-checkpointing"


def public_names(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The `__getattr__`, `__dir__` and `__all__` of a package, from `__init__.pyi` beside its `file`.

    `__version__` is an attribute too, looked up when asked for.
    """
    find, _, names = lazy_loader.attach_stub(package, file)

    def get(name: str) -> Any:
        if name == "__version__":
            return version()
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        return find(name)

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *names, "__version__"})

    return get, listed, names


def version() -> str:
    """The version of the installed distribution; that of `pyproject.toml` in a checkout that isn't installed."""
    import tomllib  # here, as importing a package must stay quick
    from importlib import metadata
    from pathlib import Path

    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        project = Path(__file__).parents[1] / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
