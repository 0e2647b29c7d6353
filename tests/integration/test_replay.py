"""A recorded run is judged again offline, with the same verdicts: of a healthy service and of one with a fault."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ernie_deploy import __version__
from ernie_deploy.client import Client, Endpoint
from ernie_deploy.client.http import http_wire
from ernie_deploy.client.recorded import KEY_OF_A_REPLAY, Told
from ernie_deploy.client.recording import Recorder
from ernie_deploy.client.replay import open_recording
from ernie_deploy.client.wire import Wire
from ernie_deploy.report import Case, Report, as_ctrf, as_html, as_json, as_junit, as_markdown
from ernie_deploy.report.document import Document
from ernie_deploy.smoke.detect import detect
from ernie_deploy.smoke.registry import PROBES
from ernie_deploy.smoke.run import run, select
from ernie_deploy.smoke.target import Target
from tests.support.simulator import KEY, PARSERS, simulator

CHOSEN = ("health", "text", "streaming", "image", "tool-call", "error-shape", "cancel")
"""Whole and streamed answers, pictures, refusals, and streams that are given up by several at a time."""

MODEL = "ernie-rehearsal"


def probed(endpoint: Endpoint, wire: Wire, now: Callable[[], float] | None = None) -> tuple[Case, ...]:
    with Client(endpoint, wire=wire, label="look") as client:
        target = Target(client, detect(client), "rehearsal", seed=5, max_num_seqs=2, timeout_s=20)
        target = msgspec.structs.replace(target, now=now or target.now)
        return tuple(case for case in run(PROBES, target, select(PROBES, only=CHOSEN)) if case.id in CHOSEN)


@pytest.fixture(scope="module", params=["", "stream-close"], ids=["healthy", "stream-close"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Case, ...]]:
    """The folder of a recording whose service is gone, and what was found when it was there."""
    directory = tmp_path_factory.mktemp("recorded")
    flags = (*PARSERS, f"--api-key={KEY}", f"--served-model-name={MODEL}", "--max-num-seqs=2")
    dials = {"faults": request.param} if request.param else {}
    with simulator(directory / "sim", *flags, itl_s="0", **dials) as service:
        endpoint = Endpoint(f"http://127.0.0.1:{service.port}", MODEL, KEY)
        told = Told(__version__, endpoint.base_url, MODEL, 5, "rehearsal", "full", has_key=True, only=CHOSEN)
        recorder = Recorder(directory / "record", told, KEY)
        cases = probed(endpoint, recorder.around(http_wire(endpoint)))
    recorder.close()
    recorder.require_complete()
    return directory / "record", cases


def test_a_replay_finds_the_same_again(recorded: tuple[Path, tuple[Case, ...]]) -> None:
    folder, first = recorded
    recording = open_recording(folder)
    again = probed(Endpoint(recording.told.base_url, MODEL, KEY_OF_A_REPLAY), recording.wire, recording.now)
    assert recording.warnings == ()
    assert {case.id for case in first} == set(CHOSEN)
    assert [(case.id, case.verdict, case.message) for case in again] == [
        (case.id, case.verdict, case.message) for case in first
    ]
    assert [case.pictures for case in again] == [case.pictures for case in first]
    assert [[one.total_s for one in case.exchanges] for case in again if case.id != "cancel"] == [
        [pytest.approx(one.total_s, abs=1e-5) for one in case.exchanges] for case in first if case.id != "cancel"
    ]


def test_what_the_recording_lacks_is_neither_failed_nor_refused(
    recorded: tuple[Path, tuple[Case, ...]], tmp_path: Path
) -> None:
    """A probe that was cut off, and two that wait for a refusal: that nothing is recorded is none."""
    folder, _ = recorded
    cut = tmp_path / "cut"
    shutil.copytree(folder, cut)
    lines = (cut / "exchanges.jsonl").read_text().splitlines(keepends=True)
    of_text = [line for line in lines if json.loads(line)["label"] == "text#1"]
    (cut / "exchanges.jsonl").write_text("".join(line for line in lines if line != of_text[-1]))
    recording = open_recording(cut)
    endpoint = Endpoint(recording.told.base_url, MODEL, KEY_OF_A_REPLAY)
    with Client(endpoint, wire=recording.wire, label="look") as client:
        target = Target(client, detect(client), "rehearsal", seed=5, max_num_seqs=2, timeout_s=20, now=recording.now)
        chosen = select(PROBES, only=("text", "streaming", "stream-error", "image-bomb"))
        found = {case.id: case for case in run(PROBES, target, chosen, why_missing=recording.why_missing)}
    assert found["text"].verdict == "skip"
    assert found["text"].message.startswith("the recording has no such request: POST /v1/chat/completions")
    assert {found[name].message for name in ("stream-error", "image-bomb")} == {"it is not in the recording"}
    assert found["streaming"].verdict == next(case.verdict for case in recorded[1] if case.id == "streaming")


def test_no_report_and_no_recording_of_a_run_holds_its_key(recorded: tuple[Path, tuple[Case, ...]]) -> None:
    folder, cases = recorded
    report = Report("smoke", "1", "http://host", "fastdeploy", MODEL, cases, "2026-01-02T03:04:05Z", seed=5)
    written = [writer(report) for writer in (as_json, as_junit, as_ctrf, as_markdown, as_html)]
    assert [KEY in text for text in (*written, *(path.read_text() for path in folder.iterdir()))] == [False] * 7
    assert msgspec.json.decode(written[0].encode(), type=Document).summary.passed
    assert any(json.loads(line)["key"] == "given" for line in (folder / "exchanges.jsonl").read_text().splitlines())
