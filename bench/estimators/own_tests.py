"""How many of scikit-learn's own tests of its multi-layer perceptrons pass with ours in their place.

    python -m bench.estimators.own_tests

They also test what only scikit-learn has: lbfgs, the Poisson loss, and attributes that are not public.
"""

import contextlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest

REASONS = {
    "solver 'lbfgs'": "lbfgs",
    'solver="lbfgs"': "lbfgs",
    "'poisson'": "the Poisson loss",
    "object has no attribute '_": "attributes that are not public",
}
"""What is in the report of a test that wants something else than an estimator's promises, and what that is."""


class Counted:
    """A plugin of pytest's that keeps how each test ended: `failed` has the reports by name."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Called by pytest for each phase of a test."""
        name = report.nodeid.rpartition("::")[2]
        if report.failed:
            self.failed[name] = report.longreprtext
        elif report.when == "call" and report.passed:
            self.passed.append(name)

    def missing(self) -> dict[str, list[str]]:
        """The tests that fail, by what they want."""
        found: dict[str, list[str]] = {}
        for name, text in self.failed.items():
            reason = next((reason for part, reason in REASONS.items() if part in text), "else")
            found.setdefault(reason, []).append(name)
        return found


def run() -> Counted:
    """scikit-learn's tests of `sklearn.neural_network` with its two classes replaced, in this process."""
    from sklearn import neural_network

    import checkpoint

    neural_network.MLPClassifier = checkpoint.MLPClassifier
    neural_network.MLPRegressor = checkpoint.MLPRegressor
    found = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    assert found is not None
    assert found.origin is not None
    file, counted = Path(found.origin), Counted()
    options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(file.parents[3])]
    with contextlib.redirect_stdout(sys.stderr):
        pytest.main([str(file), *options, "--tb=short", "-W", "ignore"], plugins=[counted])
    return counted


def main() -> int:
    """Run and count; 0."""
    counted = run()
    total = len(counted.passed) + len(counted.failed)
    print(f"{len(counted.passed)} of scikit-learn's {total} tests pass")
    for reason, names in counted.missing().items():
        print(f"{len(names)} want {reason}: {', '.join(names)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
