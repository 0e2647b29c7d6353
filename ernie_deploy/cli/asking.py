"""The question as a request, and the answer as it streams."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from ernie_deploy.cli import ui
from ernie_deploy.cli.stages import named, store_of
from ernie_deploy.client import Client, Delta, Endpoint, RefusedError, ServedModel, image_part, video_part
from ernie_deploy.errors import EngineError, UsageError, VerifyError
from ernie_deploy.serve.keys import api_key
from ernie_deploy.serve.service import address_of

LIST_S = 30.0
"""For the list of models. Every engine has it ready, so who waits longer waits for somebody who is not there."""


def address(name: str | None, url: str | None, model: str | None, cacert: Path | None = None) -> Endpoint:
    """The deployed service, or the one at `url`; its first model when none is named."""
    authority = str(cacert or "")
    if url is None:
        name = named(name)
        run = store_of(name).read()
        if run is None or store_of(name).leader() is None:
            raise EngineError(f"{name!r} is not running", hint="start it with `ernie-deploy up`, or name a --url")
        known = address_of(run.launch, os.environ)
        if authority:
            known = msgspec.structs.replace(known, cacert=authority)
        return known if model is None else Endpoint(known.base_url, model, known.api_key, cacert=authority)
    key = api_key({}, os.environ)
    if model is None:
        with Client(Endpoint(url, api_key=key, cacert=authority)) as client:
            served = _listed(client)
        if not served:
            raise UsageError(f"{url} lists no model", hint="name it with --model")
        model = served[0].id
    return Endpoint(url, model, key, cacert=authority)


def _listed(client: Client) -> tuple[ServedModel, ...]:
    """What the service lists. Raises VerifyError; transformers answers 500 here while its chat works."""
    try:
        return client.models(total_s=LIST_S)
    except VerifyError as error:
        if isinstance(error, RefusedError) and (error.status in (401, 403) or error.status < 400):
            raise
        hint = "check the URL; when only the list is broken, name the model and it is not needed: --model NAME"
        raise VerifyError(error.message, hint=hint, details=error.details) from None


def request(
    question: str, images: Sequence[Path], video: Path | None, max_tokens: int, temperature: float | None
) -> dict[str, object]:
    """A chat request: pictures and video first, then the question."""
    parts: list[object] = [image_part(path) for path in images]
    parts += [video_part(video)] if video else []
    content: object = [*parts, {"type": "text", "text": question}] if parts else question
    asked: dict[str, object] = {"messages": [{"role": "user", "content": content}], "max_tokens": max_tokens}
    return asked if temperature is None else asked | {"temperature": temperature}


def print_streamed(deltas: Iterable[Delta]) -> None:
    """Reasoning and answer under their headings. Raises VerifyError when the answer stays empty."""
    shown = ""
    finish = None
    answer = ""
    for delta in deltas:
        for heading, text in (("Reasoning", delta.reasoning), ("Answer", delta.content)):
            if text:
                if shown != heading:
                    if shown:
                        ui.out("\n")
                    ui.heading(heading)
                    shown = heading
                ui.piece(text)
        for part in delta.tool_parts:
            ui.piece(f"\n[tool call] {part.name} " if part.name else "")
            ui.piece(part.arguments)
        answer += delta.content + "".join(part.arguments for part in delta.tool_parts)
        finish = delta.finish_reason or finish
    ui.out("")
    require_answer(answer, finish)


def require_answer(answer: str, finish: str | None) -> None:
    """Say when an answer was cut. Raises VerifyError when it is empty."""
    if finish == "length":
        ui.say("the answer was cut at --max-tokens")
    if not answer.strip():
        why = "the whole budget went into thinking" if finish == "length" else f"it ended with {finish or 'nothing'}"
        raise VerifyError(f"the answer is empty: {why}", hint="give it a larger --max-tokens")
