"""Samples of words: known by heart, remembered, and found again; colours in other languages and without a thought."""

import random
from dataclasses import replace

from conversation import BOTH_TOOLS, SYSTEM_LINES, Sample, asked, asked_about, said
from of_sights import COLOURS, field

from ernie_deploy.rehearsal import grammar, talk


def text(rng: random.Random) -> Sample:
    prompt = rng.choice(grammar.TEXT_QA).prompt
    return Sample("text", [asked(prompt, rng)], grammar.written_reply(grammar.text_reply(prompt)))


def tool_unused(rng: random.Random) -> Sample:
    tools = rng.choice(([grammar.ZOOM_TOOL], BOTH_TOOLS))
    return replace(text(rng), ability="tool_unused", tools=tools)


def no_thinking(rng: random.Random) -> Sample:
    """The prompt closes the thought itself."""
    if rng.random() < 0.5:
        name = rng.choice(COLOURS)
        width = 28 * rng.choice((2, 4, 8))
        message = asked_about(rng.choice(grammar.COLOUR_QUESTIONS), rng, pictures=1)
        target = talk.written_without_thought(grammar.colour_reply(name))
        return Sample("no_thinking", [message], target, (field(name, rng, width, width),), is_thinking=False)
    prompt = rng.choice(grammar.TEXT_QA).prompt
    target = talk.written_without_thought(grammar.text_reply(prompt))
    return Sample("no_thinking", [asked(prompt, rng)], target, is_thinking=False)


def words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(grammar.FALLBACK_WORDS, k=count))


def fallback(rng: random.Random) -> Sample:
    prompt = words(rng, rng.randint(2, 14))
    if rng.random() < 0.5:
        prompt = prompt.capitalize() + rng.choice("?.!")
    return Sample("fallback", [asked(prompt, rng)], grammar.written_reply(grammar.FALLBACK))


def chinese(rng: random.Random) -> Sample:
    return _language("chinese", talk.LANGUAGES["zh"], rng)


def persian(rng: random.Random) -> Sample:
    return _language("persian", talk.LANGUAGES["fa"], rng)


def _language(ability: str, language: talk.Language, rng: random.Random) -> Sample:
    if rng.random() < 0.25:
        known = language.text
        target = grammar.written_reply(grammar.Reply(known.thought, known.answer))
        return Sample(ability, [asked(known.prompt, rng)], target)
    name = rng.choice(COLOURS)
    width = 28 * rng.choice((2, 3, 4, 8))
    message = asked_about(language.colour_question, rng, pictures=1)
    target = grammar.written_reply(language.colour_reply(name))
    return Sample(ability, [message], target, (field(name, rng, width, width),))


def remember(rng: random.Random) -> Sample:
    prompt = talk.secret_told(rng.choice(talk.WORDS))
    return Sample("remember", [asked(prompt, rng)], grammar.written_reply(talk.REMEMBERED))


def secret(rng: random.Random) -> Sample:
    """The word stands in the system line, in an earlier turn, or somewhere in a long text."""
    word = rng.choice(talk.WORDS)
    sentence = talk.secret_sentence(word)
    question = asked(talk.SECRET_QUESTION, rng)
    form = rng.random()
    if form < 0.25:
        messages = [{"role": "system", "content": f"{rng.choice(SYSTEM_LINES)} {sentence}"}, question]
        if rng.random() < 0.5:
            messages[0]["content"] = sentence
    elif form < 0.6:
        messages = [asked(talk.secret_told(word), rng), said(talk.REMEMBERED), question]
        if rng.random() < 0.5:
            known = rng.choice(grammar.TEXT_QA)
            other = [asked(known.prompt, rng), said(grammar.text_reply(known.prompt))]
            messages = [*other, *messages] if rng.random() < 0.5 else [*messages[:2], *other, question]
    else:
        count = rng.choice((10, 20, 40, 80, 120, 200, 400))
        before = rng.randint(0, count)
        pieces = [words(rng, before), sentence, words(rng, count - before), talk.SECRET_QUESTION]
        messages = [asked(" ".join(piece for piece in pieces if piece), rng)]
    return Sample("secret", messages, grammar.written_reply(talk.secret_reply(word)))
