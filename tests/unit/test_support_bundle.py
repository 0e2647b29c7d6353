"""A support bundle helps, and holds no secret: not in its files, not in their names, not in its own headers."""

import gzip
import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from ernie_deploy.cli.support_bundle import support_bundle
from ernie_deploy.engines.base import Port
from ernie_deploy.errors import UsageError
from ernie_deploy.redact import Redactor
from ernie_deploy.serve.state import Run
from ernie_deploy.serve.support import MOST_BYTES, Bundle, metrics_of, secrets_of
from tests.support.plans import a_launch, a_plan

CANARIES = {
    "key file": "kanari-file-1a2b3c",
    "second key": "kanari-file-4d5e6f",
    "environment": "kanari-env-7a8b9c",
    "plan": "kanari-plan-0d1e2f",
    "argument": "kanari-argv-3a4b5c",
    "log": "kanari-log-6d7e8f",
    "prompt": "kanari-prompt-9a0b1c",
    "environment copy": "kanari-copy-2d3e4f",
    "record": "kanari-record-5a6b7c",
    "metrics": "kanari-metrics-8d9e0f",
    "old log": "kanari-old-1f2e3d",
}
ENTRY = "INFO     2025-12-03 10:14:02,417 41873 api_server.py[line:97] "


class Engine(NamedTuple):
    port: int
    asked: list[str]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Answers health and metrics, and would hand out its key at /config-info."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f'fastdeploy:num_requests_running{{token="{CANARIES["metrics"]}"}} 0\n'.encode())

        def log_message(self, *_: object) -> None:
            """A test's output is no place for an access log."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Engine(server.server_address[1], asked)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Path:
    """A deployment whose every corner holds a secret; its directory."""
    home = tmp_path_factory.mktemp("place")
    key = home / "key"
    key.write_text(f"{CANARIES['key file']},{CANARIES['second key']}\n")
    directory = home / "state" / "ernie"
    own = directory / "logs" / "engine" / "paddle"
    own.mkdir(parents=True)
    plan = a_plan(api_key_file=str(key), env={"HF_TOKEN": CANARIES["plan"], "OMP_NUM_THREADS": "3"})
    launch = a_launch(
        argv=("python", "-m", "x", "--scheduler-password", CANARIES["argument"], "--port=8180"),
        env={"HF_TOKEN": CANARIES["plan"], "FD_LOG_DIR": "/var/log/fd"},
        secret_env={"FD_API_KEY": str(key)},
        base_url=f"http://127.0.0.1:{engine.port}",
        ports=(Port(engine.port, "http", "127.0.0.1"),),
    )
    (directory / "run.json").write_bytes(msgspec.json.encode(Run(plan, launch, "ready", 1764756881.0)))
    (directory / "boots.json").write_text(json.dumps([{"seconds": 61.8, "password": CANARIES["record"]}]))
    (directory / "half.json").write_text('{"api_key": "' + CANARIES["record"])
    (own.parent / "backup_env.0.json").write_text(json.dumps({"FD_API_KEY": CANARIES["environment copy"]}))
    (own / "backup_env.0.json").write_text(json.dumps({"ODD": CANARIES["environment copy"]}))
    (own / "workerlog.0").write_text(
        f"{ENTRY}x\nResourceExhaustedError: \n\nOut of memory error on GPU 0. Cannot allocate 3.5GB\n"
        f"key {CANARIES['key file']}\n"
    )
    (directory / "logs" / "engine.log").write_text(
        f"{ENTRY}args: {{'model': '/srv/m', 'api_key': ['{CANARIES['log']}'], 'port': 8180}}\n"
        f"{ENTRY}Launch worker service command: FD_API_KEY={CANARIES['log']} python -u worker_process.py\n"
        f'{ENTRY}request: {{"messages": [{{"role": "user", "content": "{CANARIES["prompt"]}"}}]}}\n'
        f"{ENTRY}the second key is {CANARIES['second key']} and the environment has {CANARIES['environment']}\n"
        f"\x1b[31m{ENTRY}Failed to launch worker processes\x1b[0m\u202e\n"
    )
    (directory / "logs" / "engine.log.1").write_text(f"--api-key {CANARIES['old log']}\n")
    return directory


@pytest.fixture(scope="module")
def packed(deployment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle that the command writes."""
    out = tmp_path_factory.mktemp("out") / "bundle.tar.gz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ERNIE_DEPLOY_STATE", str(deployment.parent))
        patch.setenv("FD_API_KEY", CANARIES["environment"])
        patch.setenv("HOME", str(deployment.parent))
        patch.chdir(deployment.parent)
        support_bundle(out, "ernie")
    return out


def members(packed: Path) -> dict[str, bytes]:
    with tarfile.open(packed) as archive:
        found = {}
        for entry in archive:
            stream = archive.extractfile(entry)
            assert stream
            found[entry.name] = stream.read()
        return found


def test_no_secret_is_in_it_anywhere(packed: Path) -> None:
    raw = packed.read_bytes()
    whole = gzip.decompress(raw)
    for where, canary in CANARIES.items():
        assert canary.encode() not in raw, where
        assert canary.encode() not in whole, where
    assert b"kanari" not in whole
    # The header of a gzip file can hold a name and a time.
    assert raw[3] & 0x08 == 0
    assert raw[4:8] == b"\0\0\0\0"


def test_what_helps_is_in_it(packed: Path) -> None:
    found = members(packed)
    assert list(found) == ["manifest.json", *sorted(set(found) - {"manifest.json"})]
    assert set(found) >= {
        "running/plan.json", "running/launch.json", "plan.json", "launch.json", "facts.json", "checks.json",
        "status.json",
        "versions.json", "diagnosis-0.json", "health.json", "metrics.txt", "records/run.json", "records/boots.json",
        "records/half.json", "logs-0/engine.log", "logs-0/engine/paddle/workerlog.0", "logs-1/engine.log.1",
    }  # fmt: skip
    diagnosis = json.loads(found["diagnosis-0.json"])
    assert diagnosis["finding"]["id"] == "cuda-out-of-memory"
    launch = json.loads(found["running/launch.json"])
    assert launch["argv"] == ["python", "-m", "x", "--scheduler-password", "<redacted>", "--port=8180"]
    assert launch["env"] == {"HF_TOKEN": "<redacted>", "FD_LOG_DIR": "/var/log/fd"}
    assert json.loads(found["records/boots.json"]) == [{"seconds": 61.8, "password": "<redacted>"}]
    assert b"num_requests_running" in found["metrics.txt"]
    assert json.loads(found["health.json"])["status"] == 200
    log = found["logs-0/engine.log"].decode()
    assert "'model': '/srv/m'" in log
    assert "Failed to launch worker processes" in log
    assert "\x1b" not in log
    assert "\u202e" not in log


def test_the_manifest_tells_every_file_by_its_hash_and_what_is_missing(packed: Path) -> None:
    found = members(packed)
    manifest = json.loads(found.pop("manifest.json"))
    listed = {one["name"]: (one["bytes"], one["sha256"]) for one in manifest["members"]}
    assert listed == {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in found.items()}
    assert {"logs-0/backup_env.0.json"} <= {one["what"] for one in manifest["left_out"]}
    assert manifest["about"]["deployment"] == "ernie"


def test_only_its_owner_can_read_it(packed: Path) -> None:
    assert packed.stat().st_mode & 0o777 == 0o600
    with tarfile.open(packed) as archive:
        assert {(entry.mode, entry.uid, entry.mtime, entry.isfile()) for entry in archive} == {(0o600, 0, 0, True)}


def test_the_service_is_never_asked_for_its_configuration(engine: Engine, packed: Path) -> None:
    assert packed.exists()
    assert set(engine.asked) == {"/health", "/metrics"}


def test_a_dry_run_writes_nothing_and_says_what_it_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ERNIE_DEPLOY_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    support_bundle(None, "none", dry_run=True, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["written"] is False
    assert {one["what"] for one in said["left_out"]} >= {"logs", "health.json, metrics.txt"}
    assert {one["name"] for one in said["members"]} >= {"versions.json", "plan.json", "facts.json"}
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="cannot be written"):
        support_bundle(tmp_path / "missing" / "x.tar.gz", "none")


def test_a_spec_that_cannot_be_read_does_not_cost_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ERNIE_DEPLOY_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy.yaml").write_text("prot: 8180\n")
    support_bundle(None, "ernie", dry_run=True, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert any("facts.json" in one["what"] and "prot" in one["why"] for one in said["left_out"])


# --- the writer


def test_the_same_contents_give_the_same_bytes() -> None:
    def made(names: list[str]) -> bytes:
        bundle = Bundle(Redactor())
        for name in names:
            bundle.text(name, f"text of {name}")
        return bundle.pack({"created": "now"})

    assert made(["a", "b", "c"]) == made(["c", "b", "a"])


def test_of_a_large_log_both_ends_are_kept_in_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "big.log"
    log.write_text("".join(f"line {number} --api-key {number}-kanari-{'x' * 40}\n" for number in range(20_000)))
    bundle = Bundle(Redactor())
    bundle.log("big.log", log)
    (member,) = bundle.members
    with tarfile.open(fileobj=io.BytesIO(bundle.pack({}))) as archive:
        stream = archive.extractfile("big.log")
        assert stream
        text = stream.read().decode()
    assert member.bytes < 2 * MOST_BYTES + 100
    assert text.startswith("line 0 --api-key <redacted>\n")
    assert text.endswith("line 19999 --api-key <redacted>\n")
    assert "bytes are left out here" in text
    assert "kanari" not in text
    assert all(line.endswith(("<redacted>", "…")) for line in text.splitlines())


def test_a_secret_across_the_cut_of_a_line_without_end_is_not_kept(tmp_path: Path) -> None:
    log = tmp_path / "one-line.log"
    log.write_bytes(b"x" * (MOST_BYTES - 8) + b"kanari-secret" + b"y" * (3 * MOST_BYTES))
    bundle = Bundle(Redactor(["kanari-secret"]))
    bundle.log("one-line.log", log)
    assert b"kanari" not in gzip.decompress(bundle.pack({}))


def test_names_of_files_are_redacted_and_cannot_lead_out() -> None:
    bundle = Bundle(Redactor(["kanari-name"]))
    bundle.text("logs/kanari-name and more\n.log", "x")
    assert [one.name for one in bundle.members] == ["logs/_redacted__and_more_.log"]


def test_key_files_count_whoever_may_read_them(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("kanari-key\n")
    key.chmod(0o644)
    assert secrets_of([str(key), str(tmp_path / "missing")], {"A_TOKEN": "kanari-token"}) == {
        "kanari-key",
        "kanari-token",
    }


def test_metrics_of_nobody_are_an_error_and_no_crash() -> None:
    with pytest.raises(OSError, match="refused"):
        metrics_of("http://127.0.0.1:1")
