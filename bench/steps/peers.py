"""Peers at the same work: float32, sigmoid, quadratic cost, one step of gradient descent from the same parameters.

Each is set up as its own manual says is fast, and works on as many threads as our BLAS: `bench.steps.torch_peers` and
`bench.steps.jax_peers`.
"""

import importlib.util
import shutil

from bench.steps.cases import Case
from bench.steps.runners import Absent, Runner
from bench.steps.ways import COMPILED, PEERS, Way

COMPILERS = ("g++", "clang++", "c++")


def absent_peers() -> dict[str, str]:
    """The peers that cannot run here, and why."""
    return {name: reason for name in PEERS if (reason := _why_absent(name))}


def build_peer(way: Way, case: Case) -> Runner:
    """The runner of a peer. Raises `Absent`."""
    if reason := _why_absent(way.name):
        raise Absent(reason)
    if way.library == "torch":
        from bench.steps.torch_peers import torch_runner

        return torch_runner(way.name, case)
    from bench.steps.jax_peers import jax_runner

    return jax_runner(way.name, case)


def _why_absent(name: str) -> str | None:
    library = PEERS[name]
    if importlib.util.find_spec(library) is None:
        return f"{library} is not installed"
    if name == COMPILED and not any(map(shutil.which, COMPILERS)):
        return f"it needs a C++ compiler, and none of {', '.join(COMPILERS)} is here"
    return None
