"""Does /config-info, where FastDeploy shows its whole configuration, stay closed to strangers."""

from ernie_deploy.client import RawAnswer
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, unsupported
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.target import Target

PATH = "/config-info"
HINT = "give --metrics-port a port of its own behind the firewall, or put a proxy with a list of paths in front"


def judge(target: Target) -> Judgement:
    here = target.client.endpoint.base_url
    elsewhere = target.metrics is not None and target.metrics.endpoint.base_url != here
    answer = target.get(PATH, api_key="")
    return judge_answer(target.engine, target.client.endpoint.api_key, answer, metrics_elsewhere=elsewhere)


def judge_answer(engine: str, key: str, answer: RawAnswer, *, metrics_elsewhere: bool) -> Judgement:
    """The key is looked for, and never told. A metrics port of its own takes /config-info with it."""
    if key and key in answer.text:
        return failed(f"{PATH} tells the API key to whoever asks", hint=HINT)
    body = answer.json()
    if answer.status != 200 or not isinstance(body, dict):
        return passed(f"{PATH} says {answer.status} and shows no configuration")
    if told := secrets(body):
        return failed(f"{PATH} tells {', '.join(told)} to whoever asks", hint=HINT)
    known = why_unsupported(engine, "config-info-is-open")
    if known and not metrics_elsewhere:
        return unsupported(f"{PATH} shows the configuration to whoever asks; no key is in it ({HINT})", known)
    return failed(f"{PATH} shows the configuration to whoever asks", hint=HINT)


def secrets(value: object, name: str = "") -> list[str]:
    """Names of settings that sound secret and have a value."""
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in secrets(item, str(key))]
    words = ("api_key", "secret", "password", "access_key")
    return [name] if value and any(word in name.lower() for word in words) else []


PROBE = Probe("config-info", "/config-info shows strangers nothing", "fast", judge)
