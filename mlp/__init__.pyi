# The public names: where each is defined. The package imports them on first use.

from .errors import NetworkError as NetworkError
from .errors import StateError as StateError
from .errors import TrainingError as TrainingError
from .exchange import export_weights as export_weights
from .exchange import import_weights as import_weights
from .gradient import Gradient as Gradient
from .network import Network as Network
from .optimizers import SGD as SGD
from .optimizers import Adagrad as Adagrad
from .optimizers import Adam as Adam
from .optimizers import AdamW as AdamW
from .optimizers import Nesterov as Nesterov
from .optimizers import RMSprop as RMSprop
from .saving import Progress as Progress
from .saving import SavedState as SavedState
from .saving import load_state as load_state
from .saving import read_state as read_state
from .saving import restore_state as restore_state
from .saving import save_state as save_state
from .sizes import format_sizes as format_sizes
from .sizes import parse_sizes as parse_sizes
from .training.batches import ArrayBatches as ArrayBatches
from .training.batches import Batches as Batches
from .training.history import EpochRecord as EpochRecord
from .training.history import History as History
from .training.history import Step as Step
from .training.loop import train as train
from .training.metrics import accuracy as accuracy
from .training.rates import Constant as Constant
from .training.rates import Cosine as Cosine
from .training.rates import InverseScaling as InverseScaling
from .training.rates import StepDecay as StepDecay
from .training.rates import WarmUp as WarmUp
from .training.samples import ImageBatches as ImageBatches
from .training.samples import batches_of_part as batches_of_part
from .training.stopping import EarlyStopping as EarlyStopping

__version__: str
