"""Does the engine read files of its server, or fetch from private addresses, because a request says so."""

import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ernie_deploy.client import RawAnswer, server_message
from ernie_deploy.smoke.base import Judgement, Probe, skipped
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.listener import PICTURE, START, listener
from ernie_deploy.smoke.probes.bad_images import ask_about, drawn
from ernie_deploy.smoke.refusing import alive, in_words, is_here, said, shown
from ernie_deploy.smoke.target import Target

EXISTS = "/etc/hostname"
MISSING = "/etc/no-such-file-1d3f"
SCHEMES = ("file://", "")
"""Before the path of a file: some engines take a bare path."""

NOBODY_LISTENS = f"http://127.0.0.1:9{PICTURE}"
"""The engine's own loopback, at the port of a service of old that nobody runs: whoever tries is turned away at once."""

ODD_URLS = (f"ftp://127.0.0.1:9{PICTURE}", f"gopher://127.0.0.1:9/_{PICTURE}", "data:image/png,hello")
TRIED = re.compile(
    r"max retries|connection (refused|error|attempts)|cannot connect|failed to establish|failed to fetch|"
    r"failed to download|errno 111|timed? ?out|HTTP [45]\d\d",
    re.IGNORECASE,
)
"""Words with which an engine says that it tried and did not succeed."""

POLICY = (
    "let a proxy in front of the engine refuse every media URL that is not data:; vLLM: --allowed-media-domains; "
    "give the engine's user no files and no network that it does not need"
)


# Files ------------------------------------------------------------------------------------------------------------


def judge_file(target: Target) -> Judgement:
    _, picture = drawn(target)
    answers = {url: ask_about(target, url) for scheme in SCHEMES for url in (f"{scheme}{EXISTS}", f"{scheme}{MISSING}")}
    if is_here(target):
        # Only a real picture shows that a bare path is read as well: anything else is refused for its bytes.
        with _readable_by_all(picture) as file:
            path = target.observe("path", str, lambda: str(file))
            answers["file:// and a picture"] = ask_about(target, f"file://{path}")
            answers["the bare path of a picture"] = ask_about(target, path)
    return alive(target, judge_files(target, answers))


def judge_files(target: Target, answers: Mapping[str, RawAnswer]) -> Judgement:
    why = why_read(answers)
    if why is None and not all(in_words(answer) for answer in answers.values()):
        return skipped("it was refused without a word, so whether files are read cannot be told")
    return _judged(target, "file-url", why, answers)


@contextlib.contextmanager
def _readable_by_all(picture: bytes) -> Iterator[Path]:
    """The engine may run as another user."""
    with tempfile.TemporaryDirectory(prefix="ernie-deploy-") as folder:
        Path(folder).chmod(0o755)
        file = Path(folder) / "picture.png"
        file.write_bytes(picture)
        file.chmod(0o644)
        yield file


def why_read(answers: Mapping[str, RawAnswer]) -> str | None:
    """The reason to believe that files are read. One that is refused in other words than a missing one was opened."""
    for name, answer in answers.items():
        if answer.status == 200:
            return f"a picture that lies on the server was read and answered ({name})"
    for scheme in SCHEMES:
        exists, missing = answers[f"{scheme}{EXISTS}"], answers[f"{scheme}{MISSING}"]
        if without_path(exists) != without_path(missing):
            return f"it opens files: {EXISTS} gives {said(exists)!r}, a missing file {said(missing)!r}"
    return None


def without_path(answer: RawAnswer) -> tuple[int, str]:
    """What was said, without the path, and without places in memory: those differ each time."""
    return answer.status, re.sub(rf"{EXISTS}|{MISSING}|\b0x[0-9a-f]+", "PATH", server_message(answer))


# Addresses --------------------------------------------------------------------------------------------------------


def judge_private(target: Target) -> Judgement:
    _, picture = drawn(target)
    if not is_here(target):
        answer = ask_about(target, NOBODY_LISTENS)
        return alive(target, judge_attempt(target, answer, ()))
    with listener(picture) as heard:
        port = target.observe("port", int, lambda: heard.port)
        answer = ask_about(target, f"http://127.0.0.1:{port}{START}")
        visits = target.observe("visits", list[str], lambda: heard.visits)
    return alive(target, judge_attempt(target, answer, tuple(visits)))


def judge_attempt(target: Target, answer: RawAnswer, visits: tuple[str, ...]) -> Judgement:
    """visits: the paths that were fetched from our listener."""
    answers = {"a private address": answer}
    tried = TRIED.search(server_message(answer))
    if not visits and not tried and answer.status != 200 and not in_words(answer):
        return skipped(f"whether it tried cannot be told from {said(answer)!r}")
    why = None
    if visits:
        why = "it fetched from a private address" + (", and followed a redirect" if PICTURE in visits else "")
    elif tried:
        why = f"it tried to fetch from a private address: {said(answer)}"
    elif answer.status == 200:
        why = "a picture at a private address was accepted"
    return _judged(target, "private-url", why, answers)


# Other schemes ----------------------------------------------------------------------------------------------------


def judge_odd(target: Target) -> Judgement:
    answers = {url: ask_about(target, url) for url in ODD_URLS}
    accepted = [url for url, answer in answers.items() if answer.status == 200]
    why = f"accepted was {', '.join(accepted)}" if accepted else None
    return alive(target, _judged(target, "odd-url", why, answers))


def _judged(target: Target, limit: str, why: str | None, answers: Mapping[str, RawAnswer]) -> Judgement:
    """Any refusal is good here, whatever its status: what counts is that nothing was read."""
    evidence = shown(answers)
    if why is None:
        last = list(answers.values())[-1]
        return Judgement("pass", f"refused with {said(last)}", evidence=evidence)
    known = why_unsupported(target.engine, limit)
    return Judgement("unsupported" if known else "fail", why, hint=POLICY, reference=known or "", evidence=evidence)


FILE = Probe("file-url", "no file of the server is read", "fast", judge_file, needs=("vision",))
PRIVATE = Probe("private-url", "nothing is fetched from a private address", "full", judge_private, needs=("vision",))
ODD = Probe("odd-url", "ftp, gopher and unpacked data URLs are refused", "full", judge_odd, needs=("vision",))
