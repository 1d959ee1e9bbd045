"""What SECURITY.md says: each promise names tests that exist; what it says of the sources is true of all of them."""

import ast
import re
from pathlib import Path

import pytest

from mlp.data.named.mnist import SOURCES

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
FILES = [path for package in ("backend", "mlp", "checkpoint") for path in sorted((ROOT / package).rglob("*.py"))]

FORBIDDEN_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "runpy"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "np.load", "numpy.load", "literal_eval", "ast.literal_eval"}


def dangers(source: str) -> list[str]:
    """What a source text uses that runs, or unpickles, what it reads."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            found.append(str(node.module))
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            pickles = any(word.arg == "allow_pickle" and ast.unparse(word.value) != "False" for word in node.keywords)
            if name in FORBIDDEN_CALLS or pickles:
                found.append(name)
    return found


def test_each_promise_names_a_test() -> None:
    promises = TEXT.partition("## What is promised")[2].partition("\n## ")[0].split("\n**")[1:]
    assert len(promises) >= 8
    assert [promise.partition("**")[0] for promise in promises if "::test_" not in promise] == []


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_test_that_is_named_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_unpickles_or_evaluates(path: Path) -> None:
    assert dangers(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def f():\n    from marshal import loads",
        "eval('1')",
        "np.load(path)",
        "np.lib.format.read_array(file, allow_pickle=True)",
        "ast.literal_eval(text)",
    ],
)
def test_source_that_does_is_noticed(source: str) -> None:
    assert dangers("import json\njson.loads('1')\n" + source) != []


def test_downloads_are_over_https_with_a_checksum() -> None:
    files = [file for source in SOURCES for file in source.files]
    assert files
    for file in files:
        assert file.url.startswith("https://")
        assert re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", file.checksum)
