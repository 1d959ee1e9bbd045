"""Which names are public: a change here is a change of the interface."""

from importlib import import_module

import pytest

PUBLIC = {
    "backend": [
        "Backend",
        "BackendError",
        "BackendUnavailable",
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
        "figure",
        "front_of",
        "micro_batches",
        "offloaded",
        "plan",
        "plan_chain",
        "segmented",
        "simulate",
        "square_root",
        "store_all",
        "timeline",
    ],
}

PROMISED = {
    "backend": ["select_backend"],
    "mlp": ["Network"],
    "checkpoint": ["BudgetError", "NetworkWithCheckpointing", "chain_of", "plan", "simulate"],
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
def test_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nonsense'"):
        import_module(package).nonsense  # noqa: B018
