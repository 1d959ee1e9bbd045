"""Remedies name the CuPy for the driver that is here, and the wheel that is installed."""

import pytest

from backend.cupy import remedies


@pytest.mark.parametrize(
    ("driver", "remedy"),
    [
        (12080, 'install it: pip install "mlp-checkpointing[cuda12]"'),
        (13020, 'install it: pip install "mlp-checkpointing[cuda13]"'),
        (14000, 'install it: pip install "mlp-checkpointing[cuda13]"'),
        (
            None,
            'install it: pip install "mlp-checkpointing[cuda13]" for CUDA 13, or pip install '
            '"mlp-checkpointing[cuda12]" for CUDA 12',
        ),
    ],
)
def test_cupy_to_install_is_the_one_for_the_driver(
    monkeypatch: pytest.MonkeyPatch, driver: int | None, remedy: str
) -> None:
    monkeypatch.setattr(remedies, "driver_version", lambda: driver)
    assert remedies.install_cupy() == remedy


class Installed:
    """A distribution that is installed: its name, and the extras that it has."""

    def __init__(self, name: str, *extras: str) -> None:
        self.name, self.extras = name, extras

    def get_all(self, field: str) -> list[str]:
        assert field == "Provides-Extra"
        return list(self.extras)


@pytest.mark.parametrize(
    ("installed", "remedy"),
    [
        ([Installed("cupy-cuda12x", "all", "ctk")], 'install CUDA\'s libraries: pip install "cupy-cuda12x[ctk]"'),
        ([Installed("cupy_cuda13x", "ctk")], 'install CUDA\'s libraries: pip install "cupy-cuda13x[ctk]"'),
        ([Installed("cupy-cuda11x", "all")], "install NVIDIA's CUDA Toolkit 11, which cupy-cuda11x needs"),
        ([Installed("cupy")], "install NVIDIA's CUDA Toolkit, which cupy needs"),
        ([Installed("cupy-xarray", "ctk"), Installed("numpy")], "install NVIDIA's CUDA Toolkit, which CuPy needs"),
    ],
)
def test_remedy_names_the_wheel_that_is_installed(
    monkeypatch: pytest.MonkeyPatch, installed: list[Installed], remedy: str
) -> None:
    monkeypatch.setattr(remedies.metadata, "distributions", lambda: installed)
    by_name = {found.name.replace("_", "-"): found for found in installed}
    monkeypatch.setattr(remedies.metadata, "metadata", lambda name: by_name[name])
    assert remedies.install_libraries() == remedy


def test_a_driver_older_than_every_cupy_is_to_be_updated() -> None:
    assert remedies.match_driver(10020) == "update the driver, or choose --backend numpy"
