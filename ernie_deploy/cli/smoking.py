"""Running the smoke probes and showing what they found."""

import random
import time
from collections.abc import Collection
from pathlib import Path

from ernie_deploy import __version__, report
from ernie_deploy.cli import ui
from ernie_deploy.client import Client, Endpoint
from ernie_deploy.errors import UsageError, VerifyError
from ernie_deploy.files import write_atomically
from ernie_deploy.smoke.base import Profile, Target, run, why_failed
from ernie_deploy.smoke.detect import detect, is_simulated
from ernie_deploy.smoke.registry import PROBES

REHEARSAL_MODEL = "ernie-rehearsal"


PROFILES: tuple[Profile, ...] = ("contract", "rehearsal", "model")


def profile(asked: str | None) -> Profile | None:
    """The profile of that name; None leaves it to the model that answers."""
    if asked is None:
        return None
    found = [known for known in PROFILES if known == asked]
    if not found:
        raise UsageError(f"--expect {asked}: there is no such profile", hint=", ".join(PROFILES))
    return found[0]


def probe(
    address: Endpoint, expected: Profile | None, seed: int | None, *, only: Collection[str], skip: Collection[str]
) -> report.Report:
    """Run the probes against an address. Without a profile the rehearsal model is held to its exact words."""
    seed = random.SystemRandom().randrange(1 << 31) if seed is None else seed
    ui.say(f"pictures are drawn with --seed {seed}")
    with Client(address) as client:
        engine = detect(client)
        told = f"{engine} (simulated)" if is_simulated(client) else engine
        if told != engine:
            ui.say(f"{engine} is SIMULATED here: no engine and no model answer")
        chosen: Profile = expected or ("rehearsal" if address.model == REHEARSAL_MODEL else "model")
        target = Target(client, engine, chosen, random.Random(seed))
        cases = run(PROBES, target, only=only, skip=skip)
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return report.Report("ernie-deploy smoke", __version__, address.base_url, told, address.model, cases, created)


def write(found: report.Report, *, junit: Path | None, markdown: Path | None) -> None:
    """Write the report files that were asked for."""
    for path, text in ((junit, report.as_junit(found)), (markdown, report.as_markdown(found))):
        if path:
            try:
                write_atomically(path, text)
            except OSError as error:
                raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def show(found: report.Report, *, as_json: bool) -> None:
    """A table, or the JSON report."""
    if as_json:
        ui.out(report.as_json(found).rstrip())
        return
    rows = [(case.id, case.verdict, f"{case.seconds:.2f} s", in_words(case)) for case in found.cases]
    ui.table(("probe", "verdict", "time", "what was found"), rows, status_column=1)
    ui.say(", ".join(f"{number} {verdict}" for verdict, number in report.summary(found.cases).items() if number))


def in_words(case: report.Case) -> str:
    """What was found; for what an engine cannot do, who says so."""
    return f"{case.message} ({case.reference})" if case.reference else case.message


def require_success(found: report.Report) -> None:
    """Raise VerifyError when a probe failed, or when none passed."""
    why = why_failed(found.cases)
    if why:
        raise VerifyError(why, hint="see what was asked and answered with: ernie-deploy smoke --json")
