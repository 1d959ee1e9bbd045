"""Imports matplotlib whatever MPLBACKEND says. Every file of this folder is imported after this one.

A process begun from a notebook's cell inherits the notebook's backend; where this environment doesn't have it,
`import matplotlib` itself raises ValueError. Our pictures are drawn by Agg and need no backend. So the variable is set
aside for that import and then obeyed as matplotlib would have, if it can be.
"""

import contextlib
import os
import sys

if "matplotlib" not in sys.modules and (backend := os.environ.pop("MPLBACKEND", None)) is not None:
    try:
        import matplotlib
    finally:
        os.environ["MPLBACKEND"] = backend
    with contextlib.suppress(ValueError):
        matplotlib.rcParams["backend"] = backend
