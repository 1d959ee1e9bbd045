"""What the commands of this package share: their options, what they say before they measure, and their JSON."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.machine.environment import environment, headline
from bench.machine.quiet import look_around
from checkpoint.output import OutputError, check_writable, write_json


def parser_of(name: str, description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that every command has; the first line of `description` is its help."""
    parser = argparse.ArgumentParser(
        prog=f"python -m bench.{name}", description=(description or "").partition("\n")[0].rstrip(".")
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write every figure, in bytes and seconds")
    return parser


def positive(text: str) -> int:
    """A whole number of 1 or more, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"wanted 1 or more; got {text}")
    return number


def opening(args: argparse.Namespace) -> dict[str, Any] | None:
    """Say what the figures are measured on; returns that for the JSON, or None where no JSON can be written."""
    try:
        check_writable(args.json)
    except OutputError as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return None
    where, seen = environment(), look_around()
    print(headline(where))
    print(f"{seen}\n", flush=True)
    return {**where, "quiet": asdict(seen)}


def closing(args: argparse.Namespace, name: str, where: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> int:
    """Write the JSON where it is wanted; 0."""
    if args.json:
        write_json(args.json, {"format": f"mlp-checkpointing bench {name} 1", "environment": where, "rows": [*rows]})
    return 0
