"""`ernie-deploy lint` as a process: output for people and machines, exit codes, files that are mended."""

import json
import stat
import subprocess
import sys
from pathlib import Path

from ernie_deploy.lint.judge import findings
from ernie_deploy.lint.output import as_sarif
from ernie_deploy.lint.reading import read
from ernie_deploy.lint.rules import rules

ROOT = Path(__file__).parents[2]
UPSTREAM = ROOT / "tests" / "captured" / "lint" / "upstream-best-practice.sh"


def lint(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    argv = (sys.executable, "-m", "ernie_deploy", "lint", *words)
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_upstream_command_ends_with_7_and_shows_the_lost_flags() -> None:
    done = lint(str(UPSTREAM), "--only", "FD001")
    assert done.returncode == 7
    first, consequence, fix = done.stdout.splitlines()
    assert first.startswith(f"{UPSTREAM}:12:27: error FD001 this line ends without a backslash, so 3 flags")
    assert consequence.startswith("    the engine starts with gpu_memory_utilization 0.9")
    assert fix == "    → end the line with a backslash"
    assert done.stderr.splitlines()[-1] == "1 error"


def test_a_file_is_mended_in_place_keeping_its_mode_and_again_nothing_changes(tmp_path: Path) -> None:
    script = tmp_path / "start.sh"
    script.write_text(UPSTREAM.read_text(encoding="utf-8"), encoding="utf-8")
    script.chmod(0o750)
    done = lint("--fix", str(script))
    assert (done.returncode, stat.S_IMODE(script.stat().st_mode)) == (0, 0o750)
    after = script.read_text(encoding="utf-8")
    assert after == UPSTREAM.read_text(encoding="utf-8").replace("12845056 }'\n", "12845056 }' \\\n")
    assert findings(read("start.sh", after), only=("FD001",)) == ()
    before = script.stat().st_mtime_ns
    assert lint("--fix", str(script)).returncode == 0
    assert script.stat().st_mtime_ns == before
    assert list(tmp_path.iterdir()) == [script]


def test_a_diff_changes_nothing_and_standard_input_is_mended_to_stdout(tmp_path: Path) -> None:
    config = tmp_path / "fastdeploy.yaml"
    config.write_text("max-model-len: 4096\n", encoding="utf-8")
    shown = lint("--diff", str(config))
    assert "-max-model-len: 4096\n+max_model_len: 4096\n" in shown.stdout
    assert (shown.returncode, config.read_text(encoding="utf-8")) == (7, "max-model-len: 4096\n")
    mended = lint("--fix", "--kind", "fastdeploy-yaml", "-", stdin="max-model-len: 4096\n")
    assert (mended.returncode, mended.stdout) == (0, "max_model_len: 4096\n")


def test_exit_codes_tell_findings_from_files_that_cannot_be_read(tmp_path: Path) -> None:
    listed = tmp_path / "list.yaml"
    listed.write_text("- fastdeploy\n", encoding="utf-8")
    both = lint(str(listed), str(UPSTREAM), "--fail-on", "never", "--json")
    assert both.returncode == 3
    assert "not a mapping" in both.stderr
    assert {one["rule"] for one in json.loads(both.stdout)} >= {"FD001"}
    neither = lint("-", stdin="echo hello\n")
    assert (neither.returncode, neither.stdout) == (0, "")
    assert "launches neither FastDeploy nor vLLM" in neither.stderr


def test_sarif_names_every_rule_and_points_into_the_file() -> None:
    found = findings(read("deploy/a b.sh", UPSTREAM.read_text(encoding="utf-8")))
    log = as_sarif(found, "0.1.0")
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert [one["id"] for one in driver["rules"]] == list(rules())
    assert run["columnKind"] == "unicodeCodePoints"
    assert len(run["results"]) == len(found)
    for result, one in zip(run["results"], found, strict=True):
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == one.rule
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "deploy/a%20b.sh"
        region = place["region"]
        assert (region["startLine"], region["startColumn"]) == (one.line, one.column)
        assert (region["endLine"], region["endColumn"]) >= (region["startLine"], region["startColumn"])


def test_the_page_of_rules_is_up_to_date() -> None:
    script = ROOT / "scripts" / "lint_reference.py"
    done = subprocess.run((sys.executable, str(script), "--check"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
