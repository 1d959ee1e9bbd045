"""The command lines and Python blocks of a Markdown file."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(name: str, language: str) -> list[str]:
    """The fenced blocks in `language` of a file of this repository."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return [body for of, body in _BLOCK.findall(text) if of == language]


def commands(name: str) -> list[str]:
    """The command lines of a file, one each."""
    return [line for block in blocks(name, "sh") for line in block.splitlines() if line.strip()]


def links(name: str) -> list[str]:
    """Where the links and pictures of a file lead."""
    return re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / name).read_text(encoding="utf-8"))
