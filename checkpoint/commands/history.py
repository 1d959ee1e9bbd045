"""What a training leaves to look at, however it ends: its epochs, in the file of `--json` and as a picture."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from checkpoint.errors import CheckpointError
from checkpoint.output import write_report
from checkpoint.runs.settings import RunSettings
from mlp import Network, format_sizes
from mlp.errors import one_line


@contextmanager
def history_kept(
    network: Network, settings: RunSettings, *, data: str, report: Path | None, figure: Path | None
) -> Iterator[None]:
    """A block that trains. Where it is stopped or fails, the epochs that were done are written to `report`, with why.

    So is the picture, to `figure`. What cannot be written then is a warning, and the training's own end is what counts.
    """
    try:
        yield
    except BaseException as error:
        why = one_line(str(error)) or type(error).__name__
        epochs = [asdict(record) for record in network.history]
        try:
            write_report(
                report, "train", {"settings": asdict(settings), "data": data, "stopped": why, "epochs": epochs}
            )
            draw_history(network, figure, data=data)
        except CheckpointError as failure:
            print(f"warning: {failure}", file=sys.stderr)
        raise


def draw_history(network: Network, figure: Path | None, *, data: str, best_epoch: int | None = None) -> None:
    """Draw the epochs that `network` has had to `figure`, if that is a path; `data` names what it was trained on."""
    if figure is not None:
        from checkpoint.drawing.history import write_history  # matplotlib takes half a second to load

        title = f"{format_sizes(network.sizes)} on {data}"
        write_history(network.history, figure, title=title, best_epoch=best_epoch)
