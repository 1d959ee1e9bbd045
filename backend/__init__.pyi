# The public names: where each is defined. The package imports them on first use.

from .base import Backend as Backend
from .errors import BackendError as BackendError
from .errors import BackendUnavailable as BackendUnavailable
from .errors import MeterError as MeterError
from .errors import OffloadError as OffloadError
from .errors import OutOfDeviceMemory as OutOfDeviceMemory
from .errors import TransferError as TransferError
from .memory import DeviceMemory as DeviceMemory
from .memory import Usage as Usage
from .places import open_transfers as open_transfers
from .resident import free_bytes as free_bytes
from .resident import peak_resident_bytes as peak_resident_bytes
from .resident import resident_bytes as resident_bytes
from .select import select_backend as select_backend
from .transfers import Transfers as Transfers

__version__: str
