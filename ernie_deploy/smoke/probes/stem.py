"""Is what a picture asks worked out: a sum, and for the real model an equation with a fraction."""

from ernie_deploy.client import Answer
from ernie_deploy.rehearsal.scenes import sum_picture
from ernie_deploy.rehearsal.sights import SUM_QUESTIONS, sum_reply
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed
from ernie_deploy.smoke.formula import Equation, drawn, some_equation
from ernie_deploy.smoke.looking import NUMBER_ONLY, about, judge_counted, why_other
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.reading import number_meant
from ernie_deploy.smoke.target import Profile, Target

SOLVE = "Solve the equation in the picture for x." + NUMBER_ONLY


def judge(target: Target) -> Judgement:
    first, second = target.rng.randint(1, 9), target.rng.randint(1, 9)
    question = SUM_QUESTIONS[0] + (NUMBER_ONLY if target.profile == "model" else "")
    answer = target.chat(about(target, sum_picture(first, second, target.rng), question))
    if why := why_empty(answer):
        return failed(why)
    if target.profile == "contract":
        return judge_counted(answer.usage.image_tokens, "image")
    if why := why_wrong_sum(target.profile, first, second, answer):
        return failed(why)
    if target.profile == "rehearsal":
        return passed(f"{first} + {second} was read and added")
    equation = some_equation(target.rng)
    answer = target.chat(about(target, drawn(equation), SOLVE))
    why = why_empty(answer) or why_unsolved(equation, answer)
    return failed(why) if why else passed(f"{first} + {second} was added and {equation} was solved")


def why_wrong_sum(profile: Profile, first: int, second: int, answer: Answer) -> str | None:
    if profile == "rehearsal":
        return why_other(answer, sum_reply(first, second).answer)
    if number_meant(answer.content) == first + second:
        return None
    return f"the picture says {first} + {second}, the answer {answer.content[:200]!r}"


def why_unsolved(equation: Equation, answer: Answer) -> str | None:
    if number_meant(answer.content) == equation.solution:
        return None
    return f"the picture says {equation}, so x is {equation.solution}; the answer {answer.content[:200]!r}"


PROBE = Probe("stem-sum", "a sum is read from a picture and worked out", "fast", judge, needs=("vision",))
