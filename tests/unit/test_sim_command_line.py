"""The simulated FastDeploy's command line, with the traps of the real one."""

from pathlib import Path

import pytest

from ernie_deploy.sim.fastdeploy import command_line, start_checks

PARSER = "ernie-45-vl-thinking"


def parsed(tmp_path: Path, text: str, *argv: str, version: str = "2.5.0") -> command_line.CommandLine:
    file = tmp_path / "fastdeploy.yaml"
    file.write_text(text)
    return command_line.parse(["--config", str(file), *argv], version)


def test_defaults_are_those_of_the_version() -> None:
    assert command_line.parse([], "2.3.0").values["metrics_port"] == 8001
    assert command_line.parse([], "2.4.0").values["metrics_port"] is None
    assert command_line.parse([], "2.5.0").values["max_model_len"] == 2048


def test_a_flag_of_another_version_ends_with_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    command_line.parse(["--model-impl", "auto"], "2.5.0")
    with pytest.raises(SystemExit) as ended:
        command_line.parse(["--model-impl", "auto"], "2.3.0")
    assert ended.value.code == 2
    assert "api_server.py: error: unrecognized arguments: --model-impl auto" in capsys.readouterr().err


def test_yaml_keys_with_dashes_and_unknown_ones_are_dropped_in_silence(tmp_path: Path) -> None:
    line = parsed(tmp_path, "max-model-len: 32768\nmax_num_seqs: 4\nnonsense: 1\n")
    assert line.values["max_model_len"] == 2048
    assert line.values["max_num_seqs"] == 4
    assert line.logged == ()
    assert line.dropped == ("max-model-len", "nonsense")


def test_a_value_that_cannot_be_converted_is_logged_and_kept(tmp_path: Path) -> None:
    line = parsed(tmp_path, "max_model_len: many\nport: '8190'\n")
    assert line.values["max_model_len"] == "many"
    assert line.values["port"] == 8190
    assert line.logged[0].startswith("Error converting 'max_model_len' with value 'many'")


def test_the_command_line_wins_over_yaml_but_keys_are_added(tmp_path: Path) -> None:
    line = parsed(tmp_path, "port: 1\napi_key: [one]\n", "--port", "2", "--api-key", "two")
    assert line.values["port"] == 2
    assert line.values["api_key"] == ["one", "two"]


def test_yaml_does_not_look_at_choices_but_the_command_line_does(tmp_path: Path) -> None:
    assert parsed(tmp_path, "load_choices: nonsense\n").values["load_choices"] == "nonsense"
    with pytest.raises(SystemExit):
        command_line.parse(["--load-choices", "nonsense"], "2.5.0")


@pytest.mark.parametrize("text", ["- a\n- b\n", "just words", "a: [", "\x00"])
def test_a_yaml_that_is_no_mapping_ends_in_a_traceback(tmp_path: Path, text: str) -> None:
    with pytest.raises(command_line.YamlError):
        parsed(tmp_path, text)


def test_quantization_is_a_bare_name_or_json() -> None:
    for word in ("wint8", '{"quantization": "wint8"}'):
        line = command_line.parse(["--quantization", word], "2.5.0")
        assert line.values["quantization"] == {"quantization": "wint8"}


def test_one_float_throws_all_picture_limits_away() -> None:
    whole = {"mm_processor_kwargs": {"image_max_pixels": 12845056, "video_fps": 2, "unknown": "kept"}}
    assert start_checks.picture_limits(whole) == (whole["mm_processor_kwargs"], "")
    given = {"image_max_pixels": 12845056.0, "video_fps": 2}
    limits, warning = start_checks.picture_limits({"mm_processor_kwargs": given})
    assert limits == {}
    assert "Invalid mm-processor-kwargs format" in warning


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["--max-num-seqs", "257"], "max_num_seqs 257"),
        (["--max-model-len", "8"], "max_model_len 8"),
        (["--max-num-batched-tokens", "4", "--max-num-seqs", "8"], "max_num_batched_tokens 4"),
        (["--max-num-batched-tokens", "99999999"], "max_num_batched_tokens 99999999"),
        (["--splitwise-role", "prefill"], "router None"),
    ],
)
def test_what_the_engine_asserts_is_asserted(argv: list[str], problem: str) -> None:
    values = start_checks.settled(command_line.parse(argv, "2.5.0").values, {})
    assert problem in " ".join(start_checks.broken_assertions(values, {}, "2.5.0"))


@pytest.mark.parametrize("version", ["2.3.0", "2.3.4", "2.4.0", "2.5.0", "develop"])
def test_the_defaults_break_no_assertion(version: str) -> None:
    values = start_checks.settled(command_line.parse([], version).values, {})
    assert list(start_checks.broken_assertions(values, {}, version)) == []


def test_only_parsers_of_the_version_are_known() -> None:
    assert start_checks.unknown_parser({"reasoning_parser": PARSER}, "reasoning_parser", "2.3.0") is None
    assert start_checks.unknown_parser({"reasoning_parser": "ernie45"}, "reasoning_parser", "2.5.0") == "ernie45"
    assert start_checks.unknown_parser({}, "tool_call_parser", "2.5.0") is None


@pytest.mark.parametrize(
    ("config", "said"),
    [({"dtype": "x"}, None), ({}, "Unknown model format"), ({"dtype": "x", "torch_dtype": "x"}, "Only one of")],
)
def test_the_layout_of_the_weights_is_told_by_one_key(config: dict[str, str], said: str | None) -> None:
    found = start_checks.wrong_model_config(config)
    assert found is None if said is None else said in str(found)


def test_a_path_with_a_space_breaks_the_workers_and_is_never_given_to_a_shell() -> None:
    assert start_checks.breaks_a_shell(("/models/ernie-4.5", "/var/log")) == ""
    assert start_checks.breaks_a_shell(("/models/my model", "log")) == "/models/my model"
    assert start_checks.breaks_a_shell(("x", "$(id)")) == "$(id)"
