"""The fuzzer's own process: `python -m bench.fuzz.target READER FOLDER [libFuzzer's options]`; see `bench.fuzz`."""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["mlp", "checkpoint", "zipfile", "json"]):
    from bench.fuzz.readers import READERS, judged
    from bench.fuzz.seeds import seeds


def main() -> None:
    """Write the seeds to the folder, and run libFuzzer, which ends the process."""
    name, folder, *options = sys.argv[1:]
    for number, seed in enumerate(seeds(name)):
        (Path(folder) / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], folder, *options], judged(READERS[name]))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
