"""Which options an error names, and whether the command that it is about has them."""

import re
from functools import cache

from checkpoint.commands import program

OPTION = re.compile(r"(?:\b([a-z]+) )?(?<![\w/.-])(--[a-z][a-z0-9-]*)")


@cache
def options_of(command: str) -> frozenset[str]:
    """The options that a command has."""
    parser = program.parsers(command)[1]
    return frozenset() if parser is None else frozenset(parser.options)


def foreign_options(command: str, message: str) -> list[str]:
    """The options named in an error under `command` that it has not; `train --ranks` is one of `train` wherever it is.

    An option that was given and is not known follows the words "unknown option", and is no advice.
    """
    message = re.sub(r"unknown option \S+", "", message)
    found = [(word if word in program.COMMANDS else command, option) for word, option in OPTION.findall(message)]
    return [option for command, option in found if option not in options_of(command)]
