"""Comparisons of time and memory: with and without checkpointing, and with peers. Nothing imports this package."""
