"""No spelling of a secret gets through, and what is none stays readable."""

import base64
import json
from urllib.parse import quote

import pytest

from ernie_deploy.hidden import Hidden
from ernie_deploy.redact import REDACTED, Redactor, is_secret_name, known_secrets, plain

# Not known beforehand: found by the company it keeps.
CANARY = "Kanarienvogel-7f3a9c21"
IN_BASE64 = base64.b64encode(f"user:{CANARY}".encode()).decode()
PEM_BODY = base64.b64encode(CANARY.encode() * 20).decode()
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{PEM_BODY[:64]}\n{PEM_BODY[64:128]}\n-----END RSA PRIVATE KEY-----\n"
SHAPES = {
    "flag and value": f"--api-key {CANARY}",
    "flag with equals": f"python -m x --api-key={CANARY} --port 8180",
    "flag in quotes": f"--api-key '{CANARY}' --port 1",
    "flag in double quotes": f'--api-key "{CANARY}"',
    "flag with underscores": f"--api_key {CANARY}",
    "flag repeated": f"--api-key {CANARY} --api-key {CANARY}x",
    "short password flag": f"--password {CANARY}",
    "scheduler password": f"--scheduler-password={CANARY}",
    "argument list": f"['--api-key', '{CANARY}', '--port', '8180']",
    "argument list in json": f'["--api-key", "{CANARY}"]',
    "argument tuple": f"('--hf-token', '{CANARY}')",
    "python dict": f"args: {{'model': '/srv/m', 'api_key': '{CANARY}', 'port': 8180}}",
    "python dict with a list": f"args: {{'api_key': ['{CANARY}', '{CANARY}2'], 'port': 8180}}",
    "python namespace": f"Namespace(model='x', api_key='{CANARY}', port=1)",
    "python namespace with a list": f"Namespace(api_key=['{CANARY}'], port=1)",
    "json": f'{{"api_key": "{CANARY}"}}',
    "json without blanks": f'{{"api_key":"{CANARY}","port":1}}',
    "json list": f'{{"api_key": ["{CANARY}"]}}',
    "json over lines": f'{{\n  "api_key": [\n    "{CANARY}"\n  ]\n}}',
    "json in json": json.dumps({"env": json.dumps({"FD_API_KEY": CANARY})}),
    "camel case": f'{{"apiKey": "{CANARY}", "accessToken": "{CANARY}"}}',
    "yaml": f"api_key: {CANARY}\nport: 1\n",
    "yaml quoted": f'api_key: "{CANARY}"\n',
    "yaml list": f"api_key:\n  - {CANARY}\n  - {CANARY}2\nport: 1\n",
    "yaml list not indented": f"api_key:\n- {CANARY}\nport: 1\n",
    "yaml block": f"password: |\n  {CANARY}\n  {CANARY}\nport: 1\n".replace("password: |\n", "password:\n"),
    "yaml of several words": f"password: my {CANARY} phrase\n",
    "environment": f"FD_API_KEY={CANARY}\n",
    "environment with blanks": f"DB_PASSWORD=one {CANARY} two\n",
    "export": f"export VLLM_API_KEY='{CANARY}'\n",
    "environment file quoted": f'HF_TOKEN="{CANARY}"\n',
    "environment with nuls": f"PATH=/bin\0FD_API_KEY={CANARY}\0HOME=/root\0",
    "environment as dict": f"environ({{'FD_API_KEY': '{CANARY}', 'HOME': '/root'}})",
    "several keys": f"FD_API_KEY={CANARY},{CANARY}2\n",
    "dockerfile": f"ENV FD_API_KEY {CANARY}\n",
    "docker run": f"docker run -e FD_API_KEY={CANARY} image",
    "compose": f"environment:\n  - FD_API_KEY={CANARY}\n",
    "compose mapping": f"environment:\n  FD_API_KEY: {CANARY}\n",
    "kubernetes": f"- name: FD_API_KEY\n  value: {CANARY}\n",
    "kubernetes json": f'{{"name": "FD_API_KEY", "value": "{CANARY}"}}',
    "unit file": f'Environment="FD_API_KEY={CANARY}"\n',
    "aws": f"aws_secret_access_key = {CANARY}\naws_access_key_id = {CANARY}\n",
    "one word": f"MYTOKEN={CANARY} apikey={CANARY}",
    "with dots": f"spring.datasource.password={CANARY}",
    "colon in a log": f"INFO 2025-12-03 10:00:00 x: using token: {CANARY}, next",
    "arrow": f"secret => {CANARY}",
    "netrc": f"machine hub.example.org login me password {CANARY}",
    "bearer": f"Authorization: Bearer {CANARY}",
    "bearer in curl": f"curl -H 'Authorization: Bearer {CANARY}' http://127.0.0.1:8180/v1/models",
    "bearer in json": f'{{"Authorization": "Bearer {CANARY}"}}',
    "bearer alone": f"sent Bearer {CANARY} to the server",
    "bearer as bytes": f"(b'authorization', b'Bearer {CANARY}'), (b'host', b'x')",
    "basic": f"authorization: Basic {IN_BASE64}",
    "proxy authorization": f"Proxy-Authorization: Basic {IN_BASE64}",
    "cookie": f"Cookie: session={CANARY}; theme=dark",
    "set-cookie": f"Set-Cookie: sid={CANARY}; Path=/",
    "x-api-key": f"x-api-key: {CANARY}",
    "header flag": f"--header X-Api-Key={CANARY}",
    "url": f"http_proxy=http://me:{CANARY}@proxy.example.org:3128",
    "url with a token": f"cloning https://{CANARY}@git.example.org/x.git",
    "url with an at sign": f"redis://:p@{CANARY}@10.0.0.1:6379/0",
    "url query": f"GET /v1/models?api_key={CANARY}&x=1",
    "url query token": f"https://example.org/a?x=1&access_token={CANARY}",
    "signed url": f"https://b.example.org/m?X-Amz-Signature={CANARY}&sig={CANARY}",
    "sk": "the key sk-abcDEF0123456789Kanarienvogel is used",
    "hf": "hf_abcDEF0123456789Kanarienvogel",
    "github": "ghp_abcDEF0123456789Kanarienvogel and github_pat_11ABCDEF0Kanarienvogel",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJrIjoiS2FuYXJpZW52b2dlbCJ9.Kanarienvogel",
    "aws id": "AKIAKANARIENVOGEL7F3",
    "baidu": "bce-v3/ALTAK-Kanarienvogel/7f3a9c21",
    "private key": PEM,
    "private key in json": json.dumps({"pem": PEM}),
    "private key cut at its end": PEM[:90],
    "private key cut at its beginning": PEM[45:],
    "colour in the middle": f"--api-key \x1b[31m{CANARY}\x1b[0m",
    "prompt": f'{{"messages": [{{"role": "user", "content": "{CANARY} [ {{ \\" "}}], "model": "m"}}',
    "prompt cut short": f'request: {{"messages": [{{"role": "user", "content": "{CANARY}',
    "prompt as repr": f"Received request: prompt: '{CANARY} it\\'s', params: SamplingParams(n=1)",
    "prompt without quotes": f"prompt: please {CANARY}\nand {CANARY}\nINFO     2025-12-03 10:00:00,1 1 x.py[line:1]",
    "prompt in escaped json": json.dumps({"body": json.dumps({"prompt": CANARY})}),
    "answer": f'{{"choices": [{{"message": {{"content": "{CANARY}", "reasoning_content": "{CANARY}"}}}}]}}',
}


@pytest.mark.parametrize(("shape", "text"), SHAPES.items(), ids=list(SHAPES))
def test_a_secret_is_found_in_every_shape(shape: str, text: str) -> None:
    shown = Redactor().log(f"before\n{text}\nafter")
    for part in ("Kanarienvogel", "KANARIENVOGEL", CANARY, IN_BASE64, PEM_BODY[:40], PEM_BODY[64:100], "eyJrIjoi"):
        assert part not in shown, shape
    assert shown.startswith("before\n"), shape


def test_the_corpus_is_large() -> None:
    assert len(SHAPES) >= 60


KNOWN = 'p"w\\ä/ß+x&7'


def test_a_value_without_a_secret_keeps_its_shape_however_deep_it_is() -> None:
    deep: object = KNOWN
    for _ in range(5000):
        deep = [deep]
    shown = Hidden(KNOWN).value({"deep": deep, f"a {KNOWN}": (1, None, f"{KNOWN}!")})
    assert isinstance(shown, dict)
    assert shown["a ***"] == [1, None, "***!"]
    assert Hidden("").value([KNOWN]) == [KNOWN]


@pytest.mark.parametrize(
    "text",
    [
        KNOWN,
        json.dumps({"x": KNOWN}),
        json.dumps(json.dumps({"x": KNOWN})),
        quote(KNOWN, safe=""),
        quote(KNOWN),
        json.dumps(KNOWN).replace("/", "\\/"),
        base64.urlsafe_b64encode(KNOWN.encode()).decode(),
        *(base64.b64encode(before + KNOWN.encode() + b":rest").decode() for before in (b"", b"a", b"ab")),
        base64.b64encode(KNOWN.encode()).decode(),
        f"in the midst{KNOWN}of words",
        json.dumps({"x": KNOWN}, ensure_ascii=False),
    ],
)
def test_a_known_secret_is_found_without_any_name_beside_it(text: str) -> None:
    shown = Redactor([KNOWN]).text(text)
    assert REDACTED in shown
    for part in ("ß+x", "00df", "%C3%9F", base64.b64encode(KNOWN.encode()).decode()[:8]):
        assert part not in shown


@pytest.mark.parametrize(
    "text",
    [
        "--max-num-batched-tokens 16384 --tokenizer /srv/m --max-tokens 512",
        "eos_token='</s>', pad_token_id=0, image_tokens: 64, total_tokens=128",
        "Avg prompt throughput: 149.2 tokens/s, Running: 0 reqs",
        '{"api_key": null, "api_key_file": "/etc/ernie/key", "num_key_value_heads": 4}',
        "api_key=None, trust_remote_code=True",
        "KeyError: 'ernie-45-vl-thinking' not found in reasoning_parsers",
        "ResourceExhaustedError: Out of memory error on GPU 0. Cannot allocate 3.5GB",
        "http://127.0.0.1:8180/v1/chat/completions",
        "PWD=/home/ops/work",
        "first token after 0.3 s",
        "author: somebody",
        "tokens per request: 3.00x",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "Loading Weights:  50%|#####     | 50/100",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor().log(text) == text


def test_pictures_are_replaced_by_their_size() -> None:
    data = base64.b64encode(b"x" * 3000).decode()
    shown = Redactor().text(f"image data:image/png;base64,{data} and {data}")
    assert shown == "image <data URL, 3000 bytes> and <base64, 3000 bytes>"


def test_what_users_asked_is_replaced_by_its_length_and_the_rest_stays() -> None:
    line = 'INFO     2025-12-03 10:00:00,1 1 x.py[line:1] request: {"messages": ["ab"], "max_tokens": 5}\n'
    assert Redactor().log(line) == line.replace('["ab"]', "<private, 6 characters>")
    assert Redactor().text(line) == line


def test_a_traceback_after_a_request_that_was_cut_short_is_kept_with_its_entry() -> None:
    text = 'INFO 2025-12-03 10:00:00 {"messages": [{"content": "abc\nERROR 2025-12-03 10:00:01 it broke\n'
    assert Redactor().log(text).endswith("\nERROR 2025-12-03 10:00:01 it broke\n")


def test_values_keep_their_shape() -> None:
    value = {
        "env": {"FD_API_KEY": CANARY, "FD_LOG_DIR": "/var/log"},
        "argv": ["python", "--api-key", CANARY, f"--hf-token={CANARY}", "--port", 8180],
        "api_key": [CANARY],
        "api_key_file": "/etc/key",
        "max_tokens": 16,
        "none": None,
        "url": f"http://u:{CANARY}@h/",
        CANARY: 1,
    }
    shown = json.loads(json.dumps(Redactor([CANARY]).value(value)))
    assert shown == {
        "env": {"FD_API_KEY": REDACTED, "FD_LOG_DIR": "/var/log"},
        "argv": ["python", "--api-key", REDACTED, f"--hf-token={REDACTED}", "--port", 8180],
        "api_key": REDACTED,
        "api_key_file": "/etc/key",
        "max_tokens": 16,
        "none": None,
        "url": f"http://{REDACTED}@h/",
        REDACTED: 1,
    }


@pytest.mark.parametrize(
    "name",
    ["FD_API_KEY", "HF_TOKEN", "apiKey", "password", "DB_PASSWORD", "client_secret", "aws_access_key_id", "sshKey",
     "VLLM_API_KEY", "OPENAI_KEY", "AUTH", "X-Api-Key", "MYTOKEN", "dbpassword", "api_keys", "PGPASSWORD"],
)  # fmt: skip
def test_names_that_sound_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "tokenizer", "PWD", "api_key_file", "eos_token", "author", "KeyError", "num_key_value_heads",
     "total_tokens", "secret_env", "keyboard", "path", "token_type", "monkey", "authority"],
)  # fmt: skip
def test_names_that_only_look_like_it(name: str) -> None:
    assert not is_secret_name(name)


def test_known_secrets_come_from_keys_and_from_variables_that_sound_secret() -> None:
    environ = {
        "FD_API_KEY": "one-key,two-key",
        "HOME": "/root",
        "HF_TOKEN": "",
        "SOME_TOKEN": "none",
        "PIN_KEY": "1234",
    }
    assert known_secrets(environ, ["three-key"]) == {"one-key,two-key", "one-key", "two-key", "three-key"}


def test_names_of_users_can_be_hidden() -> None:
    text = "/home/alice/models and /Users/bob: but not /srv/home"
    assert Redactor().text(text) == text
    assert Redactor(hides_users=True).text(text) == "/home/<user>/models and /Users/<user>: but not /srv/home"


def test_no_trick_of_the_terminal_is_left() -> None:
    assert plain("a\x1b[31mb\x1b]0;title\x07c\x07\u202ed\u2066e\u200bf\tg\r\nh\ri\x9b") == "abcdef\tg\nh\ni"


@pytest.mark.parametrize(
    "text",
    ["y" * 100_000, "key " * 5_000, "[(" * 20_000, '{"messages": [' * 5_000, "prompt: x\n" * 5_000, "https://" * 10_000,
     "'" * 50_000, '\\"' * 50_000, "eyJ" * 30_000, "-----BEGIN PRIVATE KEY-----\n" * 2_000, "api_key:\n" * 2_000],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_no_text_takes_for_ever(text: str) -> None:
    # What is wrong here takes minutes; a busy machine is not to be told apart from a slow one by less.
    assert len(Redactor(["sk-secret"]).log(text)) <= 20 * len(text)
