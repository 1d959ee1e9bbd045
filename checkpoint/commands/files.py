"""Which files a command writes and which it reads: no output may take the place of another, nor of what is read."""

import argparse
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

from checkpoint.output import check_apart

WRITTEN = ("save", "json", "figure", "the timelines", "timeline", "arena", "page", "save_schedule", "target")
"""The options of all commands that name a file to write."""

READ = ("path", "source", "input", "resume", "chain", "checkpoint")
"""Those that name a file to read; --data, which may name several, is looked at beside them."""

MOST_KEPT = 1000
"""Of how many older states, as --keep says, the names are compared with other outputs."""


def check_files(args: argparse.Namespace) -> None:
    """Refuse outputs over each other and over what is read; only `--resume` may be saved to."""
    written, read = _written(args), {name: [Path(value)] for name, value in _given(args).items() if name in READ}
    if args.command == "train" and "resume" in read and written["--save"][0] == read["resume"][0]:
        del read["resume"]
    data = getattr(args, "data", None)
    if isinstance(data, str | Path):
        read["data"] = data_files(data)
    check_apart(written, {_option(name): paths for name, paths in read.items()})


def check_data_apart(args: argparse.Namespace, source: str, path: Path) -> None:
    """Refuse outputs over the data at `source`, which the saved state at `path` names, and no option."""
    check_apart(_written(args), {f"the data of {path}": data_files(source)})


def data_files(source: str | Path) -> list[Path]:
    """The files that `--data` names; none for data that is built in or downloaded, and where they cannot be found."""
    from mlp.data import DataError
    from mlp.data.formats.folder import find_idx_files
    from mlp.data.load import NAMES, paths_of  # which load NumPy

    if source in NAMES:
        return []
    found: list[Path] = []
    with suppress(DataError):
        for path in paths_of(source):
            with suppress(OSError, ValueError):
                found += astuple(find_idx_files(path)) if path.is_dir() else [path]
    return found


def _given(args: argparse.Namespace) -> Mapping[str, Any]:
    return {name: value for name, value in vars(args).items() if isinstance(value, str | Path)}


def _written(args: argparse.Namespace) -> dict[str, list[Path]]:
    """The files that are written, by option: one each, and with --keep the older states that are there too."""
    given = {name: Path(value) for name, value in _given(args).items()}
    if args.command == "compare" and "figure" in given:
        given["the timelines"] = given["figure"].with_stem(f"{given['figure'].stem}-timelines")
    if args.command == "train" and "resume" in given:
        given.setdefault("save", given["resume"])
    written = {_option(name): [given[name]] for name in WRITTEN if name in given}
    keep = min(getattr(args, "keep", None) or 0, MOST_KEPT)
    if keep > 0 and "save" in given and given["save"].name:
        from mlp.saving.atomic import numbered  # whose package loads NumPy

        written["--save"] += [numbered(given["save"], k) for k in range(1, keep + 1)]
    return written


def _option(name: str) -> str:
    if name in ("path", "source", "target", "input"):
        return name.upper()
    return name if " " in name else f"--{name.replace('_', '-')}"
