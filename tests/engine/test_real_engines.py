"""The main job on real engines: what is planned is what runs, it answers right, and nothing of it is left."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from ernie_deploy import process
from ernie_deploy.client import Client, Endpoint, collect, image_part
from ernie_deploy.engines.memory_report import parse
from ernie_deploy.rehearsal import grammar, scenes, sights, talk
from ernie_deploy.serve.places import engine_log, token_prefix
from ernie_deploy.smoke.pictures import colour_field
from tests.engine.conftest import Deployed, run_cli
from tests.support.engines import free_port
from tests.support.users_pytest import WITNESS, pytest_of_a_user

MAX_TOKENS = 256


def test_the_planned_argv_is_the_argv_of_the_running_engine(deployed: Deployed) -> None:
    status = json.loads(deployed.cli("status", "--json").stdout)
    assert [one["state"] for one in status] == ["ready"]
    assert process.argv_of(status[0]["pid"]) == tuple(deployed.planned["launch"]["argv"])


def test_the_kv_tokens_that_vllm_reports_are_those_of_the_ledger(deployed: Deployed) -> None:
    """scripts/bench/fit_accuracy.py does it for further spaces. transformers reports nothing: it has no such cache."""
    with engine_log(deployed.state / "rehearsal").open(encoding="utf-8", errors="replace") as log:
        reported = parse(deployed.engine, log).kv_tokens
    predicted = deployed.planned["memory"]["kv_tokens"] if deployed.engine == "vllm" else None
    assert reported == predicted
    assert (reported is None) == (deployed.engine != "vllm")


def test_every_process_of_the_engine_carries_our_token(deployed: Deployed) -> None:
    directory = deployed.state / "rehearsal"
    marked = {one.pid for one in process.with_token(token_prefix(directory))}
    status = json.loads(deployed.cli("status", "--json").stdout)
    assert status[0]["pid"] in marked
    assert {one.pid for one in process.family(token_prefix(directory))} == marked


ABILITIES = ("chart-tallest", "stem-sum", "grounding-named", "zoom-loop", "tool-result", "image-search")
VIDEO = ("video-order", "video-event")
"""The six abilities that the model is sold on."""


def test_all_smoke_probes_pass_or_say_why_not(deployed: Deployed, tmp_path: Path) -> None:
    """Which ones do not is in docs/reference/parity.md, and scripts/parity.py --check holds it to that."""
    junit = tmp_path / "out.xml"
    done = deployed.cli("smoke", "--name", "rehearsal", "--junit", str(junit), "--json")
    report = json.loads(done.stdout)
    assert report["engine"] == deployed.engine
    assert report["summary"]["fail"] == 0
    assert all(case["reference"] for case in report["cases"] if case["verdict"] == "unsupported")
    passed = {case["id"] for case in report["cases"] if case["verdict"] == "pass"}
    # transformers takes no video from a request.
    wanted = (*ABILITIES, *VIDEO) if deployed.engine == "vllm" else ABILITIES
    assert passed >= {"image", "grounding", "tool-call", "reasoning", "streaming", "concurrency", *wanted}
    assert junit.read_text().count("<testcase") == len(report["cases"])


def test_the_official_client_sees_what_the_probes_see(deployed: Deployed) -> None:
    launch = deployed.planned["launch"]
    service = ("--ernie-endpoint", launch["base_url"], "--ernie-model", launch["served_model"])
    done = pytest_of_a_user(WITNESS, *service, "--ernie-expect", "rehearsal")
    assert (done.returncode, "6 passed, 1 skipped" in done.stdout) == (0, True), done.stdout


def test_ask_prints_reasoning_and_answer_about_a_picture_apart(deployed: Deployed, tmp_path: Path) -> None:
    picture = tmp_path / "ein Bild ü.png"
    picture.write_bytes(colour_field("green", random.Random(5)))
    done = deployed.cli("ask", "--name", "rehearsal", grammar.COLOUR_QUESTIONS[0], "--image", str(picture))
    assert done.stdout == "Reasoning\nThe picture is filled with green.\n\nAnswer\nThe image is green.\n"


def test_hundreds_of_questions_are_answered_exactly_right(deployed: Deployed) -> None:
    """The abilities of the rehearsal model, plain and streamed, on pictures that nobody has seen."""
    rng = random.Random(2026)
    launch = deployed.planned["launch"]
    wrong = []
    asked = 0
    with Client(Endpoint(launch["base_url"], launch["served_model"])) as client:
        for content, expected in questions(rng):
            for stream in (False, True):
                request = {"messages": [{"role": "user", "content": content}], "max_tokens": MAX_TOKENS}
                request |= {"temperature": 0}
                answer = collect(client.stream(request)) if stream else client.chat(request)
                asked += 1
                if (answer.reasoning, answer.content) != expected:
                    wrong.append((stream, expected, answer.reasoning, answer.content))
    assert asked >= 250
    assert wrong == []


def questions(rng: random.Random) -> list[tuple[object, tuple[str, str]]]:
    """Content of a user's message, and the thought and answer that are right."""
    found: list[tuple[object, tuple[str, str]]] = []
    for exchange in grammar.TEXT_QA:
        found.append((exchange.prompt, (exchange.thought, exchange.answer)))
    for colour in grammar.COLOURS:
        for width, height in ((224, 224), (112, 168), (300, 200)):
            picture = scenes.colour_field(colour, rng, width=width, height=height)
            found.append((asking(rng, grammar.COLOUR_QUESTIONS, picture), grammar.colour_reply(colour)))
    for quadrant in grammar.QUADRANTS:
        for colour in rng.sample(grammar.SQUARE_COLOURS, 5):
            picture = scenes.square_in_quadrant(colour, quadrant, rng)
            found.append((asking(rng, grammar.GROUND_QUESTIONS, picture), grammar.ground_reply(colour, quadrant)))
    for _ in range(10):
        found += harder_questions(rng)
    return found


def harder_questions(rng: random.Random) -> list[tuple[object, tuple[str, str]]]:
    """One of each, on pictures with more than one thing in them, and in other languages."""
    first, second, digit = rng.randint(1, 9), rng.randint(1, 9), rng.randrange(10)
    places, bars = scenes.some_squares(rng), scenes.some_bars(rng)
    quadrant, colour = rng.choice(list(places.items()))
    bar = rng.choice(list(bars))
    one, other = rng.choices(list(grammar.COLOURS), k=2)
    found = [
        (asking(rng, sights.DIGIT_QUESTIONS, scenes.digit_picture(digit, one, rng)), sights.digit_reply(digit)),
        (asking(rng, sights.SUM_QUESTIONS, scenes.sum_picture(first, second, rng)), sights.sum_reply(first, second)),
        (asking(rng, sights.TALLEST_BAR_QUESTIONS, scenes.bar_chart(bars, rng)), sights.tallest_bar_reply(bars)),
        (asking(rng, sights.bar_value_questions(bar), scenes.bar_chart(bars, rng)), sights.bar_value_reply(bars, bar)),
        (
            asking(rng, sights.named_square_questions(colour), scenes.squares(places, rng)),
            sights.named_square_reply(colour, quadrant),
        ),
        (
            asking(rng, sights.TWO_PICTURES_QUESTIONS, *(scenes.colour_field(each, rng) for each in (one, other))),
            sights.two_pictures_reply(one, other),
        ),
    ]
    for language in talk.LANGUAGES.values():
        picture = scenes.colour_field(other, rng)
        found.append((asking(rng, (language.colour_question,), picture), language.colour_reply(other)))
    return [(content, (reply.thought, reply.answer)) for content, reply in found]


def asking(rng: random.Random, asked: Sequence[str], *pictures: scenes.Picture) -> list[object]:
    return [*(image_part(picture.png()) for picture in pictures), {"type": "text", "text": rng.choice(asked)}]


def test_a_rehearsal_leaves_no_process_no_port_and_no_file_behind(deployed: Deployed, short_dir: Path) -> None:
    before = left_behind()
    port = free_port()
    done = run_cli(short_dir / "state", "rehearse", "--engine", deployed.engine, "--port", str(port))
    assert "rehearsed: the whole path works here, and nothing of it is left" in done.stderr
    assert list((short_dir / "state").iterdir()) == []
    assert process.with_token(token_prefix(short_dir / "state" / "rehearsal")) == ()
    assert left_behind() == before


def left_behind() -> set[str]:
    """What lies in the temporary directory and in shared memory, except what pytest itself puts there."""
    places = (Path(os.environ.get("TMPDIR", "/tmp")), Path("/dev/shm"))
    return {str(path) for place in places for path in place.iterdir() if not path.name.startswith("pytest")}


def test_after_the_leader_is_killed_down_finds_its_workers(deployed: Deployed, tmp_path: Path) -> None:
    state = tmp_path / "state"
    flags = ("--rehearse", "--engine", deployed.engine, "--port", str(free_port()))
    run_cli(state, "up", *flags)
    leader = json.loads(run_cli(state, "status", "--json").stdout)[0]["pid"]
    os.kill(leader, signal.SIGKILL)
    wait_until_gone(leader)
    assert json.loads(run_cli(state, "status", "--json").stdout)[0]["state"] in ("orphaned", "dead")
    run_cli(state, "down", "--name", "rehearsal")
    assert process.with_token(token_prefix(state / "rehearsal")) == ()


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while process.identify(pid) and time.monotonic() < deadline:
        time.sleep(0.05)


def test_the_written_launch_config_runs_without_us(deployed: Deployed, tmp_path: Path) -> None:
    state, config, port = tmp_path / "state", tmp_path / "config hier", free_port()
    flags = ("--preset", f"rehearsal-{deployed.engine}", "--port", str(port))
    run_cli(state, "config", "--out", str(config), *flags)
    with (tmp_path / "log").open("wb") as log:
        engine = subprocess.Popen([str(config / "start.sh")], stdout=log, stderr=log, start_new_session=True)
    try:
        with Client(Endpoint(f"http://127.0.0.1:{port}", "ernie-rehearsal")) as client:
            deadline = time.monotonic() + 300
            while client.health() != 200 and time.monotonic() < deadline and engine.poll() is None:
                time.sleep(0.2)
            request = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 64, "temperature": 0}
            assert client.chat(request).content == "Hello! I am the rehearsal model."
    finally:
        os.killpg(engine.pid, signal.SIGTERM)
        try:
            engine.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(engine.pid, signal.SIGKILL)
            engine.wait(30)
