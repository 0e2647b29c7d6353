"""Do addresses mean what they say: none that does not exist, none by the wrong method, none that leads elsewhere."""

from urllib.parse import urljoin, urlsplit

from ernie_deploy.client import RawAnswer, server_message
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed
from ernie_deploy.smoke.probes.text import ADDITION
from ernie_deploy.smoke.target import CHAT, Target

PROXY = "give the engine's own URL, or look at the configuration of the proxy"


def judge_unknown(target: Target) -> Judgement:
    name = f"/v1/no-such-route-{target.rng.randrange(1000, 10000)}"
    return judge_missing({"GET": target.get(name), "POST": target.post(name, {})})


def judge_missing(answers: dict[str, RawAnswer]) -> Judgement:
    for method, answer in answers.items():
        if answer.status not in (404, 405):
            said = server_message(answer)
            return failed(f"{method} of an address that does not exist: HTTP {answer.status}: {said}", hint=PROXY)
    return passed("an address that does not exist is a 404")


def judge_method(target: Target) -> Judgement:
    answer = target.get(CHAT)
    if answer.status in (403, 404, 405):
        return passed(f"GET {CHAT} says {answer.status}")
    return failed(f"GET {CHAT} says {answer.status} instead of 405: {server_message(answer)}", hint=PROXY)


def judge_pages(target: Target) -> Judgement:
    asked = {
        "GET /v1/models": target.get("/v1/models"),
        f"POST {CHAT}": target.post_chat(target.request(ADDITION.prompt)),
    }
    return next(
        (failed(f"{name}: {why}", hint=PROXY) for name, answer in asked.items() if (why := why_a_page(answer))),
        passed("lists and answers come as JSON"),
    )


def why_a_page(answer: RawAnswer) -> str | None:
    """The reason why this does not come from an engine; an engine may refuse in plain text."""
    said = server_message(answer)
    if "an HTML page" in said:
        return f"HTTP {answer.status}: {said}"
    if answer.status == 200 and not isinstance(answer.json(), dict):
        return f"HTTP 200 with something that is no JSON object: {said}"
    return None


def judge_redirect(target: Target) -> Judgement:
    """The trailing slash is what web frameworks like to redirect; to the same host that is harmless."""
    asked = ("/v1/models", "/v1/models/")
    for path in asked:
        if why := why_elsewhere(target.get(path)):
            return failed(f"GET {path}: {why}", hint=PROXY)
    if why := why_elsewhere(target.post(CHAT, {})):
        return failed(f"POST {CHAT}: {why}", hint=PROXY)
    return passed(f"none of {len(asked) + 1} requests was sent to another host")


def why_elsewhere(answer: RawAnswer) -> str | None:
    place = answer.headers.get("location", "")
    if not 300 <= answer.status < 400 or answer.status == 304:
        return None
    try:
        here, there = urlsplit(answer.url), urlsplit(urljoin(answer.url, place))
    except ValueError as error:
        return f"HTTP {answer.status} sends clients to what is no address: {place[:200]!r}: {error}"
    if (here.scheme, here.netloc) == (there.scheme, there.netloc):
        return None
    return f"HTTP {answer.status} sends clients, and their keys, to {there.scheme}://{there.netloc}"


UNKNOWN = Probe("unknown-route", "an address that does not exist is a 404", "fast", judge_unknown)
METHOD = Probe("get-on-post-route", "a GET where a POST belongs is refused", "fast", judge_method)
PAGES = Probe("html", "it is JSON that comes, not a page of something in between", "full", judge_pages, needs=("chat",))
REDIRECT = Probe("redirect", "nothing sends clients and their keys to another host", "fast", judge_redirect)
