"""The language: actions on a chain of layers, a schedule of them, and what it costs. Pure numbers."""
