"""A recording holds what was said and never the key; a replay says it again, errors and early ends included."""

import base64
import json
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from ernie_deploy import __version__
from ernie_deploy.client import Client, Endpoint
from ernie_deploy.client.recorded import EXCHANGES, KEY_OF_A_REPLAY, RUN, Told
from ernie_deploy.client.recording import Recorder
from ernie_deploy.client.replay import Recording, open_recording
from ernie_deploy.client.wire import Chunk, Reply, Sent
from ernie_deploy.errors import DeployError, EngineError, UsageError, VerifyError
from ernie_deploy.smoke.target import Target

URL = "http://127.0.0.1:9"
KEY = "sk-very/secret"
TOLD = Told(__version__, URL, "any", 7, "rehearsal", "full", has_key=True)


NO_TEXT = b'{"type":"observation","label":"\xff","name":"n","value":1,"began_s":0,"ended_s":0}'


class Saying:
    """A wire that says these pieces, one second apart, or raises."""

    def __init__(self, *pieces: bytes | DeployError, headers: dict[str, str] | None = None) -> None:
        self.pieces = pieces
        self.headers = headers or {}

    @contextmanager
    def open(self, sent: Sent) -> Iterator[Reply]:
        if not self.pieces:
            raise EngineError(f"{URL}{sent.path}: nothing answers", hint="is it running?")
        yield Reply(200, self.headers, URL + sent.path, self._chunks())

    def _chunks(self) -> Iterator[Chunk]:
        for at_s, piece in enumerate(self.pieces):
            if isinstance(piece, DeployError):
                raise piece
            yield Chunk(float(at_s), piece)
        yield Chunk(float(len(self.pieces)), b"")

    def observe(self, _label: str, _name: str, look: Callable[[], object]) -> object:
        return look()

    def close(self) -> None:
        pass


def record(folder: Path, wire: Saying, ask: Callable[[Client], object]) -> object:
    """What was asked, answered and recorded; None when it raised."""
    recorder = Recorder(folder, TOLD, KEY)
    with Client(Endpoint(URL, "any", KEY), wire=recorder.around(wire), label="text#1") as client:
        try:
            return ask(client)
        except DeployError:
            return None
        finally:
            recorder.close()
            recorder.require_complete()


def replayed(folder: Path) -> Client:
    return Client(Endpoint(URL, "any", KEY_OF_A_REPLAY), wire=open_recording(folder).wire, label="text#1")


def lines(folder: Path) -> list[str]:
    return (folder / EXCHANGES).read_text().splitlines()


# What is in it --------------------------------------------------------------------------------------------------------


def test_an_answer_comes_out_as_it_went_in_with_its_times(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "record"
    first = record(folder, Saying(b'{"a"', b": \xff", "سلام}".encode()), lambda client: client.post("/x", {"q": 1}))
    assert replayed(folder).post("/x", {"q": 1}) == first
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {RUN: 0o600, EXCHANGES: 0o600}
    assert "سلام" in lines(folder)[0]


def test_an_answer_that_comes_when_the_recording_is_closed_goes_into_no_other_file(tmp_path: Path) -> None:
    """After Ctrl-C, threads are still asking while the reports are written."""
    recorder = Recorder(tmp_path / "record", TOLD)
    client = Client(Endpoint(URL, "any"), wire=recorder.around(Saying(b"{}")))
    recorder.close()
    with (tmp_path / "report.html").open("w") as report:
        client.get("/late")
        report.write("whole")
    assert (tmp_path / "report.html").read_text() == "whole"
    assert (tmp_path / "record" / EXCHANGES).read_text() == ""


def test_a_folder_that_is_refused_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "somebodys.txt").touch()
    with pytest.raises(UsageError, match="is not empty"):
        Recorder(tmp_path, TOLD)
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("cut", [(KEY,), (KEY[:5], KEY[5:]), ("x" + KEY[:-1], KEY[-1] + "y")])
def test_the_key_is_nowhere_even_when_the_server_sends_it_back_in_pieces(tmp_path: Path, cut: tuple[str, ...]) -> None:
    folder = tmp_path / "record"
    headers = {"set-cookie": "session=1", "x-echo": f"Bearer {KEY}", "authorization": KEY, "server": "any"}
    wire = Saying(*(piece.encode() for piece in cut), headers=headers)
    record(folder, wire, lambda client: client.post(f"/x?key={KEY}", {"key": KEY}))
    held = "".join(path.read_text() for path in folder.iterdir())
    for spelling in (KEY, KEY.replace("/", "%2F"), base64.b64encode(KEY.encode()).decode(), "session=1"):
        assert spelling not in held
    entry = json.loads(lines(folder)[0])
    assert (entry["key"], entry["headers"]) == ("given", {"x-echo": "Bearer ***", "server": "any"})
    assert "".join(text for _at_s, text in entry["chunks"]) == "".join(cut).replace(KEY, "***")


def test_nothing_of_the_environment_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SECRET", "hidden-in-the-environment")
    record(tmp_path / "record", Saying(b"{}"), lambda client: client.get("/health"))
    held = "".join(path.read_text() for path in (tmp_path / "record").iterdir())
    assert "hidden-in-the-environment" not in held
    assert str(tmp_path) not in held


def test_a_folder_that_has_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(UsageError, match="is not empty"):
        Recorder(tmp_path, TOLD)
    with pytest.raises(UsageError, match="cannot be written"):
        Recorder(tmp_path / "mine", TOLD)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_full_disk_is_told_afterwards_and_does_not_change_what_is_answered(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "record", TOLD)
    with Client(Endpoint(URL), wire=recorder.around(Saying(b"x" * 400))) as client:
        client.get("/first")
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "record" / EXCHANGES).stat().st_size + 100, hard))
        try:
            assert client.get("/second").body == b"x" * 400
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert client.get("/third").body == b"x" * 400
    recorder.close()
    with pytest.raises(UsageError, match=r"record: the recording is not complete: File too large"):
        recorder.require_complete()
    assert [json.loads(line)["path"] for line in lines(tmp_path / "record")] == ["/first"]


def test_a_run_that_is_killed_loses_only_what_had_not_ended(tmp_path: Path) -> None:
    folder = tmp_path / "record"
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            wire = Recorder(folder, TOLD).around(Saying(b"whole"))
            while True:
                Client(Endpoint(URL), wire=wire).get("/x")
                os.write(writing, b".")
        finally:
            os._exit(1)
    os.close(writing)
    asked = sum(len(os.read(reading, 1)) for _ in range(3))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    asked += len(os.read(reading, 1 << 20))
    os.close(reading)
    recording = open_recording(folder)
    with Client(Endpoint(URL), wire=recording.wire) as client:
        assert [client.get("/x").body for _ in range(asked)] == [b"whole"] * asked


# Replaying ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (Saying(), "nothing answers"),
        (Saying(b"data: ", EngineError("the connection broke", hint="look")), "the connection broke"),
        (Saying(b"x", VerifyError("the answer is larger than 32 MiB")), "larger than 32 MiB"),
    ],
)
def test_an_error_is_raised_again_where_it_was(tmp_path: Path, wire: Saying, message: str) -> None:
    record(tmp_path / "record", wire, lambda client: client.get("/health"))
    with pytest.raises((EngineError, VerifyError), match=message) as caught:
        replayed(tmp_path / "record").get("/health")
    raised = [piece for piece in wire.pieces if isinstance(piece, DeployError)]
    expected = raised[0] if raised else EngineError("", hint="is it running?")
    assert (type(caught.value), caught.value.hint) == (type(expected), expected.hint)


def test_what_the_asker_makes_of_an_answer_is_no_error_of_the_wire(tmp_path: Path) -> None:
    record(tmp_path / "record", Saying(b"no JSON"), lambda client: client.chat({"messages": []}))
    entry = json.loads(lines(tmp_path / "record")[0])
    assert "failure" not in entry
    with pytest.raises(VerifyError, match="the answer is not JSON: 'no JSON'"):
        replayed(tmp_path / "record").chat({"messages": []})


def test_a_stream_that_was_left_early_is_there_up_to_that_place(tmp_path: Path) -> None:
    event = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'

    def first(client: Client) -> object:
        events = client.stream({"messages": []})
        found = next(events)
        events.close()
        return found

    recorded = record(tmp_path / "record", Saying(event, event, event), first)
    assert first(replayed(tmp_path / "record")) == recorded
    with pytest.raises(VerifyError, match="no more of this answer"):
        list(replayed(tmp_path / "record").stream({"messages": []}))


def test_a_request_that_was_not_recorded_is_told_as_that(tmp_path: Path) -> None:
    record(tmp_path / "record", Saying(b"{}"), lambda client: client.post("/x", {"q": 1}))
    with pytest.raises(VerifyError, match="no such request: POST /x of text#1") as caught:
        replayed(tmp_path / "record").post("/x", {"q": 2})
    assert "version of ernie-deploy" in caught.value.hint
    with pytest.raises(VerifyError, match="no such request"):
        replayed(tmp_path / "record").post("/x", {"q": 1}, api_key="")
    client = replayed(tmp_path / "record")
    client.post("/x", {"q": 1})
    with pytest.raises(VerifyError, match="no such request"):
        client.post("/x", {"q": 1})


def test_the_same_request_asked_again_is_answered_in_the_order_of_asking(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "record", TOLD)
    gates = [threading.Event() for _ in range(3)]
    begun = [threading.Event() for _ in range(3)]
    numbers = iter(range(3))

    class Late(Saying):
        @contextmanager
        def open(self, sent: Sent) -> Iterator[Reply]:
            number = next(numbers)
            begun[number].set()
            gates[number].wait(5)
            yield Reply(200, {}, URL + sent.path, iter((Chunk(0.0, str(number).encode()), Chunk(0.0, b""))))

    client = Client(Endpoint(URL), wire=recorder.around(Late()))
    threads = [threading.Thread(target=client.get, args=("/x",)) for _ in range(3)]
    for number, thread in enumerate(threads):
        thread.start()
        begun[number].wait(5)
    for number in (2, 0, 1):
        gates[number].set()
        threads[number].join(5)
    recorder.close()
    assert [json.loads(line)["chunks"][0][1] for line in lines(tmp_path / "record")] == ["2", "0", "1"]
    again = Client(Endpoint(URL), wire=open_recording(tmp_path / "record").wire)
    assert [again.get("/x").text for _ in range(3)] == ["0", "1", "2"]


def test_a_fact_is_looked_at_once_and_a_pause_costs_a_replay_nothing(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "record", TOLD)

    def look(client: Client, port: int) -> tuple[int, int]:
        target = Target(client, "unknown", "contract").for_probe("private-url", 5)
        seen = target.observe("port", int, lambda: port), target.observe("port", int, lambda: port + 1)
        target.pause(0.05 if port == 80 else 3600)
        return seen

    assert look(Client(Endpoint(URL), wire=recorder.around(Saying())), 80) == (80, 81)
    recorder.close()
    recording = open_recording(tmp_path / "record")
    assert look(Client(Endpoint(URL), wire=recording.wire), 9) == (80, 81)
    assert recording.now() >= 0.05
    assert recording.why_missing("private-url#1") is None


# Damaged or foreign ---------------------------------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    folder = tmp_path / "record"
    record(folder, Saying(b"{}"), lambda client: (client.get("/a"), client.get("/b")))
    return folder


def test_a_folder_without_a_recording_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is no recording: run\.json: No such file"):
        open_recording(tmp_path)


@pytest.mark.parametrize("content", [b"not JSON", b"{}", b'{"format": 2}', b"\xff", b"[]"])
def test_a_foreign_run_file_is_named(recorded: Path, content: bytes) -> None:
    (recorded / RUN).write_bytes(content)
    with pytest.raises(UsageError, match=r"run\.json: not of a recording, or damaged"):
        open_recording(recorded)


@pytest.mark.parametrize("line", [b"", b"{}", b'{"type": "exchange"}', b'{"type": "other"}', b"\x00\xff", NO_TEXT])
def test_a_damaged_line_is_named(recorded: Path, line: bytes) -> None:
    whole = (recorded / EXCHANGES).read_bytes().splitlines()
    (recorded / EXCHANGES).write_bytes(b"\n".join([whole[0], line, whole[1], b""]))
    with pytest.raises(UsageError, match=r"exchanges\.jsonl:2: not of a recording, or damaged"):
        open_recording(recorded)


def test_a_line_cut_by_a_kill_is_left_out_with_a_warning(recorded: Path) -> None:
    data = (recorded / EXCHANGES).read_bytes()
    (recorded / EXCHANGES).write_bytes(data[:-10])
    recording: Recording = open_recording(recorded)
    assert len(recording.warnings) == 1
    assert "exchanges.jsonl:2: the run was killed" in recording.warnings[0]
    with Client(Endpoint(URL, "any", KEY_OF_A_REPLAY), wire=recording.wire, label="text#1") as client:
        assert client.get("/a").status == 200
        with pytest.raises(VerifyError, match="no such request: GET /b"):
            client.get("/b")


def test_a_recording_of_another_version_is_replayed_with_a_warning(recorded: Path) -> None:
    same = open_recording(recorded)
    assert (same.warnings, same.told) == ((), TOLD)
    (recorded / RUN).write_bytes(msgspec.json.encode(msgspec.structs.replace(TOLD, version="0.0.1")))
    assert open_recording(recorded).warnings == (
        f"it was recorded by version 0.0.1, this is {__version__}: probes may ask otherwise by now",
    )
