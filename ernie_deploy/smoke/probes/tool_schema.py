"""Are tools that are none refused in words."""

from ernie_deploy.client import RawAnswer
from ernie_deploy.rehearsal.grammar import TEXT_QA
from ernie_deploy.smoke.base import Judgement, Probe
from ernie_deploy.smoke.known_limits import why_unsupported
from ernie_deploy.smoke.refusing import alive, judge_refusals, shown
from ernie_deploy.smoke.target import Target

BAD_TOOLS: dict[str, object] = {
    "tools that are no list": "zoom",
    "a tool without a name": [{"type": "function", "function": {"description": "a tool"}}],
    "parameters that are no schema": [{"type": "function", "function": {"name": "zoom", "parameters": "no schema"}}],
}


def judge(target: Target) -> Judgement:
    prompt = TEXT_QA[3].prompt
    answers = {name: target.post_chat(target.request(prompt, tools=tools)) for name, tools in BAD_TOOLS.items()}
    return alive(target, judged(target.engine, answers))


def judged(engine: str, answers: dict[str, RawAnswer]) -> Judgement:
    known = why_unsupported(engine, "tools-unchecked")
    accepted = [name for name, answer in answers.items() if answer.status == 200]
    if not (known and accepted):
        return judge_refusals(engine, "malformed-is-a-500", answers)
    found = Judgement("unsupported", f"accepted: {', '.join(accepted)}", reference=known, evidence=shown(answers))
    refused = {name: answer for name, answer in answers.items() if answer.status != 200}
    others = judge_refusals(engine, "malformed-is-a-500", refused) if refused else found
    return others if others.verdict == "fail" else found


PROBE = Probe("tool-bad-schema", "a tool that is none is refused in words", "full", judge, needs=("chat", "tools"))
