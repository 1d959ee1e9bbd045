"""The program `mlp-checkpointing`: its commands, and how it ends.

Status 0: done. 1: it went wrong on the way (memory, a full disk, numbers that are not finite). 2: the input was wrong.
130: interrupted by Ctrl-C. 143: by SIGTERM, 129: by SIGHUP. One line on the error stream says what it was.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from typing import NoReturn

from backend.lazy import version
from backend.nearest import meant, nearest
from checkpoint.commands.files import check_files
from checkpoint.commands.streams import safe_streams
from checkpoint.execution.ranks.launch import check_launch, launched
from checkpoint.output import PROGRAM
from checkpoint.runs.endings.ending import ending_of
from mlp.errors import one_line

COMMANDS = {
    "train": "train a network, and report its accuracy, time and memory",
    "evaluate": "measure the accuracy of a saved network",
    "predict": "find the classes or values of pictures, arrays or tables with a saved network",
    "compare": "train the same network with and without checkpointing, side by side",
    "plan": "find the fastest schedule within a budget of bytes, before any step",
    "export": "write the weights of a saved network for PyTorch or Keras",
    "import": "make a saved network of the weights of PyTorch or Keras",
    "analyze": "show how memory grows with the number of hidden layers",
}

_NUMBERS = {"int": "a whole number", "float": "a number"}
_NO_NUMBER = re.compile(r": invalid (int|float) value: ")
"""What argparse says of a text that is none of these."""

SIGNALLED = 128
"""Statuses above this are of signals."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names; returns the exit status. Help and wrong options end in `SystemExit`."""
    ended = None
    with safe_streams() as output:
        try:
            status = _status(sys.argv[1:] if argv is None else list(argv))
        except SystemExit as ending:  # argparse's
            ended, status = ending, int(ending.code or 0)
        output.flush()
        if output.failure is not None:
            problem = getattr(output.failure, "strerror", None) or output.failure
            rest = "" if ended else "; all else was done"
            status = status or _fail(f"standard output could not be written ({problem}){rest}", 1)
    if ended:
        raise SystemExit(status)
    return status


def _status(arguments: list[str]) -> int:
    """Run the command; returns the exit status, and says in one line what went wrong."""
    try:
        args = _parse(arguments)
        check_launch(ranks=args.command == "train" and args.ranks)
        check_files(args)
        return int(args.main(args))
    except (Exception, KeyboardInterrupt) as error:
        ending = ending_of(error)
        if ending is None:
            raise
        line, status = ending
        if status > SIGNALLED:
            print(line, file=sys.stderr)
            return status
        return _fail(line, status)


def _parse(arguments: list[str]) -> argparse.Namespace:
    """The options of a command, and as `main` what runs it."""
    first = next(iter(arguments), "")
    parser, command = parsers(first)
    if command is None and first and not first.startswith("-"):
        parser.error(f"unknown command {first!r:.60}; choose {' or '.join(COMMANDS)}{meant(first, COMMANDS)}")
    args, unknown = parser.parse_known_args(arguments)
    if unknown:
        (command or parser).refuse(unknown)
    return args


def parsers(name: str) -> "tuple[_Parser, _Parser | None]":
    """The program's parser and that of the command `name`, if it is one; the files of the others need not be read."""
    parser = _Parser(prog=PROGRAM, description="Train a multi-layer perceptron in a number of bytes that you choose.")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    made = {
        known: commands.add_parser(known, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        for known, summary in COMMANDS.items()
    }
    if name in made:
        module = import_module(f"checkpoint.commands.{f'{name}_' if iskeyword(name) else name}")
        module.add_arguments(made[name])
        made[name].set_defaults(main=module.main)
    return parser, made.get(name)


def _fail(message: str, status: int) -> int:
    if launched()[0] == 0:  # of several processes that fail alike, one says it
        print(f"{PROGRAM}: error: {' '.join(message.split())}", file=sys.stderr)
    return status


class _Parser(argparse.ArgumentParser):
    """argparse's parser, with a wrong option reported in one line."""

    def __init__(self, **options: object) -> None:
        super().__init__(allow_abbrev=False, **options)  # type: ignore[arg-type]

    @property
    def options(self) -> tuple[str, ...]:
        """The options that it takes."""
        return tuple(option for option in self._option_string_actions if option.startswith("--"))

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """End with a line about the first option of `unknown`, or its first argument."""
        wrong = next((one.partition("=")[0] for one in unknown if one.startswith("-")), None)
        if wrong is None:
            self.error(f"unexpected argument {unknown[0]!r:.60}")
        found = nearest(wrong.lstrip("-"), (option.lstrip("-") for option in self.options))
        self.error(f"unknown option {wrong:.60}{'' if found is None else f'; did you mean --{found}?'}")

    def error(self, message: str) -> NoReturn:
        message = _NO_NUMBER.sub(lambda found: f": must be {_NUMBERS[found[1]]}; got ", message)
        message = one_line(message)  # argparse repeats a wrong value whole, however long it is
        self.exit(2, None if launched()[0] else f"{self.prog}: error: {message} (see {self.prog} --help)\n")
