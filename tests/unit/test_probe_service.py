"""Health, keys, routes, refusals and metrics: an answer in, a judgement out."""

import json

import pytest

from ernie_deploy.client import RawAnswer
from ernie_deploy.smoke.known_limits import known_limits
from ernie_deploy.smoke.probes import config_info, health, keys, malformed, metric_names, routes, wrong_model
from ernie_deploy.smoke.probes.error_shape import why_misshapen

URL = "http://127.0.0.1:9/v1/models"
KEY = "sk-very-secret"


def raw(status: int, body: object = "", **headers: str) -> RawAnswer:
    data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return RawAnswer(status, headers, data, URL, 0.1)


REFUSED = raw(400, {"error": {"message": "Input should be a valid list", "type": "invalid_request_error"}})
CHAT = raw(200, {"choices": [{"message": {"content": "4"}}]})
HTML = raw(502, "<html><head><title>502 Bad Gateway</title></head></html>")
NOT_FOUND = raw(404, {"detail": "Not Found"})
UNAUTHORIZED = raw(401, {"error": "Unauthorized"})


# Health ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "said", "words", "hint"),
    [
        (304, "", "without model weights", "restart"),
        (404, "Worker Service Not Healthy", "Worker Service Not Healthy", "workerlog.0"),
        (404, "Not Found", "404", "log"),
        (503, "", "503", "restart the engine"),
        (500, "Internal Server Error", "500", "log"),
    ],
)
def test_only_200_is_healthy_and_each_other_status_is_explained(status: int, said: str, words: str, hint: str) -> None:
    found = health.judge_status(status, said)
    assert (found.verdict, words in found.message, hint in found.hint) == ("fail", True, True)
    assert health.judge_status(200, "").verdict == "pass"


def test_health_is_true_only_when_a_token_comes_and_it_says_200() -> None:
    assert health.judge_token(200, 0.05, "").verdict == "pass"
    silent = health.judge_token(200, None, "the server said nothing for 60 s")
    assert silent.verdict == "fail"
    assert silent.message == "/health says 200, but no token came: the server said nothing for 60 s"
    assert health.judge_token(404, 0.05, "").message == "/health says 404, but a token came after 50 ms"
    assert health.judge_token(500, None, "refused").verdict == "fail"


# Keys -----------------------------------------------------------------------------------------------------------------


def test_without_a_key_only_401_and_403_will_do() -> None:
    assert keys.judge_refused("vllm", "without a key", {"GET": UNAUTHORIZED, "POST": raw(403, "no")}).verdict == "pass"
    assert keys.judge_refused("vllm", "without a key", {"GET": UNAUTHORIZED, "POST": CHAT}).verdict == "fail"
    assert keys.judge_refused("vllm", "without a key", {"GET": raw(500, "oops")}).verdict == "fail"
    assert keys.judge_refused("transformers", "without a key", {"GET": CHAT}).verdict == "unsupported"
    assert keys.judge_refused("transformers", "without a key", {"GET": raw(500, "oops")}).verdict == "fail"


def test_a_side_door_to_chat_fails_unless_the_engine_is_known_for_that_very_door() -> None:
    closed = dict.fromkeys(keys.DOORS, NOT_FOUND)
    assert keys.judge_doors("vllm", closed).verdict == "pass"
    assert keys.judge_doors("vllm", {**closed, "/invocations": CHAT}).verdict == "unsupported"
    assert keys.judge_doors("fastdeploy", {**closed, "/invocations": CHAT}).verdict == "fail"
    both = keys.judge_doors("vllm", {**closed, "/invocations": CHAT, "/V1/chat/completions": CHAT})
    assert both.message == "chat is answered without a key at /V1/chat/completions"
    assert keys.judge_doors("vllm", {**closed, keys.DOORS[0]: CHAT}).verdict == "fail"
    assert keys.judge_doors("transformers", {**closed, keys.DOORS[0]: CHAT}).verdict == "unsupported"


def test_a_200_that_is_no_answer_opens_no_door() -> None:
    assert keys.is_an_answer(CHAT)
    assert not keys.is_an_answer(raw(200, "<html></html>"))
    assert not keys.is_an_answer(raw(200, {"count": 3}))
    assert not keys.is_an_answer(UNAUTHORIZED)


# /config-info ---------------------------------------------------------------------------------------------------------


def config(body: object, engine: str = "fastdeploy", *, status: int = 200, elsewhere: bool = False) -> str:
    return config_info.judge_answer(engine, KEY, raw(status, body), metrics_elsewhere=elsewhere).verdict


def test_config_info_must_be_closed_and_never_tells_a_secret() -> None:
    assert config({"detail": "Not Found"}, status=404) == "pass"
    assert config("<html></html>") == "pass"
    assert config({"model": "any", "env": {"FD_LOG_DIR": "log"}}) == "unsupported"
    assert config({"model": "any", "env": {"FD_LOG_DIR": "log"}}, elsewhere=True) == "fail"
    assert config({"model": "any"}, "vllm") == "fail"
    assert config({"env": {"FD_API_KEY": "another"}}) == "fail"
    assert config({"env": {"FD_API_KEY": ""}}) == "unsupported"


def test_the_key_that_config_info_tells_is_not_told_again() -> None:
    found = config_info.judge_answer("fastdeploy", KEY, raw(200, {"api_key": [KEY]}), metrics_elsewhere=False)
    assert found.verdict == "fail"
    assert KEY not in str(found)


# Addresses ------------------------------------------------------------------------------------------------------------


def test_an_unknown_address_is_a_404_and_not_a_page_for_everything() -> None:
    assert routes.judge_missing({"GET": NOT_FOUND, "POST": raw(405)}).verdict == "pass"
    assert routes.judge_missing({"GET": NOT_FOUND, "POST": raw(200, "<html></html>")}).verdict == "fail"
    assert routes.judge_missing({"GET": raw(500, "oops")}).verdict == "fail"


def test_a_page_of_a_proxy_is_called_one() -> None:
    assert routes.why_a_page(HTML) == "HTTP 502: an HTML page titled '502 Bad Gateway', so this is not the engine"
    assert routes.why_a_page(raw(200, "welcome")) is not None
    assert routes.why_a_page(CHAT) is None
    assert routes.why_a_page(raw(500, "Internal Server Error")) is None


def test_a_redirect_may_not_leave_the_host() -> None:
    assert routes.why_elsewhere(raw(307, location="http://127.0.0.1:9/v1/models")) is None
    assert routes.why_elsewhere(raw(307, location="/v1/models")) is None
    assert routes.why_elsewhere(raw(304)) is None
    assert routes.why_elsewhere(raw(200)) is None
    away = routes.why_elsewhere(raw(302, location="https://login.example/?next=x"))
    assert away == "HTTP 302 sends clients, and their keys, to https://login.example"
    assert routes.why_elsewhere(raw(308, location="//other.example/v1/models")) is not None
    assert routes.why_elsewhere(raw(302, location="http://127.0.0.1:10/v1/models")) is not None
    nowhere = routes.why_elsewhere(raw(302, location="//["))
    assert nowhere is not None
    assert nowhere.startswith("HTTP 302 sends clients to what is no address: '//['")


def test_a_model_that_is_not_served_is_refused_by_name() -> None:
    def verdict(engine: str, answer: RawAnswer, *, given: bool = True) -> str:
        return wrong_model.judge_answer(engine, "no-such-model-1", answer, names_are_given=given).verdict

    assert verdict("vllm", raw(404, {"error": {"message": "The model `no-such-model-1` does not exist."}})) == "pass"
    assert verdict("vllm", NOT_FOUND) == "fail"
    assert verdict("vllm", CHAT, given=False) == "fail"
    assert verdict("fastdeploy", CHAT) == "fail"
    assert verdict("fastdeploy", CHAT, given=False) == "unsupported"
    assert verdict("fastdeploy", raw(500, {"error": {"message": "Unsupported model: [no]"}})) == "unsupported"
    assert verdict("fastdeploy", raw(500, "Internal Server Error")) == "fail"
    assert verdict("vllm", raw(500, {"error": {"message": "Unsupported model: [no]"}})) == "fail"


def test_a_name_beside_the_place_of_the_model_is_a_given_one() -> None:
    assert wrong_model.names_are_given({"data": [{"id": "ernie", "root": "/models/ernie"}]})
    assert not wrong_model.names_are_given({"data": [{"id": "/models/ernie", "root": "/models/ernie"}]})
    assert not wrong_model.names_are_given({"data": []})
    assert not wrong_model.names_are_given(None)


# Refusals -------------------------------------------------------------------------------------------------------------


def test_values_out_of_bounds_may_be_accepted_only_by_whom_it_is_known() -> None:
    answers = {"temperature 99": CHAT, "max_tokens -5": raw(500, "Internal Server Error")}
    assert malformed.judge_values("transformers", answers).verdict == "unsupported"
    assert malformed.judge_values("transformers", {**answers, "top_p 7": raw(502, "oops")}).verdict == "fail"
    assert malformed.judge_values("vllm", {"temperature 99": CHAT, "max_tokens -5": REFUSED}).verdict == "fail"
    assert malformed.judge_values("vllm", {"temperature 99": REFUSED, "max_tokens -5": REFUSED}).verdict == "pass"
    worded = raw(500, {"error": {"message": "max_tokens can be defined [1, 8192).", "type": "invalid_request_error"}})
    assert malformed.judge_values("fastdeploy", {"max_tokens -5": worded}).verdict == "unsupported"
    assert malformed.judge_values("fastdeploy", {"max_tokens -5": raw(500, "Internal Server Error")}).verdict == "fail"


def test_all_refusals_have_one_shape() -> None:
    older = raw(422, {"detail": [{"loc": ["body", "messages"], "msg": "Input should be a valid list"}]})
    assert why_misshapen({"one": REFUSED, "two": REFUSED}) is None
    assert why_misshapen({"one": older, "two": raw(400, {"detail": {"message": "cannot identify"}})}) is None
    assert "different shapes" in (why_misshapen({"one": REFUSED, "two": older}) or "")
    assert "different shapes" in (why_misshapen({"one": REFUSED, "two": raw(400, b'"no"')}) or "")
    bare = raw(400, {"error": {"message": "no"}})
    assert "neither type nor code" in (why_misshapen({"one": bare, "two": bare}) or "")


def test_the_doors_that_are_known_to_be_open_are_among_those_that_are_tried() -> None:
    known = {name for _, name in known_limits() if name.startswith("no-key-for-")}
    assert known <= {f"no-key-for-{path.strip('/')}" for path in keys.DOORS}
    assert ("vllm", "no-key-for-invocations") in known_limits()


# Metrics --------------------------------------------------------------------------------------------------------------

NAMES = ("num_requests_running", "num_requests_waiting", "time_to_first_token_seconds_count")
SHOWN = {**{f"vllm:{name}": 0.0 for name in NAMES}, "vllm:kv_cache_usage_perc": 0.0}


def test_metrics_need_the_names_that_dashboards_use() -> None:
    assert metric_names.why_missing("vllm:", SHOWN) is None
    less = {name: value for name, value in SHOWN.items() if "waiting" not in name}
    assert metric_names.why_missing("vllm:", less) == "the metrics lack vllm:num_requests_waiting"
    assert "gpu_cache_usage_perc" in (metric_names.why_missing("fastdeploy:", SHOWN) or "")


def test_counters_must_move_and_may_begin_with_the_first_request() -> None:
    after = {f"vllm:{name}": 2.0 for name in metric_names.MOVING}
    assert metric_names.unmoved("vllm:", {}, after) == []
    assert metric_names.unmoved("vllm:", after, after) == list(metric_names.MOVING)
    assert metric_names.unmoved("vllm:", {}, {**after, "vllm:prompt_tokens_total": 0.0}) == ["prompt_tokens_total"]
