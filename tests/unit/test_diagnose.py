"""One cause and one fix for logs as they really look, and no answer where there is none to give."""

import gzip
import io
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ernie_deploy.checks.registry import CHECKS
from ernie_deploy.cli.app import COMMANDS
from ernie_deploy.cli.diagnose import diagnose as diagnose_command
from ernie_deploy.diagnose.explain import Diagnosis, diagnose, explain, judge, signature_of
from ernie_deploy.diagnose.read import CHUNK_BYTES
from ernie_deploy.diagnose.scan import scan
from ernie_deploy.diagnose.signatures import ENGINES, Signature, compiled, knowledge, signatures
from ernie_deploy.errors import UsageError
from ernie_deploy.spec.load import decode

CAPTURED = Path(__file__).parents[1] / "captured"
LOGS = sorted((CAPTURED / "logs").glob("*.log"))
DECOYS = sorted((CAPTURED / "decoys").glob("*.log"))
BY_ID = {signature.id: signature for signature in signatures()}
BOOT = (CAPTURED / "decoys" / "fastdeploy-boot.log").read_text(encoding="utf-8")
WORKER_BOOT = (CAPTURED / "decoys" / "fastdeploy-worker-log.log").read_text(encoding="utf-8")
OUT_OF_MEMORY = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 3.50 GiB."
HEAD = "ERROR    2025-12-03 10:20:00,417 41873 engine.py[line:206] "
DIED = (
    "ERROR    2025-12-03 10:20:05,417 1 api_server.py[line:209] Worker process has died in the background (code=1).\n"
)


def of(text: str | bytes, engine: str = "") -> Diagnosis:
    raw = text.encode() if isinstance(text, str) else text
    return judge([scan(io.BytesIO(raw), "engine.log", engine=engine)])


def written(signature: Signature) -> str:
    """The line of its captured log that shows this signature."""
    found = diagnose([CAPTURED / "logs" / f"{signature.id}.log"])
    finding = found.notes[0] if signature.kind == "note" else found.finding
    assert finding
    lines = re.split(r"\n", Path(finding.evidence.file).read_text(encoding="utf-8"))
    return lines[finding.evidence.line - 1].rpartition("\r")[2]


# --- what is known


def test_there_are_many_signatures_and_each_has_its_captured_log() -> None:
    assert len(signatures()) >= 60
    assert [path.stem for path in LOGS] == sorted(BY_ID)
    assert len(BY_ID) == len(signatures())


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_a_captured_log_leads_to_its_signature_and_to_no_other(path: Path) -> None:
    signature = BY_ID[path.stem]
    found = diagnose([path])
    if signature.kind == "note":
        assert (found.outcome, found.finding) == ("ready", None)
        assert [one.id for one in found.notes] == [path.stem]
        return
    assert found.finding
    assert (found.outcome, found.finding.id, found.finding.confidence) == ("cause", path.stem, signature.confidence)
    assert found.is_confident
    assert found.collect == ()
    assert found.finding.evidence.text
    # The engine is told by the log itself, and telling it beforehand changes nothing.
    for engine in signature.engines if signature.stands_alone else (found.engine,):
        known = diagnose([path], engine=engine).finding
        assert known
        assert known.id == path.stem


@pytest.mark.parametrize("signature", signatures(), ids=lambda one: one.id)
def test_a_signature_speaks_of_what_exists(signature: Signature) -> None:
    assert set(signature.engines) <= set(ENGINES)
    assert signature.literals
    assert signature.source
    verbs = re.findall(r"ernie-deploy ([a-z-]+)", signature.fix)
    assert set(verbs) <= set(COMMANDS)
    assert set(re.findall(r"--only ([a-z-]+)", signature.fix)) <= {check.name for check in CHECKS}
    groups = set(compiled(signature.pattern).groupindex)
    assert set(re.findall(r"\{(\w+)\}", f"{signature.cause} {signature.fix}")) <= groups
    assert "\n" not in signature.cause + signature.fix
    assert not signature.cause.endswith(".")


def test_what_a_line_names_stands_in_the_cause() -> None:
    found = of(f"{HEAD}x\nAssertionError: Parameter `engine_worker_queue_port`:8182 is already in use.\n").finding
    assert found
    assert "port 8182" in found.cause
    assert "engine_worker_queue_port" in found.cause


def test_a_remedy_is_a_valid_spec_and_only_of_what_is_certain() -> None:
    for signature in signatures():
        decode(signature.remedy, signature.id)
    cured = [signature for signature in signatures() if signature.remedy]
    assert [(one.id, one.confidence) for one in cured] == [("vllm-memory-utilization", "certain")]


def test_every_xid_says_which_class_of_trouble_it_is() -> None:
    numbers = {"13", "31", "43", "48", "63", "64", "74", "79", "94", "95", "119", "120"}
    xids = {one.id.removeprefix("xid-"): one for one in signatures() if one.id.startswith("xid-")}
    assert set(xids) == numbers
    for signature in xids.values():
        assert signature.fix.partition(":")[0] in ("restart", "reset", "contact")


def test_markers_name_known_engines() -> None:
    assert {marker.engine for marker in knowledge().markers} == {"", *ENGINES}


# --- which cause


@pytest.mark.parametrize(
    ("engine", "line", "expected"),
    [
        ("vllm", OUT_OF_MEMORY, "cuda-out-of-memory"),
        ("vllm", "ValueError: No available memory for the cache blocks.", "vllm-memory-utilization"),
        ("fastdeploy", "The parameter `port`:8180 is already in use.", "fastdeploy-http-port-taken"),
        ("fastdeploy", "OSError: [Errno 12] Cannot allocate memory", "host-out-of-memory"),
        ("fastdeploy", "OSError: (External) CUDA error(209), no kernel image is available", "cuda-kernel-image"),
        ("transformers", "RuntimeError: operator torchvision::nms does not exist", "torchvision-mismatch"),
    ],
)
def test_a_single_line_of_a_known_engine_is_enough(engine: str, line: str, expected: str) -> None:
    found = explain(f"starting\n{line}\n", engine)
    assert found
    assert found.id == expected


def test_a_signature_of_another_engine_does_not_count() -> None:
    assert explain("ValueError: No available memory for the cache blocks.", "fastdeploy") is None


def test_the_cause_in_the_workers_log_wins_over_what_follows_from_it(tmp_path: Path) -> None:
    console, worker = tmp_path / "engine.log", tmp_path / "workerlog.0"
    console.write_bytes((CAPTURED / "logs" / "fastdeploy-worker-failed.log").read_bytes())
    worker.write_bytes((CAPTURED / "logs" / "fastdeploy-no-kv.log").read_bytes())
    for paths in ([worker, console], [console, worker]):
        found = diagnose(paths)
        assert found.finding
        assert (found.finding.id, found.finding.evidence.file) == ("fastdeploy-no-kv", str(worker))
        assert [one.id for one in found.others] == ["fastdeploy-worker-failed"]


def test_cleaning_up_after_a_crash_is_never_the_cause() -> None:
    noise = f"{HEAD}Error extracting sub services: [Errno 3] No such process, Traceback: …\n"
    assert of(noise).outcome == "unknown"
    found = of(noise + f"{HEAD}Failed to launch worker processes, check log/workerlog.* for more details.\n" + noise)
    assert found.finding
    assert found.finding.id == "fastdeploy-worker-failed"


def test_the_kernels_word_wins_over_the_engines() -> None:
    kernel = CAPTURED / "logs" / "xid-79.log"
    found = diagnose([CAPTURED / "logs" / "cuda-launch-failure.log", kernel])
    assert found.finding
    assert (found.finding.id, found.finding.evidence.file) == ("xid-79", str(kernel))
    assert [one.id for one in found.others] == ["cuda-launch-failure"]


def test_unknown_says_what_to_collect() -> None:
    found = of(f"{HEAD}something nobody has seen before\n")
    assert (found.outcome, found.finding, found.engine) == ("unknown", None, "fastdeploy")
    assert "ernie-deploy support-bundle" in found.collect
    assert "ernie-deploy logs --worker 0" in found.collect


# --- before, after and besides


def test_a_failure_that_was_followed_by_a_good_start_is_past() -> None:
    assert of(f"{HEAD}x\n{OUT_OF_MEMORY}\n{BOOT}").outcome == "ready"


def test_a_failure_in_a_run_after_a_good_one_is_the_cause() -> None:
    found = of(BOOT + (CAPTURED / "logs" / "fastdeploy-parser-unknown.log").read_text(encoding="utf-8"))
    assert found.finding
    assert found.finding.id == "fastdeploy-parser-unknown"


def test_what_ended_a_service_that_was_ready_is_found_in_its_workers_log() -> None:
    worker = scan(io.BytesIO(f"{WORKER_BOOT}{OUT_OF_MEMORY}\n".encode()), "workerlog.0")
    dead = judge([worker, scan(io.BytesIO((BOOT + DIED).encode()), "engine.log")])
    assert dead.finding
    assert (dead.finding.id, dead.finding.confidence) == ("cuda-out-of-memory", "certain")
    alive = judge([worker, scan(io.BytesIO(BOOT.encode()), "engine.log")])
    assert (alive.outcome, alive.finding, [one.id for one in alive.others]) == ("ready", None, ["cuda-out-of-memory"])


def test_an_error_that_a_service_survived_is_no_cause() -> None:
    found = of(f"{BOOT}{OUT_OF_MEMORY}\n")
    assert (found.outcome, [one.confidence for one in found.others]) == ("ready", ["possible"])


def test_after_an_orderly_stop_nothing_counts() -> None:
    stop = "[2025-12-03 11:00:00 +0000] [42011] [INFO] Shutting down\n"
    assert of(f"{BOOT}{stop}{OUT_OF_MEMORY}\n{DIED}").outcome == "ready"


def test_the_same_line_in_an_unknown_programs_log_is_only_possible() -> None:
    found = of(f"{OUT_OF_MEMORY}\n")
    assert found.finding
    assert found.finding.confidence == "possible"
    assert not found.is_confident


# --- decoys


@pytest.mark.parametrize("path", DECOYS, ids=lambda path: path.stem)
def test_no_decoy_gets_a_confident_answer(path: Path) -> None:
    assert not diagnose([path]).is_confident


def test_there_are_at_least_fifty_decoys() -> None:
    assert len({path.read_bytes() for path in DECOYS}) >= 50


def quoted(line: str) -> dict[str, str]:
    """A line that names a failure, where it names none."""
    body = json.dumps({"messages": [{"role": "user", "content": f"what is this?\n{line}\n{line}"}]})
    info = "INFO     2025-12-03 10:20:00,417 41873 serving_chat.py[line:101] "
    return {
        "in a request": f"{BOOT}{info}Chat Received request: {body}\n",
        "in a prompt": f"{BOOT}(APIServer pid=1) INFO 11-22 21:00:01 [logger.py:40] request: prompt: {line!r}\n",
        "in a prompt of several lines": f"{BOOT}{info}request chatcmpl-1, prompt: please explain\n{line}\n{info}done\n",
        "said to be harmless": f"{BOOT}{info}we have seen: {line}\n",
        "in a list": f"- {line}: see the manual\n* `{line}`\n> {line}\n| {line} | what it means |\n",
        "in a fence": f"# What to do\n\n```\n{line}\n```\n",
        "found by grep": f"log/workerlog.0:31:{line}\n",
        "before a good start": f"{HEAD}x\n{line}\n{BOOT}",
        "in a program's text": f'    raise Exception("""{line}""")\n',
    }


@pytest.mark.parametrize("signature", signatures(), ids=lambda one: one.id)
def test_a_line_that_is_only_quoted_is_no_evidence(signature: Signature) -> None:
    for where, text in quoted(written(signature)).items():
        assert not of(text).is_confident, where


def test_random_mixtures_of_harmless_lines_get_no_confident_answer() -> None:
    chance = random.Random(7)
    lines = [line for path in DECOYS if path.stem.startswith(("fastdeploy-", "warnings", "only-noise"))
             for line in path.read_text(encoding="utf-8").splitlines()]  # fmt: skip
    for _ in range(50):
        assert not of("\n".join(chance.choices(lines, k=200))).is_confident


# --- files as they come


def encodings() -> dict[str, bytes]:
    text = f'{HEAD}größer 完成\n  File "/opt/fastdeploy/x.py", line 1\n{OUT_OF_MEMORY}\n'
    latin = text.replace("完成", "").encode("latin-1")
    return {
        "plain": text.encode(),
        "with a mark": text.encode("utf-8-sig"),
        "utf-16": text.encode("utf-16"),
        "utf-16-be": b"\xfe\xff" + text.encode("utf-16-be"),
        "utf-16 without a mark": text.encode("utf-16-le"),
        "latin-1": latin,
        "packed": gzip.compress(text.encode()),
        "without its last line end": text.rstrip("\n").encode(),
        "windows": text.replace("\n", "\r\n").encode(),
        "coloured": text.replace("torch.", "\x1b[31mtorch.").replace("memory", "\x1b[1mmemory\x1b[0m").encode(),
        "with a hole": text.encode().replace(b"\n", b"\n" + b"\0" * 5000, 1),
        "behind a bar": text.replace("torch.", "Loading: 10%|#   |\rLoading: 90%|####|\rtorch.").encode(),
        "after a line without end": b"\xff" * 3_000_000 + b"\n" + text.encode(),
        "with wrong bytes": text.encode().replace(b"Tried", b"\xc3\x28\xa0\xffTried"),
    }


@pytest.mark.parametrize(("how", "data"), encodings().items())
def test_a_log_is_read_in_whatever_form_it_comes(how: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(data)
    found = diagnose([path])
    assert found.finding, how
    assert (found.finding.id, found.engine) == ("cuda-out-of-memory", "fastdeploy")
    if how not in ("after a line without end",):
        assert found.finding.evidence.line == 3


def test_a_damaged_archive_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    lines = "".join(f"{HEAD}line {random.Random(1).random()} {number}\n" for number in range(20_000))
    path.write_bytes(gzip.compress(f"{HEAD}x\n{OUT_OF_MEMORY}\n{lines}".encode())[:-2000])
    found = diagnose([path])
    assert found.finding
    assert found.read[0].problem


@pytest.mark.parametrize("seed", range(20))
def test_any_bytes_are_looked_at_without_harm(seed: int) -> None:
    assert not of(random.Random(seed).randbytes(20_000)).is_confident


@pytest.mark.parametrize("shift", [-90, -40, -1, 0, 1, 30])
def test_a_line_across_two_portions_is_found_whole_with_its_number(shift: int) -> None:
    line = f"{HEAD}nothing\n".encode()
    before = line * ((CHUNK_BYTES + shift) // len(line)) + b"x" * ((CHUNK_BYTES + shift) % len(line) - 1) + b"\n"
    found = of(before + f"{OUT_OF_MEMORY}\n".encode() + line).finding
    assert found
    assert found.evidence.line == before.count(b"\n") + 1


def test_evidence_is_short_and_holds_no_secret_and_no_trick() -> None:
    line = f"{HEAD}ModuleNotFoundError: No module named 'x' \x1b[31m\u202eevil\x07 --api-key sk-canary-1 {'y' * 5000}\n"
    found = of(line).finding
    assert found
    assert "canary" not in found.evidence.text
    assert found.evidence.text.isprintable()
    assert len(found.evidence.text) <= 400


# --- the command


def test_the_command_names_cause_fix_and_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    path = CAPTURED / "logs" / "cuda-out-of-memory.log"
    diagnose_command([path])
    out = capsys.readouterr().out
    assert "cause:    the card ran out of memory" in out
    assert "fix:      " in out
    assert "certain" in out
    assert f"{path}:" in out


def test_the_command_says_when_nothing_is_wrong_and_when_nothing_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    diagnose_command([CAPTURED / "decoys" / "fastdeploy-boot.log"])
    assert "nothing is wrong" in capsys.readouterr().out
    diagnose_command([CAPTURED / "decoys" / "empty.log"])
    out = capsys.readouterr().out
    assert "unknown" in out
    assert "ernie-deploy support-bundle" in out


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    diagnose_command([CAPTURED / "logs" / "xid-79.log"], as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert (found["outcome"], found["finding"]["id"]) == ("cause", "xid-79")


def test_the_command_looks_at_the_runs_of_a_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ERNIE_DEPLOY_STATE", str(tmp_path))
    logs = tmp_path / "ernie" / "logs"
    (logs / "engine" / "paddle").mkdir(parents=True)
    (logs / "engine" / "paddle" / "workerlog.0").write_bytes((CAPTURED / "logs" / "fastdeploy-no-kv.log").read_bytes())
    (logs / "engine.log").write_bytes((CAPTURED / "logs" / "fastdeploy-worker-failed.log").read_bytes())
    (logs / "engine.log.1").write_bytes((CAPTURED / "logs" / "fastdeploy-parser-unknown.log").read_bytes())
    diagnose_command(None, name="ernie", as_json=True)
    assert json.loads(capsys.readouterr().out)["finding"]["id"] == "fastdeploy-no-kv"
    diagnose_command(None, run="1", name="ernie", as_json=True)
    assert json.loads(capsys.readouterr().out)["finding"]["id"] == "fastdeploy-parser-unknown"
    with pytest.raises(UsageError, match="run 2 before the last"):
        diagnose_command(None, run="2", name="ernie")


@pytest.mark.parametrize("run", ["-1", "6", "first", "", "²", "1.0"])
def test_a_run_that_cannot_be_is_refused(run: str) -> None:
    with pytest.raises(UsageError, match="--run"):
        diagnose_command(None, run=run, name="ernie")


def test_a_file_that_cannot_be_read_and_an_engine_that_is_none_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        diagnose_command([tmp_path / "nothing.log"])
    with pytest.raises(UsageError, match="directory"):
        diagnose_command([tmp_path])
    (tmp_path / "fake.gz").write_bytes(b"\x1f\x8bnot really")
    with pytest.raises(UsageError, match="damaged"):
        diagnose_command([tmp_path / "fake.gz"])
    with pytest.raises(UsageError, match="--engine"):
        diagnose_command([tmp_path / "nothing.log"], engine="tgi")


def test_a_finding_leads_back_to_its_signature() -> None:
    found = of(OUT_OF_MEMORY, engine="vllm").finding
    assert found
    assert signature_of(found) is BY_ID["cuda-out-of-memory"]


def test_the_page_of_known_failures_is_up_to_date() -> None:
    script = Path(__file__).parents[2] / "scripts" / "failures_reference.py"
    ended = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
