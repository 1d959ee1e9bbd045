"""Where a network offloads to, and at which rates plans weigh that: its arguments `offload` and `offloading`."""

from pathlib import Path

from backend import Backend, Transfers, open_transfers
from backend.places import HOST
from checkpoint.errors import CheckpointError
from checkpoint.measuring.bandwidth import measured_rates
from checkpoint.planning.offloading import Offloading


def check_offload(offload: object, offloading: object) -> None:
    """Raise `CheckpointError` unless these are a place, or none, and the rates of that place, or none."""
    if not (offload is None or isinstance(offload, str | Path | Transfers)):
        raise CheckpointError(f"offload is a place: 'host', a path or Transfers; got {_kind(offload)}")
    if not (offloading is None or isinstance(offloading, Offloading)):
        raise CheckpointError(f"offloading is the rates of a place, an Offloading; got {_kind(offloading)}")
    if offloading is not None and offload is None:
        raise CheckpointError("offloading is given, the rates of a place, and no place is; give offload too")


def transfers_to(backend: Backend, offload: str | Path | Transfers | None, *, needed: bool) -> Transfers | None:
    """The place `offload`, opened; None where there is none, and none is `needed`.

    A GPU's own place is the host. Raises `CheckpointError` where a place is needed and the backend has none of its own,
    and `OffloadError` for a place that is not the backend's.
    """
    if isinstance(offload, Transfers):
        return offload
    if offload is None:
        if not needed:
            return None
        if backend.device_memory() is None:
            raise CheckpointError(
                f"the schedule offloads activations, and {backend.name} has no place of its own for them; give "
                f"offload, the path of a file or a folder"
            )
        offload = HOST
    return open_transfers(backend, offload)


def rates_of(backend: Backend, offload: str | Path | Transfers, *, dtype: str) -> Offloading:
    """The rates of offloading to a place, measured on this machine or kept from an earlier time."""
    if isinstance(offload, Transfers):
        raise CheckpointError("the rates of these transfers are not known; give them as offloading, an Offloading")
    return measured_rates(backend, offload, dtype=dtype)


def _kind(value: object) -> str:
    return f"{type(value).__name__} {str(value)[:40]!r}"
