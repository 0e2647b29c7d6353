"""Server-sent events from bytes: payloads of `data:` lines, whatever the borders of the chunks are."""


class EventReader:
    """Lines are decoded when they are whole, so a character cut between two chunks stays whole as well."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[str]:
        """The payloads that are complete now; comments and other fields are dropped."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        payloads = [self._line(line) for line in lines]
        return [payload for payload in payloads if payload is not None]

    def finish(self) -> list[str]:
        """What the end of the stream completes: not every server writes the last empty line."""
        payloads = self.feed(b"\n\n")
        self._rest = b""
        return payloads

    def _line(self, line: bytes) -> str | None:
        text = line.decode("utf-8", errors="replace").strip("\r")
        if text.startswith("data:"):
            self._data.append(text.removeprefix("data:"))
            return None
        if text or not self._data:
            return None
        payload, self._data = "\n".join(self._data).strip(), []
        return payload or None
