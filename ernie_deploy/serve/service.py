"""A service as readiness and the commands see it: an address, a key, and the proof that tokens come out."""

from collections.abc import Callable, Mapping

from ernie_deploy.client import Answer, Client, collect, image_part
from ernie_deploy.client import Endpoint as Address
from ernie_deploy.client.metrics import Counters, counters
from ernie_deploy.client.png import plain
from ernie_deploy.engines.base import Launch
from ernie_deploy.errors import EngineError, VerifyError
from ernie_deploy.rehearsal.grammar import COLOUR_QUESTIONS, COLOURS
from ernie_deploy.serve.keys import api_key
from ernie_deploy.serve.proofs import Proof, Wanted, named_otherwise, require_picture, require_split

# Any text does; the model may think as long as it likes, the first token ends the question.
QUESTION = "Reply with exactly one word: ready"
TOKENS = 16
CANARY_TOKENS = 8
HEALTH_S = 5.0


class Service:
    """Asks one endpoint for its health and for tokens.

    `is_ours` looks who listens there: somebody else can have taken the port while the engine was loading.
    """

    def __init__(
        self,
        address: Address,
        *,
        token_timeout_s: float,
        is_ours: Callable[[], bool] = lambda: True,
        wanted: Wanted | None = None,
    ) -> None:
        self._client = Client(address)
        self._timeout_s = token_timeout_s
        self._is_ours = is_ours
        self._wanted = wanted or Wanted()
        self._seen: Answer | None = None

    def health(self, *, total_s: float = HEALTH_S) -> int | None:
        """The raw status of /health; None while nobody answers, or only a stranger does."""
        status = self._client.health(total_s=total_s)
        return status if status is not None and self._is_ours() else None

    def proofs(self) -> tuple[Proof, ...]:
        """What it must show, in order. One answer about a picture shows both that it sees and that it thinks apart."""
        found = [Proof("waiting for the first token", self._text_token, is_patient=True)]
        if self._wanted.image:
            found.append(Proof("waiting for an image token", self._image_token))
        if self._wanted.thinking:
            found.append(Proof("waiting for the thinking split", self._split))
        return tuple(found)

    def first_token(self, *, max_tokens: int = TOKENS, total_s: float | None = None) -> str:
        """The first text of a short answer. Raises DeployError when the stream ends without any."""
        request = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": max_tokens}
        for delta in self._client.stream(request, total_s=total_s or self._timeout_s):
            if delta.carries_tokens:
                return delta.reasoning or delta.content or delta.raw
        raise VerifyError("the answer ended without a token")

    def canary(self, *, total_s: float, speaks: Callable[[], None] = lambda: None) -> None:
        """Have a few tokens made, to the end: one alone would not show that it goes on after the first. `speaks` is
        called for each piece that comes. Raises DeployError when it does not come to an end with any."""
        request = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": CANARY_TOKENS}
        has_spoken = False
        for delta in self._client.stream(request, total_s=total_s):
            if delta.carries_tokens:
                has_spoken = True
                speaks()
            # That the tokens are used up proves them too: they can be half of a marker, which is no text.
            if delta.finish_reason == "length" or (delta.finish_reason and has_spoken):
                return
        if not has_spoken:
            raise VerifyError("the answer ended without a token")

    def _text_token(self) -> str:
        self.first_token()
        try:
            listed = [model.id for model in self._client.models(total_s=HEALTH_S)]
        except (EngineError, VerifyError):
            return ""
        return named_otherwise(self._client.endpoint.model, listed)

    def _image_token(self) -> str:
        picture = [image_part(plain(COLOURS["blue"])), {"type": "text", "text": COLOUR_QUESTIONS[0]}]
        self._seen = self._whole(picture)
        return require_picture(self._seen)

    def _split(self) -> str:
        """Judges the answer about the picture, if there is one that was not judged yet; else asks."""
        answer, self._seen = self._seen or self._whole(QUESTION), None
        return require_split(answer)

    def _whole(self, content: object) -> Answer:
        request = {
            "messages": [{"role": "user", "content": content}],
            "max_tokens": self._wanted.max_tokens,
            "temperature": 0,
        }
        return collect(self._client.stream(request, total_s=self._timeout_s))


class Counting:
    """The engine's own counters, on whichever of its ports they are."""

    def __init__(self, launch: Launch, *, read_s: float) -> None:
        self._client = Client(Address(metrics_url(launch), read_s=read_s, connect_s=read_s))
        self._total_s = read_s

    def read(self) -> Counters | None:
        """None while there are none, or nobody answers."""
        try:
            answer = self._client.get("/metrics", total_s=self._total_s)
        except (EngineError, VerifyError):
            return None
        return counters(answer.text) if answer.status == 200 else None


def metrics_url(launch: Launch) -> str:
    """Where the counters are: on a port of their own, or on that of the service."""
    return metrics_elsewhere(launch) or launch.base_url


def metrics_elsewhere(launch: Launch) -> str | None:
    """Where the counters are when they have a port of their own."""
    own = next((port.number for port in launch.ports if port.role == "metrics"), None)
    return None if own is None else f"{launch.base_url.rpartition(':')[0]}:{own}"


def address_of(launch: Launch, environ: Mapping[str, str], *, read_s: float = 120.0) -> Address:
    """Where the launched service is, with its key: from the environment, else from the file the engine reads."""
    return Address(launch.base_url, launch.served_model, api_key(launch.secret_env, environ), read_s=read_s)
