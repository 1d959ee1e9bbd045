"""Which array library, which device, how many bytes. Imports nothing else of this project."""

from typing import TYPE_CHECKING

from backend.errors import BackendError, BackendUnavailable, MeterError, OffloadError, OutOfDeviceMemory, TransferError
from backend.lazy import lazy_names
from backend.memory import Usage

if TYPE_CHECKING:
    from backend.base import Backend
    from backend.resident import free_bytes, peak_resident_bytes, resident_bytes
    from backend.select import select_backend
    from backend.transfers import Transfers, open_transfers

__all__ = [
    "Backend",
    "BackendError",
    "BackendUnavailable",
    "MeterError",
    "OffloadError",
    "OutOfDeviceMemory",
    "TransferError",
    "Transfers",
    "Usage",
    "free_bytes",
    "open_transfers",
    "peak_resident_bytes",
    "resident_bytes",
    "select_backend",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Backend": "backend.base",
        "Transfers": "backend.transfers",
        "free_bytes": "backend.resident",
        "open_transfers": "backend.transfers",
        "peak_resident_bytes": "backend.resident",
        "resident_bytes": "backend.resident",
        "select_backend": "backend.select",
    },
)
