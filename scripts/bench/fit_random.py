"""Random cases for the memory gate: every suggestion must fit when planned again, and nothing larger may.

    .venv/bin/python scripts/bench/fit_random.py 10000 --seed 1

The same cases and rules as tests/unit/test_gate.py, in greater number. Exit code 1 when anything does not hold; the
seed and the number of a case find it again.
"""

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ernie_deploy.plan.gate import judge
from tests.support.fit_cases import a_case, violations

SHOWN = 10


def main() -> int:
    """Print how many cases and suggestions there were, and what does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=int, nargs="?", default=10_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began = time.monotonic()
    verdicts: Counter[str] = Counter()
    suggestions = violated = 0
    for number in range(asked.cases):
        pick = random.Random(f"{asked.seed}-{number}").randint
        case = a_case(pick)
        verdicts[judge(case).verdict] += 1
        checked, wrong = violations(case, pick)
        suggestions += checked
        violated += bool(wrong)
        if wrong and violated <= SHOWN:
            print(f"case {number} of seed {asked.seed}: {'; '.join(wrong)}\n  {case.demand}\n  {case.rooms}")
    told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    print(f"cases: {asked.cases} ({told}); seed {asked.seed}, {time.monotonic() - began:.0f} s")
    print(f"suggestions checked: {suggestions}")
    print(f"cases with violations: {violated}")
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main())
