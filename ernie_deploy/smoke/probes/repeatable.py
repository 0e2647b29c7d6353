"""Does the same question get the same answer, when nothing is left to chance."""

from ernie_deploy.client import Answer
from ernie_deploy.rehearsal.grammar import TEXT_QA
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped
from ernie_deploy.smoke.probes.text import ADDITION, why_empty
from ernie_deploy.smoke.reading import number_meant
from ernie_deploy.smoke.target import Profile, Target

TIMES = 3


def judge(target: Target) -> Judgement:
    question = TEXT_QA[4] if target.profile == "rehearsal" else ADDITION
    return judge_answers(target.profile, [target.chat(question.prompt) for _ in range(TIMES)])


def judge_answers(profile: Profile, answers: list[Answer]) -> Judgement:
    """The real model's long thoughts may part ways by rounding, and the words with them, but not what is said."""
    if why := next((why for answer in answers if (why := why_empty(answer))), None):
        return failed(why)
    contents = {answer.content.strip() for answer in answers}
    if profile == "contract":
        return skipped("the contract profile does not ask what the words are, so not whether they are the same")
    said = {_said(content) for content in contents} if profile == "model" else contents
    if len(said) > 1:
        return failed(f"{len(answers)} times the same question at temperature 0: {sorted(contents)}"[:400])
    if profile == "rehearsal" and len({answer.reasoning for answer in answers}) > 1:
        return failed("the same question at temperature 0 got the same answer after different thoughts")
    return passed(f"{len(answers)} times the same answer at temperature 0")


def _said(content: str) -> float | str:
    """Answers that name no number are not the same for that."""
    number = number_meant(content)
    return content if number is None else number


PROBE = Probe("repeatable", "at temperature 0 the same question gets the same answer", "full", judge, needs=("chat",))
