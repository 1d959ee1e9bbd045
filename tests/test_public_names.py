"""Which names are public: a change here is a change of the interface."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

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
        "Adagrad",
        "Adam",
        "AdamW",
        "ArrayBatches",
        "Batches",
        "Constant",
        "Cosine",
        "EarlyStopping",
        "EpochRecord",
        "Gradient",
        "History",
        "ImageBatches",
        "InverseScaling",
        "Nesterov",
        "Network",
        "NetworkError",
        "Progress",
        "RMSprop",
        "SGD",
        "SavedState",
        "StateError",
        "Step",
        "StepDecay",
        "TrainingError",
        "WarmUp",
        "accuracy",
        "batches_of_part",
        "export_weights",
        "format_sizes",
        "import_weights",
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
        "GeneralChain",
        "Layer",
        "MLPClassifier",
        "MLPRegressor",
        "MachineConstants",
        "MachineCost",
        "NetworkOnRanks",
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
        "figure",
        "front_of",
        "general_chain",
        "load",
        "machine_cost",
        "micro_batches",
        "offloaded",
        "plan",
        "plan_chain",
        "segmented",
        "simulate",
        "square_root",
        "store_all",
        "timeline",
        "world",
    ],
}

PROMISED = {
    "backend": ["select_backend"],
    "mlp": ["Network"],
    "checkpoint": [
        "BudgetError",
        "MLPClassifier",
        "MLPRegressor",
        "NetworkWithCheckpointing",
        "chain_of",
        "plan",
        "simulate",
    ],
}
"""What outside programs rely on."""


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
