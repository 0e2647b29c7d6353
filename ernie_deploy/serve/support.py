"""A support bundle: what helps others to understand a deployment, in one archive, without any secret.

By construction: every byte of it goes through one Bundle, which redacts texts, values and names alike. What cannot be
redacted for sure, such as an engine's own copy of its environment, is left out, and said so in the manifest.
"""

import gzip
import hashlib
import http.client
import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from ernie_deploy.redact import Redactor, known_secrets

MANIFEST = "manifest.json"
# Of a log, from its beginning and from its end.
MOST_BYTES = 256 * 1024
MOST_METRICS_BYTES = 1 << 20
METRICS_TIMEOUT_S = 3.0
FORMAT = 1


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the bundle."""

    name: str
    bytes: int
    sha256: str


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not in the bundle, and why."""

    what: str
    why: str


class Bundle:
    """Takes texts, values and logs; nothing gets in but through `redactor`."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._members: dict[str, bytes] = {}
        self._left_out: list[LeftOut] = []

    def text(self, name: str, text: str) -> None:
        self._put(name, self._redactor.text(text))

    def json(self, name: str, value: object) -> None:
        """A value of ours, or what was decoded from JSON."""
        shown = self._redactor.value(msgspec.to_builtins(value))
        self._put(name, json.dumps(shown, indent=2, ensure_ascii=False) + "\n")

    def json_file(self, name: str, path: Path) -> None:
        """A record as it stands in the state directory, also a damaged one."""
        try:
            raw = path.read_bytes()[:MOST_BYTES]
        except OSError as error:
            self.leave_out(name, error.strerror or str(error))
            return
        try:
            self.json(name, json.loads(raw))
        except ValueError:
            self.text(name, raw.decode("utf-8", "replace"))

    def log(self, name: str, path: Path) -> None:
        """The beginning and the end of a log, in whole lines."""
        try:
            head, missing, tail = _ends(path)
        except OSError as error:
            self.leave_out(name, error.strerror or str(error))
            return
        # Each part by itself: what begins in one and ends in the part between must not be taken for whole.
        parts = [self._redactor.log(head)]
        if missing:
            parts += [f"… {missing} bytes are left out here …\n", self._redactor.log(tail)]
        self._put(name, "".join(parts))

    def leave_out(self, what: str, why: str) -> None:
        self._left_out.append(LeftOut(self._redactor.text(what), self._redactor.text(why)))

    @property
    def members(self) -> tuple[Member, ...]:
        """In the order in which they are packed."""
        return tuple(
            Member(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in sorted(self._members.items())
        )

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        return tuple(self._left_out)

    def pack(self, about: Mapping[str, object]) -> bytes:
        """The archive; the manifest comes first. The same members give the same bytes."""
        shown = self._redactor.value(dict(about))
        document = {
            "format": FORMAT,
            "about": shown,
            "members": msgspec.to_builtins(self.members),
            "left_out": msgspec.to_builtins(self.left_out),
        }
        manifest = (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
        packed = io.BytesIO()
        # Neither a name nor a time in the header of the archive.
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as stream,
            tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive,
        ):
            for name, data in ((MANIFEST, manifest), *sorted(self._members.items())):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(data), 0o600
                archive.addfile(entry, io.BytesIO(data))
        return packed.getvalue()

    def _put(self, name: str, text: str) -> None:
        safe = re.sub(r"[^\w.\-/]", "_", self._redactor.text(name), flags=re.ASCII)[-90:]
        self._members[safe] = text.encode("utf-8", "replace")


def secrets_of(key_files: Iterable[str], *environments: Mapping[str, str]) -> set[str]:
    """All secrets that are known here: what key files hold, whoever may read them, and variables that sound secret."""
    keys = []
    for file in key_files:
        try:
            keys += Path(file).read_bytes().decode("utf-8", "replace").split()
        except OSError:
            continue
    return {one for environ in environments or ({},) for one in known_secrets(environ, keys)}


def metrics_of(base_url: str, port: int | None = None) -> str:
    """What /metrics says, cut at a MiB. Raises OSError when nobody answers, ValueError for an answer that is none.

    Nothing else is asked: /config-info would hand out every key.
    """
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection(
        address.hostname or "", port or address.port or 80, timeout=METRICS_TIMEOUT_S
    )
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read(MOST_METRICS_BYTES).decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise ValueError(f"no HTTP answer: {error!r}") from None
    finally:
        connection.close()
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    return text


def _ends(path: Path) -> tuple[str, int, str]:
    """The first and the last lines of a file, and how many bytes are between them."""
    with path.open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        if size <= 2 * MOST_BYTES:
            return stream.read().decode("utf-8", "replace"), 0, ""
        head = stream.read(MOST_BYTES)
        stream.seek(size - MOST_BYTES)
        tail = stream.read(MOST_BYTES)
    # A secret may lie across the cut: no half line is kept.
    head = head[: head.rfind(b"\n") + 1]
    tail = tail[tail.find(b"\n") + 1 :] if b"\n" in tail else b""
    return head.decode("utf-8", "replace"), size - len(head) - len(tail), tail.decode("utf-8", "replace")
