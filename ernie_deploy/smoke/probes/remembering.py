"""Is everything read that was said: the system line, an earlier turn, one sentence in a long text."""

from collections.abc import Mapping, Sequence

from ernie_deploy.client import Answer
from ernie_deploy.rehearsal.grammar import FALLBACK_WORDS, ZOOM_TOOL
from ernie_deploy.rehearsal.talk import (
    REMEMBERED,
    SECRET_QUESTION,
    WORDS,
    secret_reply,
    secret_sentence,
    secret_told,
    word_named,
)
from ernie_deploy.smoke.base import Judgement, Probe, failed, passed, skipped
from ernie_deploy.smoke.probes.text import why_empty
from ernie_deploy.smoke.target import Profile, Target

Messages = Sequence[Mapping[str, object]]

FILLER_WORDS: Mapping[Profile, int] = {"contract": 300, "rehearsal": 300, "model": 8000}
"""What the rehearsal model practised; a real one has to find it in a long report."""

LEAVE = " Tell it to everybody who asks."
"""A real model may keep a secret unless it is told not to."""

DEPTHS: Mapping[str, float] = {"start": 0.02, "middle": 0.5, "end": 0.95}
FEW_TOKENS = 16
NOT_COUNTED = "the answers carry no token counts, and the contract profile does not judge the words"


def judge_system(target: Target) -> Judgement:
    if not target.judges_words:
        return _costs_tokens(target, "a system line", _with_system(" ".join(FALLBACK_WORDS[:40])), _with_system("the"))
    leave = LEAVE if target.profile == "model" else ""
    for word in target.rng.sample(WORDS, 2):
        answer = target.ask(target.conversation(_with_system(secret_sentence(word) + leave)))
        if why := why_wrong(target.profile, word, answer):
            return failed(f"the system line says the secret word is {word}: {why}")
    return passed("two words that stood only in the system line were told")


def why_lost_beside_tools(target: Target) -> str | None:
    """The reason why a system line is not read when there are tools: templates have two ways to begin.

    The rehearsal model practised no secrets beside tools, so that only the real one is asked for the word.
    """
    if target.profile != "model":
        longer, shorter = (_prompt_tokens(target, text) for text in (" ".join(FALLBACK_WORDS[:40]), "the"))
        found = judge_cost("a system line beside tools", longer, shorter)
        return found.message if found.verdict == "fail" else None
    word = target.rng.choice(WORDS)
    asked = target.conversation(_with_system(secret_sentence(word) + LEAVE), tools=[ZOOM_TOOL])
    why = why_wrong(target.profile, word, target.ask(asked))
    return f"beside a tool the system line says the secret word is {word}: {why}" if why else None


def judge_turns(target: Target) -> Judgement:
    word = target.rng.choice(WORDS)
    told = target.chat(secret_told(word))
    if why := why_empty(told):
        return failed(f"the first turn: {why}", hint="raise max_tokens or look at the parsers")
    if target.profile == "rehearsal" and told.content != REMEMBERED.answer:
        return failed(f"the first turn: expected {REMEMBERED.answer!r}, got {told.content[:200]!r}")
    earlier = [_user(secret_told(word)), {"role": "assistant", "content": told.content}]
    last = [_user(SECRET_QUESTION)]
    if not target.judges_words:
        return _costs_tokens(target, "an earlier turn", [*earlier, *last], last)
    why = why_wrong(target.profile, word, target.ask(target.conversation([*earlier, *last])))
    if why:
        return failed(f"two turns ago the user said the secret word is {word}: {why}")
    return passed(f"the word {word} of two turns ago was told")


def judge_needle(target: Target) -> Judgement:
    count = filler_words(target.profile, target.max_model_len, target.budget)
    if count < 50:
        return skipped(f"max_model_len {target.max_model_len} leaves no room for a text to search in")
    words = target.rng.sample(WORDS, len(DEPTHS))
    filler = [target.rng.choice(FALLBACK_WORDS) for _ in range(count)]
    for (depth, share), word in zip(DEPTHS.items(), words, strict=True):
        at = int(count * share)
        text = " ".join([*filler[:at], secret_sentence(word), *filler[at:], SECRET_QUESTION])
        answer = target.chat(text)
        if why := why_cut(count, answer.usage.prompt_tokens):
            return failed(f"needle at the {depth}: {why}")
        if not target.judges_words:
            if answer.usage.prompt_tokens is None:
                return skipped(NOT_COUNTED)
        elif why := why_wrong(target.profile, word, answer):
            return failed(f"needle at the {depth} of {count} words, {word}: {why}")
    if not target.judges_words:
        return passed(f"a text of {count} words was taken whole; its words are not judged")
    return passed(f"a sentence at the {', '.join(DEPTHS)} of {count} words was found each time")


def filler_words(profile: Profile, max_model_len: int | None, budget: int) -> int:
    """As many as the profile wants and the context holds, at two tokens a word and with room for the answer."""
    if max_model_len is None:
        return min(FILLER_WORDS[profile], 2000)
    room = max_model_len - budget - 100
    return max(0, min(FILLER_WORDS[profile], room // 2))


def why_wrong(profile: Profile, word: str, answer: Answer) -> str | None:
    """The reason why an answer does not tell the secret word; not for `contract`."""
    if why := why_empty(answer):
        return why
    expected = secret_reply(word).answer
    if profile == "rehearsal":
        return None if answer.content == expected else f"expected {expected!r}, got {answer.content[:200]!r}"
    return None if word_named(answer.content) == word else f"the answer does not name it: {answer.content[:200]!r}"


def why_cut(words: int, prompt_tokens: int | None) -> str | None:
    """A token holds no more than a word, so fewer tokens than words mean that some were dropped."""
    if prompt_tokens is None or prompt_tokens >= words:
        return None
    return f"the prompt was cut: {words} words were sent, and usage counts {prompt_tokens} tokens"


def _prompt_tokens(target: Target, system: str) -> int | None:
    """Of a question with this system line and a tool; what is answered to it is no matter."""
    asked = target.conversation(_with_system(system), tools=[ZOOM_TOOL], max_tokens=FEW_TOKENS)
    return target.ask(asked).usage.prompt_tokens


def _costs_tokens(target: Target, subject: str, longer: Messages, shorter: Messages) -> Judgement:
    """Without judging words: what is read costs tokens."""
    answers = [target.ask(target.conversation(messages)) for messages in (longer, shorter)]
    if why := why_empty(answers[0]):
        return failed(why, hint="raise max_tokens or look at the parsers")
    return judge_cost(subject, answers[0].usage.prompt_tokens, answers[1].usage.prompt_tokens)


def judge_cost(subject: str, longer: int | None, shorter: int | None) -> Judgement:
    if longer is None or shorter is None:
        return skipped(NOT_COUNTED)
    if longer <= shorter:
        return failed(f"{subject} cost nothing: {longer} prompt tokens with more of it, {shorter} with less")
    return passed(f"{subject} costs {longer - shorter} more prompt tokens, so it is read; the words are not judged")


def _with_system(text: str) -> Messages:
    return [{"role": "system", "content": text}, _user(SECRET_QUESTION)]


def _user(text: str) -> Mapping[str, object]:
    return {"role": "user", "content": text}


SYSTEM = Probe("system-prompt", "what stands in the system line is known", "fast", judge_system, needs=("chat",))
TURNS = Probe("multi-turn", "an earlier turn is remembered", "fast", judge_turns, needs=("chat",))
NEEDLE = Probe(
    "needle",
    "a sentence is found wherever it stands in a long text",
    "full",
    judge_needle,
    needs=("chat",),
    timeout_s=300,
)
