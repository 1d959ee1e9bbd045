"""Which peers can run on this machine, and the runner of each. Imports a peer's library only to build its runner."""

import importlib.util
import shutil

from bench.steps.cases import Case
from bench.steps.runner import Absent, Runner
from bench.steps.ways import COMPILED, PEERS

COMPILERS = ("g++", "clang++", "c++")


def absent_peers() -> dict[str, str]:
    """The peers that cannot run on this machine, by name, and why."""
    return {name: reason for name in PEERS if (reason := _why_absent(name))}


def build_peer(name: str, case: Case) -> Runner:
    """The runner of a peer. Raises `Absent`."""
    if reason := _why_absent(name):
        raise Absent(reason)
    if PEERS[name] == "torch":
        from bench.steps.peers.torch_steps import torch_runner

        return torch_runner(name, case)
    from bench.steps.peers.jax_steps import jax_runner

    return jax_runner(name, case)


def _why_absent(name: str) -> str | None:
    library = PEERS[name]
    if importlib.util.find_spec(library) is None:
        return f"{library} is not installed"
    if name == COMPILED and not any(map(shutil.which, COMPILERS)):
        return f"it needs a C++ compiler, and none of {', '.join(COMPILERS)} is installed"
    return None
