# The public names: where each is defined. The package imports them on first use.

from .drawing.plans import figure as figure
from .drawing.plans import timeline as timeline
from .errors import BudgetError as BudgetError
from .errors import CheckpointError as CheckpointError
from .errors import ScheduleError as ScheduleError
from .estimators.classifier import MLPClassifier as MLPClassifier
from .estimators.regressor import MLPRegressor as MLPRegressor
from .execution.network import NetworkWithCheckpointing as NetworkWithCheckpointing
from .execution.ranks.network import NetworkOnRanks as NetworkOnRanks
from .execution.saved import load as load
from .measuring.constants import machine_cost as machine_cost
from .planning.costs import Cost as Cost
from .planning.costs import Flops as Flops
from .planning.front import Front as Front
from .planning.front import FrontPoint as FrontPoint
from .planning.front import front_of as front_of
from .planning.machine import MachineConstants as MachineConstants
from .planning.machine import MachineCost as MachineCost
from .planning.offloading import Offloading as Offloading
from .planning.plan import plan as plan
from .planning.plan import plan_chain as plan_chain
from .planning.planned import Plan as Plan
from .runs.ranks.world import world as world
from .schedule.actions import Action as Action
from .schedule.actions import Backward as Backward
from .schedule.actions import Fetch as Fetch
from .schedule.actions import Forward as Forward
from .schedule.actions import Offload as Offload
from .schedule.actions import Release as Release
from .schedule.chain import Chain as Chain
from .schedule.chain import chain_of as chain_of
from .schedule.layers import GeneralChain as GeneralChain
from .schedule.layers import Layer as Layer
from .schedule.layers import general_chain as general_chain
from .schedule.schedule import Schedule as Schedule
from .schedule.simulation import Simulation as Simulation
from .schedule.simulation import simulate as simulate
from .strategies import binomial as binomial
from .strategies import every_nth as every_nth
from .strategies import micro_batches as micro_batches
from .strategies import offloaded as offloaded
from .strategies import segmented as segmented
from .strategies import square_root as square_root
from .strategies import store_all as store_all

__version__: str
