"""Write docs/reference/smoke-probes.md from the registry of the probes and from what engines are known not to do.

python scripts/smoke_reference.py            write it
python scripts/smoke_reference.py --check    only say whether it is up to date; exit code 1 when it is not
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from page_writer import publish

from ernie_deploy.smoke.base import LEAST_TOKENS
from ernie_deploy.smoke.known_limits import known_limits
from ernie_deploy.smoke.registry import PROBES
from ernie_deploy.smoke.target import MAX_TOKENS

PAGE = """\
# Smoke probes

This page is written by `scripts/smoke_reference.py` from `ernie_deploy/smoke/`. Edit that, not this page.

`ernie-deploy smoke` sends requests whose answers are right or wrong: {count} probes, one for each thing that the model
and its engine promise. All of them run, whatever the others find. Pictures and videos are drawn at that moment, so no
model and no cache has seen them; nothing is fetched. Exit code 7 when one fails, or when none passes.

| probe | tier | what a pass proves | needs |
| --- | --- | --- | --- |
{probes}

{fast} of them are the tier `fast`; `full` is all of them, and the default. `--only` and `--skip` take ids, tiers and
needs. `key`, `metrics` and `length` say what has to be known, or the probe is skipped with that reason: an API key
(`ERNIE_DEPLOY_API_KEY`), the address of the metrics (`--metrics-url`), the longest request (`--max-model-len`). A
deployment of ours knows them itself.

## Verdicts

| verdict | meaning |
| --- | --- |
| `pass` | Proved, by at least one answer. A probe that asked nothing cannot pass. |
| `fail` | Wrong. The message says what came instead. |
| `unsupported` | This engine is known not to do it, was seen not to do it, and the report says who knows that. |
| `skip` | Did not run, or would mean nothing here; the reason is said. |

`--fail-on unsupported` and `--fail-on skip` make a run fail on those too. `--retries N` tries a failed probe again; a
pass on a later attempt says so. There are no retries by default.

## What is expected

`--expect` chooses how strictly answers are judged:

| profile | expects | chosen by itself when | tokens per answer |
| --- | --- | --- | --- |
| `rehearsal` | the rehearsal model's exact words | `ernie-rehearsal` answers, or the simulator | {rehearsal} |
| `model` | right answers in any words | otherwise | {model} |
| `contract` | shapes and rules only, any model | never | {contract} |

`--max-tokens` gives another budget. The thinking comes first and uses up a small one, so a budget that some probe
cannot be answered with is refused (exit code 2) with the smallest that works for the probes that were chosen: {least}
when none of them needs more.

## What engines are known not to do

A probe that sees exactly this says `unsupported`. How the engines compare as a whole is in [parity](parity.md); which
fault each probe catches is in [mutations](smoke-mutation.md).

| engine | what | who says so |
| --- | --- | --- |
{limits}

## Reports

`--junit`, `--ctrf`, `--markdown` and `--html` write files, also when a probe fails or the run is interrupted; `--json`
prints the report, whose [schema](smoke-report.schema.json) is published. How to read them:
[read a smoke report](../how-to/read-a-smoke-report.md). When the service cannot be asked at all, one case more,
`service`, has failed, all probes are skips, and the exit code is 6 when nothing answered, 7 when something else did.
`--record DIR` keeps every exchange, without the key; `--replay DIR` judges them again, offline. `--seed N` asks the
very same again.
Each run draws its own pictures; only the rehearsal model is always shown those of seed 8180: of others it misreads a
few in a thousand.
"""


def page() -> str:
    return PAGE.format(
        count=len(PROBES),
        fast=sum(probe.tier == "fast" for probe in PROBES),
        probes="\n".join(
            f"| `{probe.id}` | {probe.tier} | {probe.title} | {', '.join(probe.needs)} |" for probe in PROBES
        ),
        limits="\n".join(
            f"| {engine} | {name.replace('-', ' ')} | {reference} |"
            for (engine, name), reference in sorted(known_limits().items())
        ),
        least=", ".join(f"{least} for {profile}" for profile, least in LEAST_TOKENS.items()),
        rehearsal=MAX_TOKENS["rehearsal"],
        model=MAX_TOKENS["model"],
        contract=MAX_TOKENS["contract"],
    )


if __name__ == "__main__":
    sys.exit(publish("smoke-probes.md", page()))
