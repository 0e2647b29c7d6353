"""`<response>` around an answer and newlines at its ends are the model's packing, not its words."""

OPENING = "<response>"
CLOSING = "</response>"


class Trimmer:
    """Removes the packing from text that arrives in pieces; what may still become packing is held back."""

    def __init__(self, *, markers: bool) -> None:
        self._markers = markers
        self._expects_opening = markers
        self._is_at_start = True
        self._held = ""

    def feed(self, piece: str) -> str:
        """The text that is certainly part of the answer."""
        self._held += piece
        if self._is_at_start and not self._passed_the_start():
            return ""
        cut = self._packing_starts()
        certain, self._held = self._held[:cut], self._held[cut:]
        return certain

    def finish(self) -> str:
        """The rest, when nothing more comes: packing is dropped, half a marker was text."""
        rest, self._held = self._held.rstrip("\n"), ""
        if self._markers:
            rest = rest.removesuffix(CLOSING)
        return rest.rstrip("\n")

    def _passed_the_start(self) -> bool:
        self._held = self._held.lstrip("\n")
        if self._expects_opening:
            if self._held.startswith(OPENING):
                self._held = self._held.removeprefix(OPENING).lstrip("\n")
                self._expects_opening = False
            elif OPENING.startswith(self._held):
                return False
        self._is_at_start = not self._held
        return not self._is_at_start

    def _packing_starts(self) -> int:
        """Where the newlines and the closing marker that may end the answer begin."""
        bare = self._held.rstrip("\n")
        if self._markers:
            if bare.endswith(CLOSING):
                return len(bare.removesuffix(CLOSING).rstrip("\n"))
            if bare == self._held:
                cut = max((n for n in range(1, len(CLOSING)) if bare.endswith(CLOSING[:n])), default=0)
                if cut:
                    return len(bare[:-cut].rstrip("\n"))
        return len(bare)


def trimmed(text: str, *, markers: bool) -> str:
    trimmer = Trimmer(markers=markers)
    return trimmer.feed(text) + trimmer.finish()
