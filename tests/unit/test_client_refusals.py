"""What an engine says when it refuses reaches the reader in one line."""

import json
from pathlib import Path

import pytest

from ernie_deploy.client.refusals import RawAnswer, refusal, server_message

CAPTURED = Path(__file__).parents[1] / "captured" / "answers"


def answer(body: bytes, status: int = 400, **headers: str) -> RawAnswer:
    return RawAnswer(status, headers, body, "http://host/v1/chat/completions", 0.1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vllm-0.32-error-model-404", "The model `other` does not exist. Valid aliases: ernie-rehearsal."),
        ("vllm-0.32-error-picture-400", "Failed to load image: cannot identify image file <_io.BytesIO object>"),
        ("transformers-5.23-error-model-400", "Server is pinned to 'ernie-rehearsal'; requested 'other'."),
        ("transformers-5.23-error-field-422", "Unexpected fields in the request: {'top_k'}"),
        ("transformers-5.23-error-messages-500", "'Internal Server Error'"),
        ("fastdeploy-2.2-error-messages-422", "messages: Input should be a valid list"),
        ("fastdeploy-2.2-error-picture-400", "cannot identify image file"),
        ("fastdeploy-2.5-error-messages-400", "Input should be a valid list"),
        ("fastdeploy-2.5-error-picture-500", "PIL.UnidentifiedImageError: cannot identify image file"),
        ("fastdeploy-2.5-error-busy-429", "Too many requests,current max concurrency is 512"),
        ("fastdeploy-2.5-error-key-401", "Unauthorized"),
    ],
)
def test_the_servers_own_message_is_found_in_every_dialect(name: str, expected: str) -> None:
    assert server_message(answer((CAPTURED / f"{name}.txt").read_bytes())) == expected


@pytest.mark.parametrize("opening", ["[", '{"error":'])
def test_words_that_are_nested_absurdly_deep_are_no_message(opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    body = opening * 700 + '"deep"' + closing * 700
    assert server_message(answer(body.encode())) == repr(body[:200])


def test_an_html_page_is_named_as_such() -> None:
    page = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>"
    assert "an HTML page titled '502 Bad Gateway'" in server_message(answer(page))


def test_an_empty_refusal_says_so() -> None:
    assert server_message(answer(b"")) == "(no message)"


def test_a_refusal_names_the_url_the_status_and_what_to_do() -> None:
    error = refusal(answer(b'{"error": "Unauthorized"}', 401))
    assert error.message == "http://host/v1/chat/completions: HTTP 401: Unauthorized"
    assert "ERNIE_DEPLOY_API_KEY" in error.hint


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (500, "Input text is too long, input_ids_len (2047) + min_tokens(1) >= max_model_len(2048)"),
        (400, "This model's maximum context length is 2048 tokens. However, you requested 2600 tokens"),
    ],
)
def test_a_request_that_is_too_long_is_sent_to_the_length_not_to_the_log(status: int, said: str) -> None:
    assert "--max-model-len" in refusal(answer(json.dumps({"error": {"message": said}}).encode(), status)).hint


def test_a_key_that_is_refused_as_too_long_is_still_a_matter_of_the_key() -> None:
    assert "ERNIE_DEPLOY_API_KEY" in refusal(answer(b'{"error": "the key is too long"}', 401)).hint


def test_a_redirect_names_its_target() -> None:
    assert "redirects to http://elsewhere/" in refusal(answer(b"", 302, location="http://elsewhere/")).message
