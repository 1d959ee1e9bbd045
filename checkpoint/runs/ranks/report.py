"""What each rank of a run took, as JSON and as lines of text."""

import json
from collections.abc import Sequence
from typing import Any

from checkpoint.execution.ranks.links.base import Link
from checkpoint.execution.ranks.links.device import DeviceLink
from checkpoint.execution.ranks.network import NetworkOnRanks
from checkpoint.runs.record import RunRecord
from checkpoint.units import counted, format_bytes
from mlp import Network


def ranks_report(link: Link, network: Network, record: RunRecord, *, batch_size: int) -> list[dict[str, Any]]:
    """A record of each rank, on all of them; one record where one process trains, on mini-batches of `batch_size`."""
    sent_bytes, waiting_seconds, layers = 0, 0.0, range(1, network.n_layers + 1)
    own_layers, host_bytes, pinned = list(layers), (0, 0), (0, 0)
    if isinstance(network, NetworkOnRanks) and network.on_ranks:
        host_bytes = network.predicted_host_bytes(batch_size), record.host_asked_bytes
        held = network.link.pinned_bytes if isinstance(network.link, DeviceLink) else 0
        pinned = network.predicted_pinned_bytes(batch_size), held
        sent_bytes, waiting_seconds = network.sent_bytes, network.waited_seconds
        own_layers = [layer for layer in layers if network.owns(layer)]
    own = {
        "rank": link.rank,
        "layers": own_layers,
        "rest_bytes": record.rest_bytes,
        "predicted_peak_bytes": record.predicted_peak_bytes,
        "measured_peak_bytes": record.measured_peak_bytes,
        "peak_resident_bytes": record.peak_resident_bytes,
        "predicted_host_bytes": host_bytes[0],
        "measured_host_bytes": host_bytes[1],
        "predicted_pinned_bytes": pinned[0],
        "measured_pinned_bytes": pinned[1],
        "sent_bytes": sent_bytes,
        "waiting_seconds": waiting_seconds,
        "waiting_share": waiting_seconds / record.seconds if record.seconds else 0.0,
    }
    return [json.loads(text) for text in link.exchange(json.dumps(own))]


def ranks_text(ranks: Sequence[dict[str, Any]]) -> str:
    """The lines that say what all ranks took together; nothing for one."""
    if len(ranks) == 1:
        return ""
    kinds = ("peak", "host", "pinned")
    agree = all(rank[f"predicted_{kind}_bytes"] == rank[f"measured_{kind}_bytes"] for rank in ranks for kind in kinds)
    rest = [rank["rest_bytes"] for rank in ranks]
    waiting = [rank["waiting_share"] for rank in ranks]
    sent_bytes = sum(rank["sent_bytes"] for rank in ranks)
    return (
        f"{counted(len(ranks), 'rank')}: at rest {format_bytes(min(rest))} to {format_bytes(max(rest))} each; peaks "
        f"{'as predicted on each' if agree else 'not as predicted'}; {format_bytes(sent_bytes)} "
        f"sent; waiting for others {min(waiting):.0%} to {max(waiting):.0%} of the time in steps\n"
    )
