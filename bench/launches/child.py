"""Steps of one network on the CuPy backend, with what Python does in the last of them counted; a script of its own.

It asks for nothing but this project's public names, so that it counts the same in another tree of it. What CUDA does
is printed by the stand-in, between two lines of `mark`.
"""

import json
import sys
from typing import Any

MARK = "== the step that is counted"
STEPS = 6
"""Those before the one that is counted among them: kernels are compiled and plans made by then."""


class Calls:
    """Python's calls, as `sys.setprofile` has them."""

    def __init__(self) -> None:
        self.made, self.waits = 0, 0

    def __call__(self, frame: Any, event: str, of: Any) -> None:
        self.made += event in ("call", "c_call")
        self.waits += event == "c_call" and getattr(of, "__name__", "") == "synchronize"


def main() -> None:
    """Take the steps, print the counts."""
    facts = json.load(sys.stdin)
    import cupy
    import numpy as np

    from backend import select_backend
    from checkpoint import NetworkWithCheckpointing
    from mlp import Network

    backend, sizes = select_backend("cupy"), facts["sizes"]
    more = {"backend": backend, "initialization": "scaled", **facts["network"]}
    kind = NetworkWithCheckpointing if "checkpoint_every_nth_layer" in more else Network
    network = kind(sizes, **more)
    random = np.random.default_rng(0)
    X, y = (backend.asarray(random.random((facts["rows"], width)), "float32") for width in (sizes[0], sizes[-1]))

    class Allocations(cupy.cuda.MemoryHook):  # type: ignore[misc]
        name = "counted"
        made = 0

        def malloc_postprocess(self, **_: Any) -> None:
            self.made += 1

    calls, allocations = Calls(), Allocations()
    with network.trusting_inputs():  # as in a training, whose data set was looked through
        for number in range(STEPS):
            if number < STEPS - 1:
                network.update_mini_batch(X, y, eta=0.1)
                continue
            backend.synchronize()
            with allocations:
                print(MARK, file=sys.stderr, flush=True)
                sys.setprofile(calls)
                network.update_mini_batch(X, y, eta=0.1)
                sys.setprofile(None)
                print(MARK, file=sys.stderr, flush=True)
    found = {"python_calls": calls.made, "waits": calls.waits, "pool_allocations": allocations.made}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
