"""What `docker run` says about the container that an engine is started in."""

from collections.abc import Sequence
from typing import NamedTuple

from ernie_deploy.lint.shell import assignment
from ernie_deploy.lint.values import EVERY_PORT, LOCAL, Around, Assignment, Word

CLIENTS = ("docker", "podman", "nerdctl")
# Flags of `docker run` that matter here, by all their spellings.
SPELLED = {"-e": "--env", "-p": "--publish", "-P": "--publish-all", "--net": "--network"}
WITH_VALUE = ("--env", "--env-file", "--shm-size", "--ipc", "--restart", "--publish", "--network")


class Run(NamedTuple):
    """The words before `docker`, the variables of the container, whether a file has more, and what surrounds it."""

    before: tuple[Word, ...]
    environment: tuple[Assignment, ...]
    is_env_open: bool
    around: Around


def run_of(words: Sequence[Word]) -> Run | None:
    """The `docker run` among the words before an engine; None when there is none."""
    runs = (at for at in range(1, len(words)) if words[at].text == "run" and _is_client(words[at - 1].text))
    at = next(runs, None)
    if at is None:
        return None
    given = list(_options(words[at + 1 :]))
    names = {name for name, _ in given}
    values = {name: value for name, value in given if value}
    return Run(
        before=tuple(words[: at - 1]),
        environment=tuple(_variable(value) for name, value in given if name == "--env" and value),
        is_env_open="--env-file" in names,
        around=Around(
            kind="docker",
            shares_memory=not names.isdisjoint({"--shm-size", "--ipc"}),
            restart=values.get("--restart"),
            published=tuple(_published(given)),
        ),
    )


def open_port(word: Word) -> Word | None:
    """The container's port of `8180:80` or `0.0.0.0:8180:80`; None when only this host reaches it."""
    mapping = word.text.partition("/")[0]
    host, port = mapping.rsplit(":", 2)[0] if mapping.count(":") > 1 else "", mapping.rpartition(":")[2]
    if word.is_opaque or host.strip("[]") in LOCAL or host.startswith("127."):
        return None
    return word._replace(text=port)


def _options(words: Sequence[Word]) -> list[tuple[str, Word | None]]:
    """The flags that matter, each with its value."""
    found: list[tuple[str, Word | None]] = []
    for at, word in enumerate(words):
        name, sign, _ = word.text.partition("=")
        full = SPELLED.get(name, name)
        following = words[at + 1] if at + 1 < len(words) else None
        if full not in WITH_VALUE:
            found += [(full, None)] if full == "--publish-all" else []
        else:
            found.append((full, _after(word, name + sign) if sign else following))
    return found


def _published(given: Sequence[tuple[str, Word | None]]) -> list[Word]:
    found = [open_port(value) for name, value in given if name == "--publish" and value]
    found += [value._replace(text=EVERY_PORT) for name, value in given if _is_host_network(name, value) and value]
    return [one for one in found if one is not None]


def _is_host_network(name: str, value: Word | None) -> bool:
    return name == "--network" and value is not None and value.text == "host"


def _variable(word: Word) -> Assignment:
    """`-e NAME` hands on what the caller has."""
    return assignment(word) or Assignment(word, Word("", word.end, word.end, is_opaque=True))


def _after(word: Word, prefix: str) -> Word:
    return Word(word.text[len(prefix) :], word.start + len(prefix), word.end, word.is_opaque)


def _is_client(text: str) -> bool:
    return text.rpartition("/")[2] in CLIENTS
