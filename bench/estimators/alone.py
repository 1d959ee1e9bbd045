"""One way to fit one case in a process of its own: its array bytes and its resident set.

echo '{"case": "digits", "way": "ours"}' | python -m bench.estimators.alone
"""

import json
import sys
from dataclasses import asdict

from bench.estimators.cases import CASES
from bench.estimators.ways import array_bytes, fit_of
from bench.steps.resident import grown_bytes


def main() -> int:
    """Measure what standard input names and print the figures as a line of JSON; 0.

    The library is loaded, and the data in memory, before the resident set is looked at.
    """
    facts = json.load(sys.stdin)
    way, case = facts["way"], CASES[facts["case"]]
    if facts["what"] == "arrays":
        print(json.dumps({"array_bytes": array_bytes(way, case)}))
        return 0
    fit = fit_of(way, case, epochs=1)
    print(json.dumps(asdict(grown_bytes(lambda: _done(fit()), times=1))))
    return 0


def _done(score: float) -> None:
    assert score == score, "a model that learned nothing finite"


if __name__ == "__main__":
    sys.exit(main())
