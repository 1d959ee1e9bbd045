"""Schedules run on arrays: the network that is trained with checkpointing."""
