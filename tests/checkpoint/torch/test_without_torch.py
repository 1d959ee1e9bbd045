"""Without PyTorch: the message that says so."""

import importlib
import sys

import pytest


def test_without_pytorch_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "checkpoint.torch.library", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'mlp-checkpointing\[torch\]'"):
        importlib.import_module("checkpoint.torch.library")
