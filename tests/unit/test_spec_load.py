"""What people write wrongly is named with its place, what was expected, and the nearest valid name."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ernie_deploy.errors import ExitCode, SpecError, UsageError
from ernie_deploy.spec import load
from ernie_deploy.spec.schema import KEYS, flag_of
from ernie_deploy.spec.schema import given as given_keys


def refused(text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        load.decode(load.parse(text, "deploy.yaml"), "deploy.yaml")
    assert caught.value.exit_code == ExitCode.SPEC
    return caught.value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port: auto", "deploy.yaml: port: expected an integer, got 'auto'"),
        ("port: 70000", "deploy.yaml: port: expected an integer <= 65535, got 70000"),
        ("port: true", "deploy.yaml: port: expected an integer, got True"),
        ("engine: fastdeply", "deploy.yaml: engine: expected one of fastdeploy, vllm, transformers, got 'fastdeply'"),
        ("max_num_seqs: 0", "deploy.yaml: max_num_seqs: expected an integer >= 1, got 0"),
        ("gpus: []", "deploy.yaml: gpus: expected a list of length >= 1, got []"),
        ("gpus: [-1]", "deploy.yaml: gpus[0]: expected an integer >= 0, got -1"),
        ("trust_remote_code: 'yes'", "deploy.yaml: trust_remote_code: expected true or false, got 'yes'"),
        (
            "mm_processor_kwargs: {image_max_pixels: 1.5}",
            "deploy.yaml: mm_processor_kwargs.image_max_pixels: expected an integer or text, got 1.5",
        ),
        (
            "limit_mm_per_prompt: {imag: 2}",
            "deploy.yaml: limit_mm_per_prompt: expected one of image, video, got 'imag'",
        ),
        (
            "limit_mm_per_prompt: {image: -1}",
            "deploy.yaml: limit_mm_per_prompt.image: expected an integer >= 0, got -1",
        ),
        ("env: {B: x, A: 1}", "deploy.yaml: env.A: expected text, got 1"),
        ("env: {1: x}", "deploy.yaml: env: expected text, got 1"),
        (
            "engine_args: {a: 1, b: null}",
            "deploy.yaml: engine_args.b: expected true or false or an integer or a number"
            " or text or a mapping or a list, got None",
        ),
        ("[1, 2]", "deploy.yaml: expected keys and values, got [1, 2]"),
        ("port: [1", "deploy.yaml:1: expected ',' or ']', but got '<stream end>'"),
        ("port: 1\nport: 2", "deploy.yaml:2: port: this key stands here twice"),
        ("env: {A: '1', A: '2'}", "deploy.yaml:1: A: this key stands here twice"),
        ("port: *other", "deploy.yaml:1: an alias (*name) is not supported, write the value"),
    ],
)
def test_a_wrong_value_is_named_with_its_place_and_what_was_expected(text: str, message: str) -> None:
    assert refused(text).message == message


def test_an_unknown_key_names_the_nearest_one() -> None:
    error = refused("max_model_length: 5")
    assert error.message == "deploy.yaml: max_model_length: unknown key"
    assert error.hint == "did you mean max_model_len?"


def test_a_key_like_no_other_gets_the_list_of_all() -> None:
    assert refused("zzz: 5").hint.startswith("known are: name, preset, model")


def test_an_empty_file_says_nothing() -> None:
    assert load.parse("", "deploy.yaml") == {}
    assert load.parse("# only words\n", "deploy.yaml") == {}


def test_a_file_that_is_missing_points_at_init(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist") as caught:
        load.from_file(tmp_path / "deploy.yaml")
    assert "ernie-deploy init" in caught.value.hint


def test_binary_and_huge_files_are_refused_by_name(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\x80\x81\xff")
    with pytest.raises(SpecError, match=r"binary\.yaml: not UTF-8 text"):
        load.from_file(binary)
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"#" * (load.MOST_BYTES + 1))
    with pytest.raises(SpecError, match=r"huge\.yaml: larger than"):
        load.from_file(huge)


def test_a_directory_in_place_of_a_file_is_an_error_of_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Is a directory"):
        load.from_file(tmp_path)


def test_variables_are_read_by_the_types_of_the_keys() -> None:
    spec = load.from_environment(
        {
            "ERNIE_DEPLOY_PORT": "8190",
            "ERNIE_DEPLOY_GPUS": "0, 1",
            "ERNIE_DEPLOY_TRUST_REMOTE_CODE": "true",
            "ERNIE_DEPLOY_GPU_MEMORY_UTILIZATION": "0.9",
            "ERNIE_DEPLOY_MM_PROCESSOR_KWARGS": '{"image_max_pixels": 100}',
            "ERNIE_DEPLOY_IGNORE_CHECKS": "shm,ram",
            "ERNIE_DEPLOY_STATE": "/somewhere",
            "PATH": "/bin",
        }
    )
    assert given_keys(spec) == {
        "port": 8190,
        "gpus": (0, 1),
        "trust_remote_code": True,
        "gpu_memory_utilization": 0.9,
        "mm_processor_kwargs": {"image_max_pixels": 100},
        "ignore_checks": ("shm", "ram"),
    }


def test_a_misspelt_variable_is_refused_rather_than_ignored() -> None:
    with pytest.raises(SpecError, match="ERNIE_DEPLOY_PROT: unknown variable") as caught:
        load.from_environment({"ERNIE_DEPLOY_PROT": "1"})
    assert caught.value.hint == "did you mean ERNIE_DEPLOY_PORT?"


def test_a_variable_of_a_wrong_type_is_refused_with_its_value() -> None:
    with pytest.raises(SpecError, match=r"^environment: ERNIE_DEPLOY_PORT: expected an integer, got '81x'$"):
        load.from_environment({"ERNIE_DEPLOY_PORT": "81x"})


def test_a_key_with_a_name_of_its_own_is_called_by_it_alone() -> None:
    for values, message in (
        ({"port": "x"}, "--port: expected an integer, got 'x'"),
        ({"env": {"A": 1}}, "--env.A: expected text, got 1"),
        ({"gpus": [0, -1]}, "--gpu[1]: expected an integer >= 0, got -1"),
    ):
        with pytest.raises(SpecError) as caught:
            load.decode(values, "command line", called=flag_of)
        assert caught.value.message == message


def test_broken_json_in_a_flag_names_the_flag_and_the_column() -> None:
    with pytest.raises(SpecError, match=r"--limit-mm-per-prompt: expected JSON .* at column 2"):
        load.from_text("limit_mm_per_prompt", "{image: 4}", "--limit-mm-per-prompt")


def refusal_of(values: dict[str, object]) -> str:
    try:
        load.decode(values, "deploy.yaml")
    except SpecError as error:
        return error.message
    return ""


VALUES = st.none() | st.booleans() | st.integers() | st.text("ab1{", max_size=3) | st.lists(st.integers(), max_size=2)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))
def test_any_values_are_either_a_spec_or_a_refusal_in_words(values: dict[str, object]) -> None:
    message = refusal_of(values)
    assert not message or message.startswith("deploy.yaml: ")
    assert "`" not in message.split(", got ")[0]


@given(st.text("ab:{}[]-&*#!|>'\"\n\t %@,?1", max_size=40))
def test_any_text_is_either_a_mapping_or_a_refusal_with_its_place(text: str) -> None:
    with contextlib.suppress(SpecError):
        assert isinstance(load.parse(text, "deploy.yaml"), dict)
