"""The service as a probe sees it: what it asks leaves an Exchange behind, and its time and tokens are bounded."""

import base64
import binascii
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar

import msgspec

from ernie_deploy.client import Answer, Client, Delta, RawAnswer, RefusedError, ServedModel, collect
from ernie_deploy.errors import DeployError, EngineError
from ernie_deploy.report import Exchange, Picture

Profile = Literal["contract", "rehearsal", "model"]
"""What is expected: only the shapes of answers, the rehearsal model's exact words, or what the real model must know."""

MAX_TOKENS: Mapping[Profile, int] = {"contract": 512, "rehearsal": 256, "model": 2048}
"""FastDeploy lets the reasoning have 80 % of it; with too little the answer stays empty."""

DEFAULT_TIMEOUT_S = 120.0
"""For a probe that says nothing else."""

GREEDY: Mapping[str, Mapping[str, object]] = {"fastdeploy": {"top_p": 0}}
"""What makes an engine take the likeliest token each time, besides temperature 0.

FastDeploy turns temperature 0 into 1 or leaves it to the sampler, and draws; only a top_p of 0 becomes its top_k 1
(read in its processors; its own tests ask this way; its pull request 6748 mends it for models without pictures). vLLM
refuses a top_p of 0.
"""

Fact = TypeVar("Fact")

CHAT = "/v1/chat/completions"
BODY_SHOWN = 2000


class Log:
    """What one probe asked and was answered, in order. It may be shared by threads."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.pictures: list[Picture] = []

    def put_aside(self, value: object) -> object:
        """A request without its media: those are kept once each, and a word stands in their place."""
        if isinstance(value, str) and value.startswith("data:") and "," in value:
            return self._put_aside(value)
        if isinstance(value, dict):
            return {key: self.put_aside(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.put_aside(item) for item in value]
        return value

    def _put_aside(self, url: str) -> str:
        head, _, text = url.partition(",")
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return f"{url[:80]}…" if len(url) > 80 else url
        picture = Picture(head.removeprefix("data:").removesuffix(";base64"), data)
        if picture not in self.pictures:
            self.pictures.append(picture)
        return f"picture {self.pictures.index(picture)}"


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client of a served model, and what is known about the engine behind it (`unknown` when nothing is).

    `timeout_s` is for one probe, None leaves it to each; `ends_at` is set when that probe begins, and so are `rng` and
    `log`: what a probe draws does not depend on which others run. `max_model_len`, `max_num_seqs` and `metrics` are
    None when nobody says.
    """

    client: Client
    engine: str
    profile: Profile
    seed: int = 0
    max_tokens: int = 0
    timeout_s: float | None = None
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    metrics: Client | None = None
    is_simulated: bool = False
    now: Callable[[], float] = time.monotonic
    ends_at: float = float("inf")
    rng: random.Random = msgspec.field(default_factory=random.Random)
    log: Log = msgspec.field(default_factory=Log)

    def for_probe(self, name: str, timeout_s: float, attempt: int = 1) -> "Target":
        """The same service for one probe, with a log and a clock of its own."""
        return msgspec.structs.replace(
            self,
            client=self.client.labelled(f"{name}#{attempt}"),
            metrics=self.metrics.labelled(f"{name}#{attempt} metrics") if self.metrics else None,
            timeout_s=timeout_s,
            ends_at=self.now() + timeout_s,
            rng=random.Random(f"{self.seed} {name}"),
            log=Log(),
        )

    @property
    def model(self) -> str:
        return self.client.endpoint.model

    @property
    def judges_words(self) -> bool:
        """Whether the answers must be right, and not only well formed."""
        return self.profile != "contract"

    @property
    def budget(self) -> int:
        """Tokens for an answer: what the run asks for, or the profile's, as far as half the context holds them."""
        usual = MAX_TOKENS[self.profile]
        return self.max_tokens or min(usual, self.max_model_len // 2 if self.max_model_len else usual)

    def remaining_s(self) -> float:
        """Raises EngineError when the probe's time is up."""
        limit_s = self.timeout_s or DEFAULT_TIMEOUT_S
        left_s = min(self.ends_at - self.now(), limit_s)
        if left_s <= 0:
            raise EngineError(
                f"the probe was not done after {limit_s:g} s",
                hint="look at the engine's own log: it may be stuck; where it is only slow, give a longer --timeout",
            )
        return left_s

    def observe(self, name: str, kind: type[Fact], look: Callable[[], Fact]) -> Fact:
        """A fact that is no answer of the service, as small JSON: a recording keeps it, and a replay does not look."""
        return msgspec.convert(self.client.observe(name, look), kind)

    def pause(self, seconds: float) -> None:
        """Wait; in a replay it costs no time."""
        self.client.observe("pause", lambda: time.sleep(seconds))

    # Asking the model ---------------------------------------------------------------------------------------------

    def request(self, content: object, **fields: object) -> dict[str, object]:
        """One user message at temperature 0, with fields that the engine accepts."""
        return self.conversation([{"role": "user", "content": content}], **fields)

    def conversation(self, messages: Sequence[Mapping[str, object]], **fields: object) -> dict[str, object]:
        greedy = GREEDY.get(self.engine, {})
        return {"messages": list(messages), "max_tokens": self.budget, "temperature": 0, **greedy, **fields}

    def chat(self, content: object, **fields: object) -> Answer:
        """The whole answer to one user message. Raises VerifyError when it is refused."""
        return self.ask(self.request(content, **fields))

    def ask(self, request: Mapping[str, object]) -> Answer:
        """The whole answer to a request as `request` and `conversation` make it."""
        try:
            answer = self.client.chat(request, total_s=self.remaining_s())
        except DeployError as error:
            self._note_failure("POST", CHAT, request, error)
            raise
        self._note(request, answer)
        return answer

    def stream(self, content: object, **fields: object) -> Answer:
        """As `chat`, streamed and put together."""
        return collect(self.deltas(self.request(content, **fields)))

    def deltas(self, request: Mapping[str, object]) -> tuple[Delta, ...]:
        """All events of a streamed answer, with the raw payloads."""
        seen: list[Delta] = []
        try:
            for delta in self.client.stream(request, total_s=self.remaining_s()):
                seen.append(delta)
        except DeployError as error:
            self._note_failure("POST", CHAT, {**request, "stream": True}, error, collect(seen))
            raise
        self._note({**request, "stream": True}, collect(seen))
        return tuple(seen)

    def stream_until(self, request: Mapping[str, object], enough: Callable[[Delta], bool]) -> tuple[Delta, ...]:
        """The events up to the first that is enough; then the connection is closed, as when a user gives up."""
        seen: list[Delta] = []
        events = self.client.stream(request, total_s=self.remaining_s())
        try:
            for delta in events:
                seen.append(delta)
                if enough(delta):
                    break
        except DeployError as error:
            self._note_failure("POST", CHAT, {**request, "stream": True}, error, collect(seen))
            raise
        finally:
            events.close()
        self._note({**request, "stream": True}, collect(seen))
        return tuple(seen)

    # Anything else ------------------------------------------------------------------------------------------------

    def get(self, path: str, *, api_key: str | None = None) -> RawAnswer:
        """An answer of any status; `api_key` replaces the run's, `""` is none."""
        return self._raw("GET", path, None, api_key)

    def get_metrics(self) -> RawAnswer:
        """The metrics, wherever they are served; a probe that asks for them has the need `metrics`."""
        return msgspec.structs.replace(self, client=self.metrics or self.client).get("/metrics", api_key="")

    def post(self, path: str, body: object, *, api_key: str | None = None) -> RawAnswer:
        """An answer of any status to any JSON, or to bytes as they are."""
        return self._raw("POST", path, body, api_key)

    def models(self) -> tuple[ServedModel, ...]:
        """What `/v1/models` lists. Raises VerifyError when it refuses or is not such a list."""
        return self.client.listed(self.get("/v1/models"))

    def post_chat(self, request: Mapping[str, object], *, api_key: str | None = None) -> RawAnswer:
        """As `ask`, but whatever the status is."""
        return self.post(CHAT, self.client.chat_request(request, stream=False), api_key=api_key)

    def _raw(self, method: str, path: str, body: object, api_key: str | None) -> RawAnswer:
        asked = body.decode(errors="replace")[:BODY_SHOWN] if isinstance(body, bytes) else body
        try:
            if method == "GET":
                answer = self.client.get(path, total_s=self.remaining_s(), api_key=api_key)
            else:
                answer = self.client.post(path, body, total_s=self.remaining_s(), api_key=api_key)
        except DeployError as error:
            self._note_failure(method, path, asked, error, api_key=api_key)
            raise
        self.log.exchanges.append(
            Exchange(
                method,
                path,
                self.log.put_aside(asked),
                answer.status,
                self.client.hidden.text(answer.text)[:BODY_SHOWN],
                answer.total_s,
                key=self._key(api_key),
            )
        )
        return answer

    # The log ------------------------------------------------------------------------------------------------------

    def _note(self, request: Mapping[str, object], answer: Answer) -> None:
        self.log.exchanges.append(
            Exchange(
                "POST",
                CHAT,
                self.log.put_aside(dict(request)),
                200,
                msgspec.to_builtins(answer),
                answer.total_s,
                answer.ttft_s,
                key=self._key(None),
            )
        )

    def _note_failure(
        self,
        method: str,
        path: str,
        request: object,
        error: DeployError,
        seen: Answer | None = None,
        *,
        api_key: str | None = None,
    ) -> None:
        status = error.status if isinstance(error, RefusedError) else None
        answer: object = msgspec.to_builtins(seen) if seen else error.details[:BODY_SHOWN]
        asked = self.log.put_aside(dict(request) if isinstance(request, Mapping) else request)
        self.log.exchanges.append(
            Exchange(
                method,
                path,
                asked,
                status,
                answer,
                seen.total_s if seen else 0.0,
                error=error.message,
                key=self._key(api_key),
            )
        )

    def _key(self, api_key: str | None) -> Literal["given", "none", "other"]:
        own = self.client.endpoint.api_key
        used = own if api_key is None else api_key
        return "none" if not used else "given" if used == own else "other"
