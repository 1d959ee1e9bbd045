"""The tests on every Python that is found, and once with the lowest declared versions of the dependencies.

    python -m bench.versions
    python -m bench.versions --python 3.14=/opt/python3.14/bin/python3.14 -- tests/mlp

Each run makes an environment in a temporary folder, installs this repository there and runs pytest with the arguments
after `--`. Pythons are looked for on PATH and among pyenv's; one that is not found is left out by name.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tabulate import tabulate

from bench.command import closing, opening, parser_of
from bench.machine.child import ROOT

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
LOWEST = "lowest dependencies"
MOST_FAILURES = 20
OLD_WARNS = ("-W", "ignore::DeprecationWarning")
"""An old release cannot know what newer ones of its own dependencies deprecate."""

NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "out")


@dataclass(frozen=True, slots=True)
class Tested:
    """One run: its Python, whether dependencies were the lowest, pytest's last line, and seconds with installing."""

    python: str
    lowest: bool
    passed: bool
    said: str
    seconds: float


def pythons(given: Iterable[str] = ()) -> dict[str, str]:
    """The interpreters by version: those `given` as VERSION=PATH, then those that are found and answer."""
    found = dict(one.split("=", 1) for one in given)
    for version in VERSIONS:
        pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
        for path in (shutil.which(f"python{version}"), *map(str, pyenv)):
            if version not in found and path is not None and _answers(path, version):
                found[version] = path
    return dict(sorted(found.items(), key=lambda item: [int(part) for part in item[0].split(".")]))


def lowest(requirements: Iterable[str]) -> list[str]:
    """The lowest version of each requirement as a constraint.

    >>> lowest(["numpy>=2.0", "array-api-compat>=1.9,<2"])
    ['numpy==2.0', 'array-api-compat==1.9']
    """
    found = []
    for requirement in requirements:
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*>=\s*([0-9][^,;\s]*)", requirement)
        if match is None:
            raise ValueError(f"wanted a requirement with a lowest version, such as numpy>=2.0; got {requirement!r}")
        found.append(f"{match[1]}=={match[2]}")
    return found


def run_tests(version: str, python: str, arguments: Sequence[str], *, constraints: Sequence[str] = ()) -> Tested:
    """One run: a copy of this repository installed for one Python, and its tests."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        (room / "constraints.txt").write_text("".join(f"{line}\n" for line in constraints))
        own = room / "venv" / "bin" / "python"
        copy = shutil.copytree(ROOT, room / "copy", ignore=NOT_COPIED)
        quieter = OLD_WARNS if constraints else ()
        for step in (
            [python, "-m", "venv", str(room / "venv")],
            [str(own), "-m", "pip", "install", "-c", str(room / "constraints.txt"), "-e", ".[test]"],
            [str(own), "-m", "pytest", "-q", "-p", "no:cacheprovider", *quieter, *arguments],
        ):
            done = subprocess.run(step, capture_output=True, text=True, check=False, cwd=copy)
            if done.returncode:
                break
    text = done.stdout + done.stderr
    for line in [line for line in text.splitlines() if line.startswith(("FAILED ", "ERROR "))][:MOST_FAILURES]:
        print(f"Python {version}: {line}", file=sys.stderr)
    said = _told(text)
    return Tested(version, bool(constraints), done.returncode == 0, said, time.perf_counter() - begun)


def _told(text: str) -> str:
    """pytest's last line, or pip's lines that name a conflict."""
    lines = text.strip().splitlines() or [""]
    clash = [line.strip() for line in lines if re.search(r" depends on |user requested \(constraint\)", line)]
    return "; ".join(clash[:3]) or lines[-1]


def _answers(python: str, version: str) -> bool:
    asked = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == version


def table(rows: list[Tested]) -> str:
    """One line for each run."""
    body = [
        [
            row.python,
            LOWEST if row.lowest else "newest",
            "ok" if row.passed else "FAILED",
            f"{row.seconds:.0f}",
            row.said,
        ]
        for row in rows
    ]
    return tabulate(body, ["Python", "with", "", "seconds", "pytest says"], disable_numparse=True)


def main(argv: list[str] | None = None) -> int:
    """Test and print; 0, 1 where a test fails, 2 where the JSON cannot be written."""
    parser = parser_of("versions", __doc__)
    parser.add_argument("--python", action="append", default=[], metavar="VERSION=PATH", help="an interpreter to use")
    parser.add_argument("--no-lowest", action="store_true", help="leave out the run with the lowest dependencies")
    parser.add_argument("--only-lowest", action="store_true", help="only that run")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="for pytest, after --")
    args = parser.parse_args(argv)
    where = opening(args)
    if where is None:
        return 2
    arguments = [one for one in args.arguments if one != "--"]
    found = pythons(args.python)
    for version in VERSIONS:
        if version not in found:
            print(f"Python {version} is left out: it is not on PATH, nor among pyenv's")
    rows = [] if args.only_lowest else [run_tests(version, path, arguments) for version, path in found.items()]
    if found and not args.no_lowest:
        dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
        version, path = next(iter(found.items()))
        rows.append(run_tests(version, path, arguments, constraints=lowest(dependencies)))
    print(table(rows))
    closing(args, "versions", where, [asdict(row) for row in rows])
    return 0 if rows and all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
