"""The program `mlp-checkpointing`: its commands, and how it ends.

Status 0: done. 1: it went wrong on the way (memory, a full disk, numbers that are not finite). 2: the input was wrong.
130: interrupted by Ctrl-C. 143: by SIGTERM, 129: by SIGHUP. One line on the error stream says what it was.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from backend.errors import BackendError, TransferError
from checkpoint.errors import CheckpointError, Fault
from checkpoint.runs.interruption import Stopped
from mlp.errors import NetworkError, StateError, TrainingError

COMMANDS = {
    "train": "train a network, and say what it took",
    "evaluate": "the accuracy of a saved network",
    "predict": "what a saved network says of an image",
    "compare": "the same network with and without checkpointing, side by side",
    "plan": "the fastest schedule under a budget of bytes, before any step",
    "analyze": "how memory grows with the number of hidden layers",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names; returns the exit status."""
    parser = _Parser(
        prog="mlp-checkpointing", description="Train a multi-layer perceptron in a number of bytes that you choose."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    arguments = sys.argv[1:] if argv is None else list(argv)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name in arguments[:1]:  # the others' files need not be read
            module = import_module(f"checkpoint.commands.{name}")
            module.add_arguments(command)
            command.set_defaults(main=module.main)
    try:
        args = parser.parse_args(arguments)
        return int(args.main(args))
    except Stopped as stop:
        print(stop, file=sys.stderr)
        return stop.status
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone
        return 1
    except MemoryError as error:
        return _fail(f"out of memory: {error or 'no reason given'}; a smaller --budget or --batch-size may fit", 1)
    except (Fault, TrainingError, TransferError) as error:
        return _fail(str(error), 1)
    except (BackendError, CheckpointError, NetworkError, StateError) as error:
        return _fail(str(error), 2)
    except ValueError as error:
        from mlp.data import DataError  # needs NumPy, which a wrong option does not

        if isinstance(error, DataError):
            return _fail(str(error), 2)
        raise


def _fail(message: str, status: int) -> int:
    print(f"mlp-checkpointing: error: {' '.join(message.split())}", file=sys.stderr)
    return status


class _Parser(argparse.ArgumentParser):
    """argparse's parser, with a wrong option reported in one line."""

    def __init__(self, **options: object) -> None:
        super().__init__(allow_abbrev=False, **options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")
