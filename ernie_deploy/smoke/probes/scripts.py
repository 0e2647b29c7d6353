"""Do letters beyond ASCII survive the way in and the way out, whole and cut into the pieces of a stream."""

import re
import unicodedata
from functools import partial

from ernie_deploy.client import Answer
from ernie_deploy.rehearsal.talk import LANGUAGES
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.target import Profile, Target

ECHO = "Repeat this line exactly, and say nothing else: {}"
ECHOED = {"zh": "你好，世界。二十八只鸟", "fa": "سلام دنیا، می‌خواهم بدانم", "emoji": "🙂🚀🇩🇪👩‍👩‍👧‍👦"}
"""The Persian line has a joiner of no width in it, the emoji are two, four and seven code points for one picture."""

BROKEN = re.compile("\ufffd|\\\\u[0-9a-fA-F]{4}")
"""A byte that was no letter, or an escape that nobody took back."""


def judge_language(language: str, target: Target) -> Judgement:
    lesson = LANGUAGES[language]
    prompt = ECHO.format(ECHOED[language]) if target.profile == "model" else lesson.text.prompt
    expected = ECHOED[language] if target.profile == "model" else lesson.text.answer
    plain, streamed = target.chat(prompt), target.stream(prompt)
    for way, answer in (("plain", plain), ("streamed", streamed)):
        if why := why_broken(answer) or why_wrong(target.profile, expected, answer.content):
            return failed(f"{way}: {why}")
    if not target.judges_words:
        return passed(f"a {lesson.name} prompt was answered, plain and streamed; the words are not judged")
    return passed(f"{expected!r} came plain and streamed")


def judge_emoji(target: Target) -> Judgement:
    text = ECHOED["emoji"]
    prompt = ECHO.format(text)
    plain, streamed = target.chat(prompt), target.stream(prompt)
    for way, answer in (("plain", plain), ("streamed", streamed)):
        # The rehearsal model knows none, and what it makes of them is its own.
        why = why_empty(answer) if target.profile == "rehearsal" else why_broken(answer)
        if target.profile == "model":
            why = why or why_wrong("model", text, answer.content)
        if why:
            return failed(f"{way}: {why}")
    return judge_counted(plain.usage.prompt_tokens, target.chat(ECHO.format("")).usage.prompt_tokens)


def judge_counted(with_emoji: int | None, without: int | None) -> Judgement:
    if with_emoji is None or without is None:
        return skipped("emoji broke nothing, but the answers carry no token counts: whether they arrived is not known")
    if with_emoji <= without:
        return failed(f"the emoji were dropped: {with_emoji} prompt tokens with them, {without} without")
    return passed(f"emoji cost {with_emoji - without} prompt tokens and broke nothing")


def why_broken(answer: Answer) -> str | None:
    """The reason why an answer is empty or not whole in its letters."""
    found = BROKEN.search(answer.content) or BROKEN.search(answer.reasoning)
    if found:
        what = (
            "a letter was broken into U+FFFD" if found[0] == "\ufffd" else f"the escape {found[0]} was not taken back"
        )
        return f"{what}: {answer.content[:100]!r}"
    return why_empty(answer)


def why_wrong(profile: Profile, expected: str, content: str) -> str | None:
    if profile == "rehearsal":
        return None if content == expected else f"expected {expected!r}, got {content[:200]!r}"
    if profile == "model":
        is_there = bare(expected) in bare(content)
        return None if is_there else f"expected {expected!r} in the answer, got {content[:200]!r}"
    return None


def bare(text: str) -> str:
    """Without what a model may write or leave out, and nobody sees: the sign that asks for the coloured emoji."""
    return unicodedata.normalize("NFC", text).replace("\ufe0f", "")


CHINESE = Probe(
    "unicode-chinese", "Chinese survives both ways, plain and streamed", "fast", partial(judge_language, "zh"),
    needs=("chat",),
)  # fmt: skip
PERSIAN = Probe(
    "unicode-persian", "Persian survives both ways, plain and streamed", "fast", partial(judge_language, "fa"),
    needs=("chat",),
)  # fmt: skip
EMOJI = Probe("unicode-emoji", "emoji are read and break nothing", "full", judge_emoji, needs=("chat",))
