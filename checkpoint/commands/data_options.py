"""The options that say how a data set is read, and the network's sizes that follow from it."""

import argparse
from collections.abc import Iterator
from dataclasses import replace

from checkpoint.errors import CheckpointError
from checkpoint.runs.settings import RunSettings
from mlp.data import Dataset, Preparation, Reading
from mlp.data.values.column_scaling import KINDS
from mlp.data.values.reading import TARGETS, TEST_SHARE
from mlp.sizes import sizes_for

_OPTIONS = ("target", "drop", "targets", "scale", "test", "validation")


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """--target, --drop, --targets, --scale, --test, --validation and --skip-data-pass."""
    data = parser.add_argument_group("data")
    data.add_argument("--target", metavar="COLUMN", help="the column of a table to predict from the others")
    data.add_argument("--drop", metavar="COLUMNS", help="columns of a table to leave out, with commas between them")
    data.add_argument(
        "--targets",
        help=f"{' or '.join(TARGETS)}, where the types do not say it (default: whole numbers, text and one-hot rows "
        "are classes, floats are values)",
    )
    data.add_argument(
        "--scale",
        help=f"{', '.join(KINDS)}: of inputs; standard and minmax are fitted on the training samples, column by column "
        "(default: 255 for images of bytes, or their own range where that is narrow, and none for all else)",
    )
    data.add_argument(
        "--test",
        type=float,
        metavar="SHARE",
        help=f"share held out to test with, by the seed, where the file has no test part (default: {TEST_SHARE:g})",
    )
    data.add_argument(
        "--validation", type=float, metavar="SHARE", help="share of the training samples held out too (default: 0)"
    )
    add_pass_option(data)


def add_pass_option(parser: "argparse._ActionsContainer") -> None:
    """--skip-data-pass."""
    parser.add_argument(
        "--skip-data-pass",
        action="store_true",
        help="do not read mapped .npy and HDF5 files through at the start: their SHA-256 is then not known, and values "
        "that are not finite are found in the steps",
    )


def reading_from(args: argparse.Namespace, *, seed: int) -> Reading:
    """How the options say that data is read. Raises `DataError` for a wrong one."""
    given = {name: getattr(args, name) for name in _OPTIONS if getattr(args, name) is not None}
    if "drop" in given:
        given["drop"] = tuple(name.strip() for name in given["drop"].split(","))
    reading = Reading(**given, seed=seed, skip_pass=args.skip_data_pass)
    reading.check_fits()
    return reading


def options_of(reading: Reading) -> Iterator[str]:
    """The options that say `reading`, but for the seed."""
    default = Reading()
    for name in _OPTIONS:
        value = getattr(reading, name)
        if value != getattr(default, name):
            yield from (f"--{name}", ",".join(value) if name == "drop" else str(value))
    if reading.skip_pass:
        yield "--skip-data-pass"


def check_not_given(args: argparse.Namespace, where: object) -> None:
    """Raise `CheckpointError` for an option of a data set that a saved state has settled."""
    given = next((name for name in _OPTIONS if getattr(args, name) is not None), None)
    if given is not None:
        raise CheckpointError(f"{where} was saved with its data's --{given}, which stands; leave the option out")


def fitting(args: argparse.Namespace, dataset: Dataset) -> argparse.Namespace:
    """The options, with a cost and outputs that can tell values where the data has such and neither is given."""
    cost = getattr(args, "cost", None) or "quadratic"
    if dataset.preparation.classes is None and dataset.outputs == 1 and cost == "cross-entropy":
        raise CheckpointError(
            "--cost cross-entropy is for classes, and the target is one column of values; leave --cost out, or say "
            "--targets classes"
        )
    if dataset.preparation.classes is not None or args.output_activation is not None or cost != "quadratic":
        return args
    return argparse.Namespace(**{**vars(args), "cost": cost, "output_activation": "identity"})


def sized(settings: RunSettings, text: str | None, dataset: Dataset) -> RunSettings:
    """`settings` with the sizes that `text` says, or their own hidden layers between the ends that the data has."""
    outputs = outputs_for(settings.cost, dataset.preparation)
    if text is None:
        sizes = (dataset.features, *settings.sizes[1:-1], outputs)
    else:
        sizes = sizes_for(text, inputs=dataset.features, outputs=outputs, exact=dataset.kind != "image")
    if len(sizes) == 2 and settings.dropout:
        raise CheckpointError("--dropout is of hidden layers, and this network has none; leave it out")
    return replace(settings, sizes=sizes)


def outputs_for(cost: str, preparation: Preparation) -> int:
    """The units of the last layer: one for each class or value; one for two classes under binary cross-entropy."""
    classes = preparation.classes
    return 1 if classes is not None and len(classes) == 2 and cost == "binary-cross-entropy" else preparation.outputs
