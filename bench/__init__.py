"""Measurements of time and memory, with and without checkpointing, and of peers. No other package imports this one."""
