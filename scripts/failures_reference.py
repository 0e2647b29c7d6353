"""Write docs/reference/failures.md from the signatures, so that the page knows what `diagnose` knows.

python scripts/failures_reference.py            write it
python scripts/failures_reference.py --check    only say whether it is up to date; exit code 1 when it is not
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from page_writer import publish

from ernie_deploy.diagnose.signatures import ENGINES, Signature, signatures

INTRODUCTION = """\
# Known failures

This page is written by `scripts/failures_reference.py` from
[signatures.yaml](../../ernie_deploy/diagnose/signatures.yaml). Edit the signatures, not this page.

`ernie-deploy diagnose` and a failed `up` know {count} of them. *certain* means that the line can have no other cause,
*likely* that it mostly has this one. What stands in the logs of other programs, in requests of users, in quotations or
before a start that went well is at most *possible*, and is never given as an answer to rely on.

Words in braces are filled in from the log. How to read the answer:
[read a failed start](../how-to/read-a-failed-start.md).
"""
PARTS: tuple[tuple[str, Callable[[Signature], bool]], ...] = (
    ("Of FastDeploy", lambda one: one.kind == "cause" and one.engines == ("fastdeploy",)),
    ("Of vLLM", lambda one: one.kind == "cause" and one.engines == ("vllm",)),
    ("Of transformers", lambda one: one.kind == "cause" and one.engines == ("transformers",)),
    ("Of the kernel", lambda one: one.kind == "cause" and one.seen_in == "kernel"),
    ("Of containers", lambda one: one.kind == "cause" and one.seen_in == "container" and len(one.engines) > 1),
    ("Of several engines", lambda one: one.kind == "cause"),
    ("What only follows from a cause", lambda one: one.kind == "symptom"),
    ("Notes: worth knowing, and no failure", lambda one: one.kind == "note"),
)


def page() -> str:
    """The whole page; each signature stands in the first part that fits."""
    left = list(signatures())
    blocks = [INTRODUCTION.format(count=len(left)).rstrip("\n")]
    for title, belongs in PARTS:
        found = [one for one in left if belongs(one)]
        left = [one for one in left if one not in found]
        blocks.append(f"## {title}")
        lines = ["| id | cause | what to do | known from |", "| --- | --- | --- | --- |", *map(_row, found)]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _row(one: Signature) -> str:
    engines = "" if len(one.engines) in (1, len(ENGINES)) else f" ({', '.join(one.engines)})"
    sureness = "" if one.confidence == "certain" else f" *{one.confidence}*"
    remedy = " `up` tries this once by itself." if one.remedy else ""
    cells = (f"`{one.id}`{engines}{sureness}", one.cause, one.fix + remedy, one.source)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(publish("failures.md", page()))
