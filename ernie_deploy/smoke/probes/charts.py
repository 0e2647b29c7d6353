"""Is a bar chart read: which bar is the tallest, and what one of them is worth."""

from collections.abc import Mapping

from ernie_deploy.client import Answer
from ernie_deploy.rehearsal.scenes import bar_chart, some_bars
from ernie_deploy.rehearsal.sights import (
    TALLEST_BAR_QUESTIONS,
    bar_value_questions,
    bar_value_reply,
    tallest_bar_reply,
)
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed
from ernie_deploy.smoke.chart_reading import tallest_meant, value_meant
from ernie_deploy.smoke.looking import NUMBER_ONLY, ONE_WORD, about, judge_counted, why_other
from ernie_deploy.smoke.probes.image import PLAIN_COLOURS
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.target import Profile, Target


def judge_tallest(target: Target) -> Judgement:
    values = drawn(target)
    question = TALLEST_BAR_QUESTIONS[0] + (ONE_WORD if target.profile == "model" else "")
    answer = target.chat(about(target, bar_chart(values, target.rng), question))
    if why := why_empty(answer):
        return failed(why)
    if target.profile == "contract":
        return judge_counted(answer.usage.image_tokens, "image")
    why = why_not_tallest(target.profile, values, answer)
    return failed(why) if why else passed(f"{tallest(values)} is the tallest of {listed(values)}")


def judge_value(target: Target) -> Judgement:
    values = drawn(target)
    colour = target.rng.choice(list(values))
    question = bar_value_questions(colour)[0] + (NUMBER_ONLY if target.profile == "model" else "")
    answer = target.chat(about(target, bar_chart(values, target.rng), question))
    if why := why_empty(answer):
        return failed(why)
    if target.profile == "contract":
        return judge_counted(answer.usage.image_tokens, "image")
    why = why_not_value(target.profile, values, colour, answer)
    return failed(why) if why else passed(f"{colour} was read from {listed(values)}")


def drawn(target: Target) -> dict[str, int]:
    """From colour to value; for the real model with colours that have one name only."""
    values = some_bars(target.rng)
    if target.profile != "model":
        return values
    return dict(zip(target.rng.sample(PLAIN_COLOURS, len(values)), values.values(), strict=True))


def tallest(values: Mapping[str, int]) -> str:
    return max(values, key=lambda colour: values[colour])


def listed(values: Mapping[str, int]) -> str:
    return ", ".join(f"{colour} {value}" for colour, value in values.items())


def why_not_tallest(profile: Profile, values: Mapping[str, int], answer: Answer) -> str | None:
    if profile == "rehearsal":
        return why_other(answer, tallest_bar_reply(values).answer)
    if tallest_meant(answer.content) == tallest(values):
        return None
    return f"the bars are {listed(values)}, the answer {answer.content[:200]!r}"


def why_not_value(profile: Profile, values: Mapping[str, int], colour: str, answer: Answer) -> str | None:
    if profile == "rehearsal":
        return why_other(answer, bar_value_reply(values, colour).answer)
    if value_meant(answer.content, colour) == values[colour]:
        return None
    return f"the {colour} bar of {listed(values)} was asked for, the answer is {answer.content[:200]!r}"


TALLEST = Probe("chart-tallest", "the tallest bar of a chart is found", "fast", judge_tallest, needs=("vision",))
VALUE = Probe("chart-value", "the value of a bar is read from a chart", "full", judge_value, needs=("vision",))
