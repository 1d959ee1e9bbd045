"""The API reference: one command makes it of the docstrings, without a warning, with every public name and method."""

import inspect
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("backend", "mlp", "checkpoint")


def methods_of(package: str) -> list[str]:
    """The public methods of a package's public classes, inherited ones too, as `Network.SGD`."""

    def is_ours(kind: Any, name: str) -> bool:
        defining = next(base for base in kind.mro() if name in vars(base))
        return str(defining.__module__).split(".")[0] in PACKAGES

    module = import_module(package)
    return [
        f"{name}.{method}"
        for name in module.__all__
        if inspect.isclass(kind := getattr(module, name))
        for method, _ in inspect.getmembers(kind, inspect.isfunction)
        if not method.startswith("_") and is_ours(kind, method)
    ]


@pytest.mark.skipif(find_spec("pdoc") is None, reason="pdoc is not installed; it comes with the extra dev")
def test_api_reference_is_made_without_a_warning_and_has_every_public_name_and_method(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pdoc", "-t", ".pdoc", "-o", str(tmp_path), *PACKAGES],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for package in PACKAGES:
        page = (tmp_path / f"{package}.html").read_text(encoding="utf-8")
        assert (import_module(package).__doc__ or "").splitlines()[0].split(":")[0] in page
        assert [name for name in import_module(package).__all__ if f'<section id="{name}">' not in page] == []
        methods = methods_of(package)
        assert methods
        assert [method for method in methods if f'<div id="{method}"' not in page] == []
