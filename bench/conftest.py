"""`--backend` and the cases, for the benchmarks."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backend", default="numpy", help="numpy or cupy")


@pytest.fixture
def backend_name(request: pytest.FixtureRequest) -> str:
    name: str = request.config.getoption("--backend")
    return name
