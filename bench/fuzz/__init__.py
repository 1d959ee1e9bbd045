"""Fuzzing of everything that reads files or text."""
