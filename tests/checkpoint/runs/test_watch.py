"""The witness of ranks: it names the first one to end, from the moment at which they go on."""

import subprocess
import sys

import pytest

from checkpoint.runs.ranks import watch
from tests.checkpoint.ranks.threads import on_threads

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the witness")


@pytest.fixture
def started(monkeypatch):
    """The witnesses that are started, late as on a busy machine, with what they say."""
    found, start = [], subprocess.Popen

    def heard(command, **how):
        late = ["sh", "-c", 'sleep 0.2; exec "$@"', "sh", *command]
        found.append(start(late, **how, stderr=subprocess.PIPE, text=True))

    monkeypatch.setattr(watch.subprocess, "Popen", heard)
    return found


def said(started):
    (witness,) = started
    return witness.communicate(timeout=30)[1]


def test_first_to_end_is_named_though_all_end_at_once(started):
    watches = on_threads(4, watch.Watch)
    for rank in (2, 0, 3, 1):
        watches[rank]._connection.close()
    assert said(started).startswith("mlp-checkpointing: rank 2 of 4 (process ")


def test_nothing_is_said_of_those_that_leave(started):
    watches = on_threads(3, watch.Watch)
    for each in watches:
        each.leaving()
        each._connection.close()
    assert said(started) == ""
