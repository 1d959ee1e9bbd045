"""Coverage-guided fuzzing of everything that reads outside input: files, schedules and options.

    pip install 'mlp-checkpointing[fuzz]'
    python -m bench.fuzz state --seconds 120

On each input a reader must return or raise one of the package's own errors with a one-line message. Any other
exception, a hang of 10 seconds, or more than 1 GiB of memory is a crash, and the input is kept in `tests/corpus`, which
a test replays. Uses Google's atheris (libFuzzer). It starts from seeds that are generated, and from that folder.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

READERS = (
    *("idx", "npz", "state", "facts", "checkpointing", "npy", "picture", "schedule", "timings", "sizes", "amounts"),
    *("ways", "save-every", "preparation", "csv", "parquet", "hdf5", "pair", "sizes-of-data", "weights"),
)
CORPUS = Path(__file__).parents[2] / "tests" / "corpus"


def main() -> int:
    """Fuzz each reader in a process of its own and print the figures; 0 if nothing crashed."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description="Fuzz a reader.")
    parser.add_argument("reader", choices=[*READERS, "all"])
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="for each reader (default: 60)")
    parser.add_argument(
        "--crashes",
        type=Path,
        default=CORPUS,
        metavar="FOLDER",
        help="keep crashing inputs below here, in a folder a reader (default: tests/corpus)",
    )
    args = parser.parse_args()
    names = READERS if args.reader == "all" else (args.reader,)
    return max(_fuzz(name, args.seconds, args.crashes) for name in names)


def _fuzz(name: str, seconds: int, crashes: Path) -> int:
    kept = crashes.resolve() / name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.fuzz.target", name, folder, str(kept), f"-max_total_time={seconds}"]
        command += ["-timeout=10", "-rss_limit_mb=1024", "-max_len=65536", f"-artifact_prefix={kept}/"]
        command += ["-print_final_stats=1", "-verbosity=1"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    executed = re.findall(r"stat::number_of_executed_units:\s*(\d+)", ended.stderr)
    features = re.findall(r"ft: (\d+)", ended.stderr)
    peak = re.findall(r"stat::peak_rss_mb:\s*(\d+)", ended.stderr)
    print(
        f"{name}: {executed[-1] if executed else '?'} executions in {seconds} s, "
        f"{features[-1] if features else '?'} features, peak {peak[-1] if peak else '?'} MiB, "
        f"{'no crash' if ended.returncode == 0 else 'CRASHED'}",
        flush=True,
    )
    if ended.returncode:
        print("\n".join(ended.stderr.splitlines()[-40:]), file=sys.stderr)
    return int(ended.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
