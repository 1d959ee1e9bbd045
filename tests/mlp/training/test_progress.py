"""What one sees while a network trains: nothing where nobody looks, a bar where one is seen, lines where wanted."""

import sys
from types import SimpleNamespace

import pytest

from mlp import NetworkError
from mlp.training.progress import bar, in_notebook
from tests.conftest import Case

CASE = Case((5, 4, 3), 20)


def trained(capsys: pytest.CaptureFixture[str], **how: object) -> tuple[str, str]:
    data = CASE.host_batch("float32")
    CASE.network("numpy", "float32").SGD(data, 2, 5, 1.0, data, **how)  # type: ignore[arg-type]
    return capsys.readouterr()


@pytest.mark.parametrize("how", [{}, {"verbose": None}, {"verbose": False}, {"verbose": 0}])
def test_nothing_is_shown_where_the_output_is_no_terminal_or_by_wish(how, capsys):
    assert trained(capsys, **how) == ("", "")


@pytest.mark.parametrize("verbose", [True, 1, 2])
def test_a_line_an_epoch_and_a_bar_are_shown_by_wish(verbose, capsys):
    out, err = trained(capsys, verbose=verbose)
    lines = [line for line in out.splitlines() if line]
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert all("test accuracy" in line and "test cost" in line for line in lines)
    assert "epoch 2/2" in err


@pytest.mark.parametrize("verbose", ["yes", 0.5, []])
def test_verbose_that_is_no_truth_value_is_named(verbose, capsys):
    with pytest.raises(NetworkError, match="verbose must be True, False"):
        trained(capsys, verbose=verbose)


def test_bar_is_shown_in_a_notebook_though_its_output_is_no_terminal(monkeypatch, capsys):
    assert not in_notebook()
    shell = SimpleNamespace(kernel=None)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert in_notebook()
    assert list(bar(range(3), title="an epoch", unit="batch")) == [0, 1, 2]
    assert "an epoch" in "".join(capsys.readouterr())
    assert list(bar(range(3), title="an epoch", unit="batch", verbose=False)) == [0, 1, 2]
    assert "".join(capsys.readouterr()) == ""


def test_prompt_of_ipython_is_no_notebook(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace()))
    assert not in_notebook()
