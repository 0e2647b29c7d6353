"""What the types of a request forbid, and what this service cannot do for it. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ernie_deploy.architecture.tokens import Limits
from ernie_deploy.sim.fastdeploy import tokens
from ernie_deploy.sim.fastdeploy.refusals import RefusedError

ROLES = ("system", "user", "bot", "assistant", "tool")
NUMBERS = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
    "repetition_penalty": (0.0, 2.0),
}
INTEGERS = ("max_tokens", "max_completion_tokens", "n", "seed", "top_logprobs", "min_tokens", "reasoning_max_tokens")
GUIDED = ("response_format", "guided_json", "guided_regex", "guided_choice", "guided_grammar", "structural_tag")
# No source names a bound; without one a single request could take all memory there is.
MOST_CHOICES = 128
MOST_STOPS = 5
MOST_STOP_TOKENS = 8


class Served(NamedTuple):
    """What the service was started with, as far as requests are judged by it."""

    model: str
    checks_model: bool
    max_model_len: int
    media_limits: Mapping[str, int]
    picture_limits: Limits
    has_logprobs: bool
    has_guided_decoding: bool


def checked_messages(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if "messages" not in body:
        raise RefusedError("Field required", kind="schema", param="messages", code="missing_required_parameter")
    messages = body["messages"]
    if not isinstance(messages, list):
        raise RefusedError("Input should be a valid list", kind="schema", param="messages")
    if not messages:
        raise RefusedError("The message list cannot be empty", param="messages")
    check_sampling(body)
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise RefusedError("Input should be a valid message with a role", kind="schema", param="messages")
        if message["role"] not in ROLES:
            raise RefusedError(f"Unsupported role: {message['role']}", param="messages")
    return messages


def check_sampling(body: Mapping[str, Any]) -> None:
    """The types and bounds that chat and completions share."""
    for name, (least, most) in NUMBERS.items():
        value = body.get(name)
        if value is None:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise RefusedError("Input should be a valid number", kind="schema", param=name)
        if not least <= value <= most:
            bound = f"Input should be greater than or equal to {least:g} and less than or equal to {most:g}"
            raise RefusedError(bound, kind="schema", param=name)
    for name in INTEGERS:
        value = body.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise RefusedError("Input should be a valid integer", kind="schema", param=name)
    choices = body.get("n")
    if choices is not None and not 1 <= choices <= MOST_CHOICES:
        bound = f"Input should be greater than or equal to 1 and less than or equal to {MOST_CHOICES}"
        raise RefusedError(bound, kind="schema", param="n")
    for name, kind in (("stream", bool), ("stream_options", dict), ("tools", list), ("model", str)):
        value = body.get(name)
        if value is not None and not isinstance(value, kind):
            raise RefusedError(f"Input should be a valid {kind.__name__}", kind="schema", param=name)
    check_tools(body.get("tools"))


def check_tools(tools: object) -> None:
    """Each is a function with a name; its parameters are an object when there are any."""
    for tool in tools if isinstance(tools, list) else []:
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise RefusedError("Field required", kind="schema", param="tools", code="missing_required_parameter")
        if function.get("parameters") is not None and not isinstance(function["parameters"], dict):
            raise RefusedError("Input should be a valid dictionary", kind="schema", param="tools")


def check_model(body: Mapping[str, Any], served: Served) -> None:
    asked = body.get("model", "default")
    if asked not in (served.model, "default"):
        message = f"Unsupported model: [{asked}], support [{served.model}] or default"
        raise RefusedError(message, param="model", code="model_not_support")


def check_abilities(body: Mapping[str, Any], served: Served) -> None:
    if (body.get("logprobs") or body.get("top_logprobs")) and not served.has_logprobs:
        raise RefusedError("Logprobs is disabled, please enable it in startup config.", param="logprobs")
    guided = [name for name in GUIDED if body.get(name)]
    if body.get("response_format") == {"type": "text"}:
        guided.remove("response_format")
    if len(guided) > 1:
        raise RefusedError(f"You can only use one kind of guided decoding: {', '.join(guided)}", kind="schema")
    if guided and not served.has_guided_decoding:
        message = f"{guided[0]} is not supported: guided_decoding_backend is off in startup config."
        raise RefusedError(message, param=guided[0])


def stops_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    given = body.get("stop")
    stops = [given] if isinstance(given, str) else given or []
    if not isinstance(stops, list) or not all(isinstance(one, str) for one in stops):
        raise RefusedError("Input should be a valid string or list of strings", kind="schema", param="stop")
    if len(stops) > MOST_STOPS:
        raise RefusedError(
            f"Length of stop ({len(stops)}) exceeds the limit max_stop_seqs_num({MOST_STOPS}).", param="stop"
        )
    if any(len(tokens.pieces(one)) > MOST_STOP_TOKENS for one in stops):
        raise RefusedError(f"A stop sequence exceeds the limit stop_seqs_max_len({MOST_STOP_TOKENS}).", param="stop")
    return tuple(stops)
