"""Write docs/reference/parity.md: all probes against every engine that runs on a CPU, and why a cell is not a pass.

python scripts/parity.py             run them (`scripts/test --engines` installs the engines), then write
python scripts/parity.py FOLDER      write from the reports that a run left in FOLDER
python scripts/parity.py --check     run them, and say whether the page is what they found

Exit code 1 when a cell has no explanation, being a failure or a verdict without its reason: then nothing is written.
The same when the page is not what was found.
"""

import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from page_writer import REFERENCE

from ernie_deploy.files import write_atomically
from ernie_deploy.smoke.registry import PROBES

ENGINES = {
    "fastdeploy": "FastDeploy (simulated)",
    "vllm": "vLLM (CPU)",
    "transformers": "transformers serve (CPU)",
}
HAVE_KEYS = ("fastdeploy", "vllm")
# As `up` starts the real one: beside the API, /config-info would tell the key, and its probe fail.
FLAGS = {"fastdeploy": ("--metrics-port", "8189")}

Report = Mapping[str, Any]

PAGE = """\
# Parity

This page is written by `scripts/parity.py`, which runs all {count} probes of `ernie-deploy smoke` against each
engine with the rehearsal model, as `ernie-deploy rehearse --tier full` starts it. Where the engine has API keys it was
given one. Every cell that is not a pass says why.

**FastDeploy is simulated here**: it has no build for a CPU, and no card was at hand. That column shows what our
simulator does, which follows the facts known about FastDeploy 2.5; it proves our probes, not that engine.

| probe | {titles} |
| --- | {rules} |
{rows}

{counts}

## Why

{reasons}
"""


def run(engine: str, folder: Path) -> Report:
    """The JSON report of a rehearsal with that engine; it is left in the folder."""
    argv = [
        sys.executable,
        "-m",
        "ernie_deploy",
        "rehearse",
        "--engine",
        engine,
        "--tier",
        "full",
        "--no-install",
        "--json",
    ]
    argv += FLAGS.get(engine, ())
    if engine in HAVE_KEYS:
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_text(secrets.token_hex(16))
        argv += ["--api-key-file", str(key)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    (folder / f"{engine}.json").write_text(done.stdout, encoding="utf-8")
    if done.returncode not in (0, 7):
        sys.exit(f"FAILED: {' '.join(argv)} ended with {done.returncode}")
    return read(engine, folder)


def read(engine: str, folder: Path) -> Report:
    report: Report = json.loads((folder / f"{engine}.json").read_text(encoding="utf-8"))
    return report


def reason(case: Mapping[str, Any]) -> str:
    """Why a cell is not a pass; empty when nobody says."""
    text = {"unsupported": case["reference"], "skip": case["message"]}.get(case["verdict"], "")
    return str(text)


def unexplained(reports: Mapping[str, Report]) -> list[str]:
    """Cells without an explanation, and probes that a report does not have."""
    found = []
    for engine, report in reports.items():
        cases = {case["id"]: case for case in report["cases"]}
        found += [f"{engine}: {probe.id} is not in the report" for probe in PROBES if probe.id not in cases]
        for name, case in cases.items():
            if case["verdict"] != "pass" and not reason(case):
                found.append(f"{engine}: {name}: {case['verdict']}: {case['message']}")
    return found


def page(reports: Mapping[str, Report]) -> str:
    reasons: list[str] = []
    rows = []
    for probe in PROBES:
        cells = [_cell(report, probe.id, reasons) for report in reports.values()]
        rows.append(f"| `{probe.id}` | {' | '.join(cells)} |")
    counts = "; ".join(f"{ENGINES[engine]}: {_counts(report)}" for engine, report in reports.items())
    return PAGE.format(
        count=len(PROBES),
        titles=" | ".join(ENGINES[engine] for engine in reports),
        rules=" | ".join("---" for _ in reports),
        rows="\n".join(rows),
        counts=f"{counts}.",
        reasons="\n".join(f"{number}. {text}" for number, text in enumerate(reasons, start=1)),
    )


def _cell(report: Report, name: str, reasons: list[str]) -> str:
    case = next(case for case in report["cases"] if case["id"] == name)
    if case["verdict"] == "pass":
        return "pass"
    why = reason(case)
    if why not in reasons:
        reasons.append(why)
    return f"{case['verdict']} ({reasons.index(why) + 1})"


def _counts(report: Report) -> str:
    return ", ".join(f"{number} {verdict}" for verdict, number in report["summary"].items() if number)


def main(arguments: Sequence[str]) -> int:
    if arguments and arguments != ["--check"]:
        reports = {engine: read(engine, Path(arguments[0])) for engine in ENGINES}
    else:
        folder = Path(tempfile.mkdtemp(prefix="parity-"))
        print(f"the reports stay in {folder}", file=sys.stderr)
        reports = {engine: run(engine, folder) for engine in ENGINES}
    for engine, report in reports.items():
        print(f"{engine}: {_counts(report)}")
    holes = unexplained(reports)
    for hole in holes:
        print(f"FAILED: {hole}", file=sys.stderr)
    if holes:
        return 1
    if arguments == ["--check"]:
        is_current = (REFERENCE / "parity.md").read_text(encoding="utf-8") == page(reports)
        print(f"no cell is unexplained; parity.md {'is what was found' if is_current else 'says something else'}")
        return 0 if is_current else 1
    write_atomically(REFERENCE / "parity.md", page(reports))
    print(f"no cell is unexplained; wrote {REFERENCE / 'parity.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
