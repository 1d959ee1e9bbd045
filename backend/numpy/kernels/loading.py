"""From the objects beside this file to loaded kernels: the best that this processor runs, if they are of these sources.

What is wrong with an object is said by name, with the command that makes it anew; it is never run. Where there is none,
or none runs here, the caller is told why, and NumPy's own kernels serve.
"""

import ctypes
import functools
import hashlib
import json
import os
import sys
from pathlib import Path

from backend.errors import BackendUnavailable
from backend.numpy.kernels.compiling import FOLDER, LEVELS, MANIFEST, here, object_name, sources_hash

VARIABLE = "MLP_CHECKPOINTING_KERNELS"
"""An environment variable: "numpy" for NumPy's own kernels, or the name of a level, such as "v3"."""

REBUILD = f"{sys.executable} -m pip install --force-reinstall --no-deps mlp-checkpointing"


def asked_for_numpy() -> bool:
    """Whether the environment asks for NumPy's own kernels."""
    return os.environ.get(VARIABLE) == "numpy"


@functools.cache
def kernels_here() -> tuple[ctypes.CDLL | None, str]:
    """`load_library`, once in a process."""
    return load_library()


def load_library(folder: Path = FOLDER) -> tuple[ctypes.CDLL | None, str]:
    """The library and its level's name, or None and why there is none.

    Raises `BackendUnavailable` for an object that is there and is not what the sources beside it make.
    """
    wanted = os.environ.get(VARIABLE, "")
    if asked_for_numpy():
        return None, f"{VARIABLE} asks for NumPy's"
    target = here()
    levels = LEVELS.get(target.machine, ())
    if wanted and wanted not in [level.name for level in levels]:
        choices = " or ".join(["numpy", *(level.name for level in levels)])
        raise BackendUnavailable(f"{VARIABLE} is {wanted!r}", f"choose {choices}, or leave it unset")
    if not (folder / MANIFEST).is_file():
        return None, f"none were compiled when this was installed, for want of a C compiler ({folder})"
    digests = _manifest(folder)
    for level in levels:
        path = folder / object_name(level, target)
        if path.name not in digests or wanted not in ("", level.name):
            continue
        library = _load(path, digests[path.name])
        if library.engine_runs_here():
            return library, level.name
    return (
        None,
        f"this processor runs none of {', '.join(digests) or 'them'}: it has no multiply-add in one instruction",
    )


def _manifest(folder: Path) -> dict[str, str]:
    """The digests of the objects, if they were made of the sources that are here."""
    path = folder / MANIFEST
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        made_of, digests = str(facts["sources"]), {str(name): str(digest) for name, digest in facts["objects"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _refused(path, f"cannot be read ({error})") from None
    if made_of != sources_hash():
        raise _refused(path, f"is of kernels made of other sources ({made_of}, here {sources_hash()})")
    return digests


def _load(path: Path, digest: str) -> ctypes.CDLL:
    try:
        whole = hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except OSError as error:
        raise _refused(path, f"cannot be read ({error.strerror})") from None
    if not whole:
        raise _refused(path, "is cut short, or is not the one that was compiled")
    try:
        library = ctypes.CDLL(str(path))
        library.engine_sources.restype = ctypes.c_char_p
        made_of = library.engine_sources().decode()
    except (OSError, AttributeError) as error:
        raise _refused(path, f"cannot be loaded ({error})") from None
    if made_of != sources_hash():
        raise _refused(path, f"was made of other sources ({made_of}, here {sources_hash()})")
    return library


def _refused(path: Path, what: str) -> BackendUnavailable:
    return BackendUnavailable(
        f"{path} {what}", f"compile the kernels anew: {REBUILD}, or pip install -e . in a checkout"
    )
