"""Which peers can run on this machine, and the runner of each. Imports a peer's library only to build its runner."""

import importlib.util
import shutil

from bench.steps.cases import Case
from bench.steps.runner import Absent, Runner
from bench.steps.ways import BUDGETS, COMPILED, PEERS, PRODUCTS

COMPILERS = ("g++", "clang++", "c++")
LIBRARIES = PEERS | {name: library for library, name in PRODUCTS.items()}
"""The library of each peer, and of each peer's products."""


def absent_peers() -> dict[str, str]:
    """The peers and their products that cannot run on this machine, by name, and why."""
    return {name: reason for name in LIBRARIES if (reason := _why_absent(name))}


def build_peer(name: str, case: Case) -> Runner:
    """The runner of a peer, or of its products alone. Raises `Absent`."""
    if reason := _why_absent(name):
        raise Absent(reason)
    if LIBRARIES[name] == "torch":
        from bench.steps.peers.torch_steps import torch_products, torch_runner

        return torch_products(case) if name in PRODUCTS.values() else torch_runner(name, case)
    if LIBRARIES[name] == "jax":
        from bench.steps.peers.jax_steps import jax_products, jax_runner

        return jax_products(case) if name in PRODUCTS.values() else jax_runner(name, case)
    from bench.steps.peers.scikit_steps import scikit_runner

    return scikit_runner(case)


def peer_facts() -> dict[str, str]:
    """What each installed peer multiplies with, by library."""
    found = {}
    if importlib.util.find_spec("torch") is not None:
        from bench.steps.peers.torch_steps import torch_facts

        found["torch"] = torch_facts()
    if importlib.util.find_spec("jax") is not None:
        found["jax"] = "XLA's own products, by Eigen"
    return found


def _why_absent(name: str) -> str | None:
    library = LIBRARIES[name]
    if importlib.util.find_spec(library) is None:
        return f"{library} is not installed"
    if name in (COMPILED, *BUDGETS) and not any(map(shutil.which, COMPILERS)):
        return f"it needs a C++ compiler, and none of {', '.join(COMPILERS)} is installed"
    return None
