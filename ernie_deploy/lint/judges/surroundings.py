"""SV001 to SV008: who starts the engine, who watches it, what memory it shares."""

import re

from ernie_deploy.lint.values import Launch, Remark, Remarks

HEALTH = re.compile(r"/(?:health|ping)\b")
LEAST_FAILURES = 3
STOPS_AT_SUCCESS = ("on-failure", "on-abnormal", "on-abort", "OnFailure", "on-watchdog")


def passing_probe(launch: Launch) -> Remarks:
    if launch.engine != "fastdeploy":
        return
    for probe in launch.around.probes:
        word = probe.word
        if probe.follows_http_only and HEALTH.search(word.text):
            message = f"{probe.role} takes every status from 200 to 399 of {word.text} for healthy"
            yield Remark(word.start, word.end, message)
        elif "curl" in word.text and HEALTH.search(word.text) and "http_code" not in word.text:
            yield Remark(word.start, word.end, f"{probe.role} takes every status below 400 for healthy")


def impatient_liveness(launch: Launch) -> Remarks:
    if launch.engine != "fastdeploy":
        return
    for probe in launch.around.probes:
        limit = probe.failure_threshold
        if probe.role == "livenessProbe" and limit and isinstance(limit.value, int) and limit.value < LEAST_FAILURES:
            yield Remark(limit.start, limit.end, f"livenessProbe gives up after {limit.value} failure(s)")


def no_startup_probe(launch: Launch) -> Remarks:
    roles = {probe.role: probe for probe in launch.around.probes}
    live = roles.get("livenessProbe")
    if live is not None and "startupProbe" not in roles:
        yield Remark(live.word.start, live.word.end, "there is a livenessProbe and no startupProbe")


def no_restart(launch: Launch) -> Remarks:
    word = launch.around.restart
    if launch.engine == "fastdeploy" and word is not None and word.text.partition(":")[0] in STOPS_AT_SUCCESS:
        yield Remark(word.start, word.end, f"restart {word.text}")


def kills_one(launch: Launch) -> Remarks:
    word = launch.around.kill_mode
    if word is not None and word.text in ("process", "none"):
        yield Remark(word.start, word.end, f"KillMode={word.text}")


def little_memory(launch: Launch) -> Remarks:
    if launch.around.shares_memory is False:
        where = launch.around.name or launch.head
        yield Remark(where.start, where.end, "nothing enlarges /dev/shm of this container")


def two_for_one_card(launch: Launch) -> Remarks:
    word = launch.around.strategy
    if word is not None and word.text != "Recreate" and not word.is_opaque:
        said = (
            "strategy RollingUpdate" if word.text == "RollingUpdate" else "a Deployment's usual strategy RollingUpdate"
        )
        yield Remark(word.start, word.end, f"{said} with a card of its own for every pod")


def wrapper(launch: Launch) -> Remarks:
    if launch.engine == "fastdeploy" and launch.form == "wrapper":
        yield Remark(launch.head.start, launch.head.end, "fastdeploy serve is a wrapper")
