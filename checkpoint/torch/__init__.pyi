"""The public names: where each is defined. The package imports them on first use."""

from .sequential import PlannedSequential as PlannedSequential
from .sequential import SequentialPlan as SequentialPlan
from .sequential import measured_chain as measured_chain
from .sequential import measured_peak as measured_peak
from .sequential import plan_sequential as plan_sequential
