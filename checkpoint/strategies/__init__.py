"""The well-known schedules: each file writes those of one named class. Pure numbers."""

from checkpoint.strategies.binomial import binomial
from checkpoint.strategies.every_nth import every_nth, square_root
from checkpoint.strategies.offloaded import offloaded
from checkpoint.strategies.row_blocks import micro_batches
from checkpoint.strategies.segments import segmented
from checkpoint.strategies.store_all import store_all

__all__ = ["binomial", "every_nth", "micro_batches", "offloaded", "segmented", "square_root", "store_all"]
