"""The compiled part of the NumPy backend."""
