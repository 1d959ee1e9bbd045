"""A training in a process of its own, which watches its own memory and the pages of mapped files apart. Linux alone.

python -m bench.mapped.child < facts.json
"""

import json
import os
import resource
import sys
import tempfile
import threading
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from checkpoint.commands.program import main as command

SAMPLE_SECONDS = 0.002


class Watch:
    """The most that `RssAnon` and `RssFile` were while it ran, sampled; `start_bytes` is the first before it."""

    def __init__(self) -> None:
        self.start_bytes = now("RssAnon")
        self.anon_bytes, self.file_bytes = self.start_bytes, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.anon_bytes = max(self.anon_bytes, now("RssAnon"))
            self.file_bytes = max(self.file_bytes, now("RssFile"))


def now(name: str) -> int:
    """A line of this process's status, in bytes: RssAnon, RssFile, VmData, ..."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name} in /proc/self/status, which Linux has")


def train(arguments: list[str], *, more_bytes: int | None) -> dict[str, Any]:
    """Run `train` with these options; what it took. `more_bytes`: a limit of its data segment above what it has now."""
    import mlp.inference  # what a training loads anyway is no growth
    import mlp.training.samples  # noqa: F401
    from backend import select_backend

    select_backend("numpy")
    if more_bytes is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (now("VmData") + more_bytes,) * 2)
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        report = Path(folder) / "train.json"
        with Watch() as watch, redirect_stdout(nowhere):
            status = command(["train", *arguments, "--json", str(report)])
        if status:
            sys.exit(status)
        found = json.loads(report.read_text(encoding="utf-8"))
    names = ("rest_bytes", "predicted_peak_bytes", "measured_peak_bytes", "loading_seconds", "seconds", "test_accuracy")
    return {
        **{name: found[name] for name in names},
        "grown_bytes": watch.anon_bytes - watch.start_bytes,
        "mapped_bytes": watch.file_bytes,
    }


if __name__ == "__main__":
    facts = json.load(sys.stdin)
    print(json.dumps(train(facts["arguments"], more_bytes=facts["more_bytes"])))
