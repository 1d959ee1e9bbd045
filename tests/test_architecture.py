"""The house: which way imports run, that planning needs no array library, and which names are public."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ORDER = ("backend", "mlp", "checkpoint", "bench")
"""Each imports those before it, and none after."""

ARRAY_LIBRARIES = {
    *("numpy", "numba", "cupy", "cupyx", "cupy_backends", "array_api_compat", "array_api_strict"),
    *("torch", "jax", "scipy", "matplotlib"),
}

PURE = ("schedule", "strategies", "planning")
"""The folders of `checkpoint/` that plan: plain Python and numbers, in themselves and in what they import."""

PUBLIC = {
    "backend": [
        "Backend",
        "BackendError",
        "BackendUnavailable",
        "DeviceMemory",
        "MeterError",
        "OffloadError",
        "OutOfDeviceMemory",
        "TransferError",
        "Transfers",
        "Usage",
        "free_bytes",
        "open_transfers",
        "peak_resident_bytes",
        "resident_bytes",
        "select_backend",
    ],
    "mlp": [
        "ArrayBatches",
        "Batches",
        "EpochRecord",
        "Gradient",
        "ImageBatches",
        "Network",
        "NetworkError",
        "Progress",
        "SavedState",
        "StateError",
        "Step",
        "TrainingError",
        "accuracy",
        "format_sizes",
        "load_state",
        "parse_sizes",
        "read_state",
        "restore_state",
        "save_state",
        "train",
    ],
    "checkpoint": [
        "Action",
        "Backward",
        "BudgetError",
        "Chain",
        "CheckpointError",
        "Cost",
        "Fetch",
        "Flops",
        "Forward",
        "Front",
        "FrontPoint",
        "NetworkWithCheckpointing",
        "Offload",
        "Offloading",
        "Plan",
        "Release",
        "Schedule",
        "ScheduleError",
        "Simulation",
        "binomial",
        "chain_of",
        "every_nth",
        "front_of",
        "micro_batches",
        "offloaded",
        "plan",
        "plan_chain",
        "segmented",
        "simulate",
        "square_root",
        "store_all",
    ],
}
"""The public names: a change here is a change of the interface."""

PROMISED = {
    "backend": ["select_backend"],
    "mlp": ["Network"],
    "checkpoint": ["BudgetError", "NetworkWithCheckpointing", "chain_of", "plan", "simulate"],
}
"""What outside programs rely on."""

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

FILES = [path.relative_to(ROOT) for package in ORDER for path in sorted((ROOT / package).rglob("*.py"))]
PLANNING = [path for path in FILES if path.parts[0] == "checkpoint" and path.parts[1] in PURE]


def imported(source: str, *, at_once: bool = False) -> Iterator[str]:
    """The modules that a source text imports; `at_once`: only those that importing it imports."""

    def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
        for statement in body:
            yield statement
            if isinstance(statement, ast.If) and ast.unparse(statement.test) != "TYPE_CHECKING":
                yield from statements(statement.body)
            if isinstance(statement, ast.If | ast.Try):
                yield from statements(statement.orelse)
            if isinstance(statement, ast.Try | ast.With):
                yield from statements(statement.body)

    tree = ast.parse(source)
    for node in statements(tree.body) if at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written whole"
            yield str(node.module)


def imports_against_the_arrows(package: str, source: str) -> list[str]:
    later = {*ORDER[ORDER.index(package) + 1 :], "tests"}
    return [module for module in imported(source) if module.split(".")[0] in later]


def array_libraries_of(source: str) -> list[str]:
    return [module for module in imported(source, at_once=True) if module.split(".")[0] in ARRAY_LIBRARIES]


# The arrows


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_run_one_way(path):
    assert imports_against_the_arrows(path.parts[0], (ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import checkpoint",
        "from checkpoint.schedule.chain import Chain",
        "def f():\n    from bench import run",
        "if TYPE_CHECKING:\n    import checkpoint.execution.network",
        "from tests.conftest import Case",
    ],
)
def test_import_against_the_arrows_is_noticed(source):
    assert imports_against_the_arrows("mlp", "import numpy, backend.base\n" + source) != []


@pytest.mark.parametrize("package", ["backend", "mlp", "checkpoint"])
def test_using_a_package_s_names_loads_no_later_package(package):
    later = ORDER[ORDER.index(package) + 1 :]
    code = (
        f"import sys, {package}\n"
        f"[getattr({package}, name) for name in {package}.__all__]\n"
        f"print(*(name for name in sys.modules if name.split('.')[0] in {later!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == []


# Planning


@pytest.mark.parametrize("path", PLANNING, ids=str)
def test_planning_file_imports_no_array_library(path):
    assert array_libraries_of((ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np",
        "from numba import njit",
        "try:\n    import cupy\nexcept ImportError:\n    pass",
        "import os, torch.nn",
        "if True:\n    import array_api_compat.numpy",
    ],
)
def test_array_library_in_a_planning_file_is_noticed(source):
    assert array_libraries_of("import json\n" + source) != []


def loaded_by(code: str) -> list[str]:
    """The array libraries in `sys.modules` after `code` ran in a process of its own."""
    code += f"\nimport sys; print(*sorted(set({sorted(ARRAY_LIBRARIES)!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    return done.stdout.split()


@pytest.mark.parametrize("statement", ["import checkpoint, checkpoint.strategies", "import mlp", "import backend"])
def test_importing_a_package_loads_no_array_library(statement):
    assert loaded_by(statement) == []


def test_importing_every_planning_file_loads_no_array_library():
    modules = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in PLANNING]
    assert loaded_by("\n".join(f"import {module}" for module in modules)) == []


def test_plan_is_made_and_judged_without_an_array_library():
    code = """
from checkpoint import chain_of, every_nth, simulate
simulate(every_nth(n_layers=9, n=3), chain_of([8] * 10, batch_size=4, backend="cupy"))
"""
    assert loaded_by(code) == []


def test_training_loads_one_and_that_is_noticed():
    assert "numpy" in loaded_by("from checkpoint import NetworkWithCheckpointing")


# Public names


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names_are_those_written_here(package):
    assert list(import_module(package).__all__) == PUBLIC[package]


@pytest.mark.parametrize(("package", "name"), [(package, name) for package, names in PUBLIC.items() for name in names])
def test_public_name_can_be_imported(package, name):
    assert getattr(import_module(package), name) is not None


@pytest.mark.parametrize(
    ("package", "name"), [(package, name) for package, names in PROMISED.items() for name in names]
)
def test_promised_name_is_public(package, name):
    assert name in PUBLIC[package]


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_and_the_version_is_listed_before_it_is_used(package):
    code = f"import {package}; print(*dir({package}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert {*PUBLIC[package], "__version__", "__doc__"} <= set(done.stdout.split())


@pytest.mark.parametrize("package", PUBLIC)
def test_version_is_the_project_s(package):
    assert import_module(package).__version__ == VERSION


def test_version_is_known_in_a_checkout_that_is_not_installed():
    code = (
        "from importlib import metadata\n"
        "def version(name): raise metadata.PackageNotFoundError(name)\n"
        "metadata.version = version\nimport backend; print(backend.__version__)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == VERSION


@pytest.mark.parametrize("package", PUBLIC)
def test_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nonsense'"):
        import_module(package).nonsense  # noqa: B018


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=str)
def test_init_file_only_re_exports(path):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    defined = [type(node).__name__ for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    assert defined == []


@pytest.mark.parametrize("path", FILES, ids=str)
def test_file_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8")))
