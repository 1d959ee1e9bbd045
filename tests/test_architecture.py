"""The house: which way imports run, that none run in a circle, and that planning needs no array library."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PACKAGES = ("backend", "mlp", "checkpoint", "bench")
"""Each imports those before it, and none after."""

LEVELS = (
    "schedule",
    "strategies",
    "planning",
    "torch",
    "ranks",
    "measuring",
    "execution",
    "estimators",
    "runs",
    "drawing",
    "commands",
)
"""The folders of `checkpoint/`: likewise."""

GROUND = ("errors", "arguments", "units", "output", "palette")
"""The files of `checkpoint/` that are below its folders. Its other files are doors: above them, and asked by none."""

MLP_DATA_READERS = ("mlp.data.formats", "mlp.data.named", "mlp.data.load", "mlp.data.unlabelled")
"""What finds and reads files."""

APART = {
    "backend.numpy": ("backend.cupy", "backend.select", "backend.places"),
    "backend.cupy": ("backend.numpy", "backend.select", "backend.places"),
    **dict.fromkeys(
        ("backend.base", "backend.arrays", "backend.kernels", "backend.layer_steps"),
        ("backend.numpy", "backend.cupy", "backend.select", "backend.places"),
    ),
    "backend.transfers": ("backend.numpy", "backend.cupy", "backend.places"),
    "backend.cupy.kernels": ("backend.cupy.backend", "backend.cupy.steps", "backend.cupy.watch"),
    "mlp.data": ("mlp.network", "mlp.steps", "mlp.training", "mlp.saving", "mlp.layers", "mlp.backward"),
    "mlp.data.values": (*MLP_DATA_READERS, "mlp.data.dataset", "mlp.data.prepare", "mlp.data.stream"),
    "mlp.data.formats": MLP_DATA_READERS[1:],
    "mlp.data.named": ("mlp.data.load", "mlp.data.unlabelled"),
    "checkpoint.runs.states": ("checkpoint.runs.run", "checkpoint.runs.endings", "checkpoint.runs.comparison"),
    "checkpoint.runs.endings": ("checkpoint.runs.run", "checkpoint.runs.comparison"),
    "bench.gpu_acceptance.checks": ("bench.gpu_acceptance.groups", "bench.gpu_acceptance.processes"),
    "mlp.training": ("mlp.network", "mlp.steps", "mlp.saving"),
}
"""What is to be read without what. Beside the levels of `checkpoint`."""

PURE = ("schedule", "strategies", "planning", "ranks")
"""The folders of `checkpoint/` that plan: plain Python and numbers, in themselves and in what they import."""

ARRAY_LIBRARIES = {
    *("numpy", "numba", "cupy", "cupyx", "cupy_backends", "array_api_compat", "array_api_strict"),
    *("torch", "jax", "scipy", "sklearn", "pandas", "matplotlib"),
}
NOT_TO_PLAN = ARRAY_LIBRARIES | {"pooch", "psutil", "PIL", "requests"}
"""What the command `plan` starts without."""

FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path.read_text(encoding="utf-8")
    for path in FILES
}
"""The text of each module, by name."""

PLANNING = [name for name in SOURCES if name.startswith(tuple(f"checkpoint.{room}" for room in PURE))]


def imported(source: str, known: Iterable[str] = SOURCES, *, at_once: bool = False) -> Iterator[str]:
    """The modules that a source text imports, wherever in it; `at_once`: only those that importing it imports."""

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
            for alias in node.names:  # a name of a package may be a module of it
                name = f"{node.module}.{alias.name}"
                yield name if name in known else str(node.module)


def within(module: str, rooms: Iterable[str]) -> bool:
    return any(module == room or module.startswith(room + ".") for room in rooms)


# One way


def level_of(module: str) -> int:
    """The level of a module of `checkpoint`; the higher imports the lower."""
    room = module.split(".")[1] if "." in module else ""
    if room in GROUND:
        return -1
    return LEVELS.index(room) if room in LEVELS else len(LEVELS)


def against_the_arrows(module: str, source: str) -> list[str]:
    """What `module` must not import, and does."""
    package = module.split(".")[0]
    later = (*PACKAGES[PACKAGES.index(package) + 1 :], "tests")
    wrong = [other for other in imported(source) if within(other, later)]
    if package == "checkpoint":
        wrong += [o for o in imported(source) if within(o, [package]) and level_of(o) > level_of(module)]
    for room, others in APART.items():
        if within(module, [room]):
            wrong += [other for other in imported(source) if within(other, others)]
    return wrong


@pytest.mark.parametrize("module", SOURCES)
def test_imports_run_one_way(module):
    assert against_the_arrows(module, SOURCES[module]) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mlp.network", "import checkpoint"),
        ("mlp.network", "from checkpoint.schedule.chain import Chain"),
        ("mlp.network", "def f():\n    from bench import run"),
        ("mlp.network", "if TYPE_CHECKING:\n    import checkpoint.execution.network"),
        ("mlp.network", "from tests.conftest import Case"),
        ("mlp.training.loop", "if TYPE_CHECKING:\n    from mlp.network import Network"),
        ("mlp.training.loop", "from mlp import network"),
        ("mlp.data.load", "from mlp.training.batches import Batches"),
        ("mlp.data.values.scaling", "from mlp.data.formats.npz import read_npz"),
        ("mlp.data.formats.idx", "from mlp.data.load import load"),
        ("mlp.data.named.mnist", "import mlp.data.load"),
        ("checkpoint.runs.states.saver", "from checkpoint.runs.endings import faults"),
        ("bench.gpu_acceptance.checks.steps", "from bench.gpu_acceptance.groups import GROUPS"),
        ("backend.numpy.backend", "from backend.cupy.pool import Pool"),
        ("backend.cupy.kernels.launching", "from backend.cupy.watch import CupyWatch"),
        ("backend.base", "import backend.numpy.backend"),
        ("backend.transfers", "def f():\n    from backend.cupy.transfers import CupyTransfers"),
        ("checkpoint.units", "from checkpoint.schedule.chain import Chain"),
        ("checkpoint.schedule.chain", "from checkpoint.strategies import store_all"),
        ("checkpoint.strategies.offloaded", "from checkpoint.planning.costs import Cost"),
        ("checkpoint.planning.plan", "def f():\n    from checkpoint.measuring.calibration import calibrate"),
        ("checkpoint.measuring.calibration", "from checkpoint.execution.network import NetworkWithCheckpointing"),
        ("checkpoint.execution.network", "import checkpoint.runs.run"),
        ("checkpoint.runs.run", "from checkpoint.drawing import canvas"),
        ("checkpoint.drawing.growth", "from checkpoint.commands.analyze import Growth"),
        ("checkpoint.commands.plan", "from checkpoint import plan"),
    ],
)
def test_import_against_the_arrows_is_noticed(module, source):
    allowed = "import numpy\nfrom backend.errors import BackendError\n"
    assert against_the_arrows(module, allowed) == []
    assert against_the_arrows(module, allowed + source) != []


def test_each_folder_of_checkpoint_has_a_level():
    folders = {path.name for path in (ROOT / "checkpoint").iterdir() if (path / "__init__.py").exists()}
    assert folders == set(LEVELS)


@pytest.mark.parametrize("package", ["backend", "mlp", "checkpoint"])
def test_using_a_package_s_names_loads_no_later_package(package):
    later = PACKAGES[PACKAGES.index(package) + 1 :]
    code = (
        f"import sys, {package}\n"
        f"[getattr({package}, name) for name in {package}.__all__]\n"
        f"print(*(name for name in sys.modules if name.split('.')[0] in {later!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == []


def importers_of_torch(sources: Mapping[str, str]) -> list[str]:
    """The modules outside `checkpoint.torch` and the benchmarks that import PyTorch, or that folder."""
    wanted = ("torch", "checkpoint.torch")
    return [
        module
        for module, source in sources.items()
        if not within(module, ["bench", "checkpoint.torch"]) and any(within(o, wanted) for o in imported(source))
    ]


def test_one_folder_imports_torch():
    assert importers_of_torch(SOURCES) == []


@pytest.mark.parametrize("source", ["def f():\n    import torch", "from checkpoint.torch import plan_sequential"])
def test_another_importer_of_torch_is_noticed(source):
    assert importers_of_torch({**SOURCES, "checkpoint.runs.run": source}) == ["checkpoint.runs.run"]


# No circle


def circles(sources: Mapping[str, str]) -> list[list[str]]:
    """The groups of modules each of which imports the others, by way of others too; anywhere in their text."""
    reached = {name: {other for other in imported(text, sources) if other in sources} for name, text in sources.items()}
    for through in sources:  # Warshall's closure
        for others in reached.values():
            if through in others:
                others |= reached[through]
    groups = {
        tuple(sorted(other for other in others if name in reached[other]))
        for name, others in reached.items()
        if name in others
    }
    return [list(group) for group in sorted(groups)]


def test_no_imports_run_in_a_circle():
    assert circles(SOURCES) == []


@pytest.mark.parametrize(
    ("changed", "source"),
    [
        ("checkpoint.schedule.actions", "from checkpoint.schedule.schedule import Schedule"),
        ("checkpoint.schedule.actions", "if TYPE_CHECKING:\n    from checkpoint.schedule.simulation import simulate"),
        ("checkpoint.schedule.chain", "def f():\n    import checkpoint.schedule.simulation"),
        ("mlp.errors", "from mlp import sizes"),
    ],
)
def test_circle_is_noticed(changed, source):
    before = circles(SOURCES)
    found = circles({**SOURCES, changed: SOURCES[changed] + "\n" + source})
    assert [group for group in found if changed in group]
    assert not [group for group in before if changed in group]


# Planning


def array_libraries_of(source: str) -> list[str]:
    return [module for module in imported(source, at_once=True) if module.split(".")[0] in ARRAY_LIBRARIES]


@pytest.mark.parametrize("module", PLANNING)
def test_planning_file_imports_no_array_library(module):
    assert array_libraries_of(SOURCES[module]) == []


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


def loaded_by(code: str, libraries: Iterable[str] = ARRAY_LIBRARIES) -> list[str]:
    """Those of `libraries` that are in `sys.modules` after `code` ran in a process of its own."""
    code += f"\nimport sys; print(*sorted(set({sorted(libraries)!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    return done.stdout.split()


@pytest.mark.parametrize("statement", ["import checkpoint, checkpoint.strategies", "import mlp", "import backend"])
def test_importing_a_package_loads_no_array_library(statement):
    assert loaded_by(statement) == []


def test_importing_every_planning_file_loads_no_array_library():
    assert loaded_by("\n".join(f"import {module}" for module in PLANNING)) == []


def test_the_command_plan_starts_without_array_library_download_or_picture():
    assert loaded_by("import checkpoint.commands.plan", NOT_TO_PLAN) == []


def test_plan_is_made_and_judged_without_an_array_library():
    code = """
from checkpoint import chain_of, every_nth, plan, simulate
simulate(every_nth(n_layers=9, n=3), chain_of([8] * 10, batch_size=4, backend="cupy"))
plan([8] * 10, batch_size=4, budget_bytes="60%", backend="cupy")
"""
    assert loaded_by(code) == []


def test_training_loads_one_and_that_is_noticed():
    assert "numpy" in loaded_by("from checkpoint import NetworkWithCheckpointing")


# Files


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=str)
def test_init_file_only_re_exports(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    defined = [type(node).__name__ for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    assert defined == []


@pytest.mark.parametrize("module", SOURCES)
def test_file_says_what_it_is_for(module):
    assert ast.get_docstring(ast.parse(SOURCES[module]))
