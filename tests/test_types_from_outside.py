"""The types that a user's program sees: it is checked by mypy as strictly as this project, from another folder."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PROGRAM = """
from pathlib import Path

import numpy as np

import checkpoint
from backend import Backend, select_backend
from checkpoint import BudgetError, NetworkWithCheckpointing, Plan, Schedule, chain_of, load, plan, simulate
from mlp import EpochRecord, Network, import_weights

backend: Backend = select_backend("numpy")
found: Plan = plan([784, 256, 256, 10], batch_size=100, budget_bytes="50%")
schedule: Schedule = found.schedule
peak: int = simulate(schedule, chain_of([784, 256, 256, 10], batch_size=100)).peak_bytes
net = NetworkWithCheckpointing([784, 256, 256, 10], schedule=found, backend=backend)
X, y = np.zeros((100, 784), "float32"), np.zeros((100, 10), "float32")
history: list[EpochRecord] = net.SGD((X, y), epochs=1, mini_batch_size=10, eta=1.0, verbose=True)
accuracy: float | None = history[-1].test_accuracy
for gradient in net.backprop(X, y):
    layer: int = gradient.layer
net.save(Path("net.state"))
again: Network = load("net.state")
imported: NetworkWithCheckpointing = import_weights("w.safetensors", kind=NetworkWithCheckpointing, budget_bytes="50%")
plain: Network = import_weights("w.safetensors", activation="relu")
checkpoint.figure(found).savefig("plan.png")
texts: list[str] = [net.summary(), found.summary(), schedule.summary(), checkpoint.__version__]
try:
    plan([784, 10], batch_size=1, budget_bytes=1)
except BudgetError as error:
    least: int = error.minimum_bytes
"""

WRONG = {
    "a width as text": 'from mlp import Network\nNetwork(["784", 10])\n',
    "a budget that is a float": "from checkpoint import plan\nplan([4, 3], batch_size=1, budget_bytes=0.5)\n",
    "a name that is not public": "from checkpoint import fastest_plan\n",
    "an attribute that is not there": "from checkpoint import Plan\ndef peak(p: Plan) -> int:\n    return p.peak\n",
    "verbose as text": 'from mlp import Network\nNetwork([2, 1]).SGD(([], []), 1, 1, 1.0, verbose="yes")\n',
}


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed; it comes with the extra dev")
def test_a_user_s_program_is_checked_and_its_mistakes_are_found(tmp_path: Path) -> None:
    """In one run, as each takes seconds: the configuration and the cache are the project's."""
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    for number, text in enumerate(WRONG.values()):
        (tmp_path / f"wrong_{number}.py").write_text(text, encoding="utf-8")
    files = ["program.py", *(f"wrong_{number}.py" for number in range(len(WRONG)))]
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache"), "--no-pretty"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, *files], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    faulty = {line.split(":")[0] for line in done.stdout.splitlines() if ": error:" in line}
    assert faulty == set(files[1:]), done.stdout + done.stderr
