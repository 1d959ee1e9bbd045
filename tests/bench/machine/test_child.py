"""Python in a process of its own."""

import pytest

from bench.machine.child import ROOT, ChildError, figures_of


def test_child_answers_in_json_and_its_variables_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_TEST", raising=False)
    code = "import json, os, sys; print('noise'); print(json.dumps([json.load(sys.stdin), os.environ['BENCH_TEST']]))"
    pids: list[int] = []
    found = figures_of(["-c", code], {"a": 1}, variables={"BENCH_TEST": "yes"}, started=pids.append)
    assert found == [{"a": 1}, "yes"]
    assert len(pids) == 1


def test_child_that_fails_says_its_last_line() -> None:
    with pytest.raises(ChildError, match=r"^ValueError: so it is$"):
        figures_of(["-c", "raise ValueError('so it is')"])


def test_children_run_in_the_repository() -> None:
    assert (ROOT / "pyproject.toml").is_file()
