"""`--backend` and `--no-resident`, for the benchmarks."""

import pytest

# Programs with dependencies of their own: they contain no test.
collect_ignore = [
    "__main__.py",
    "fuzz/target.py",
    "steps/peers/torch_steps.py",
    "steps/peers/jax_steps.py",
    "gpu_acceptance/__main__.py",
    "fuzz/__main__.py",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backend", default="numpy", help="numpy or cupy")
    parser.addoption("--no-resident", action="store_true", help="leave out the resident sets")


@pytest.fixture(scope="session")
def backend_name(request: pytest.FixtureRequest) -> str:
    name: str = request.config.getoption("--backend")
    return name


@pytest.fixture(scope="session")
def resident(request: pytest.FixtureRequest) -> bool:
    return not request.config.getoption("--no-resident")
