"""The keys of a command's JSON: those that a file has, and those that `checkpoint/commands/JSON.md` describes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import checkpoint.commands

DESCRIPTION = Path(checkpoint.commands.__path__[0]) / "JSON.md"
IN_EVERY_FILE = "every file"


def described(command: str) -> set[str]:
    """The keys in the tables of the sections called "every file" and `command`."""
    keys: set[str] = set()
    for section in DESCRIPTION.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        if title.strip(" `") in (command, IN_EVERY_FILE):
            keys |= set(re.findall(r"^\| `([^`]+)` \|", body, flags=re.MULTILINE))
    return keys


def keys_of(record: Any, *, prefix: str = "") -> set[str]:
    """Every key of `record` as a path: `settings.eta`, and `epochs[].seconds` for the records of a list."""
    return set(_keys(record, prefix))


def _keys(record: Any, prefix: str) -> Iterator[str]:
    for key, value in record.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{path}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                yield from _keys(item, f"{path}[].")
        else:
            yield path
