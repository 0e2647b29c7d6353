"""The engines' counters as they are printed, and what is printed badly."""

import math

from hypothesis import given
from hypothesis import strategies as st

from ernie_deploy.client.metrics import PREFIXES, Counters, counters, samples

FASTDEPLOY = """\
# HELP fastdeploy:num_requests_running Number of requests currently running
# TYPE fastdeploy:num_requests_running gauge
fastdeploy:num_requests_running 31.0
fastdeploy:num_requests_waiting 8
fastdeploy:generation_tokens_total 1.5e+06
fastdeploy:prompt_tokens_total 9e6
fastdeploy:request_success_total 1200.0
fastdeploy:gpu_cache_usage_perc NaN
fastdeploy:time_to_first_token_seconds_bucket{le="+Inf"} 1200.0
"""
VLLM = """\
vllm:num_requests_running{engine="0",model_name="a \\"b\\" {c} d"} 2.0
vllm:num_requests_waiting{engine="0",model_name="x"} 0.0
vllm:generation_tokens_total{engine="0",model_name="x"} 100.0
vllm:generation_tokens_total{engine="1",model_name="x"} 11.0 1795383076000
vllm:request_success_total{finished_reason="stop"} 3.0
vllm:request_success_total{finished_reason="length"} 4.0
vllm:request_success_created{finished_reason="stop"} 1.7e9
"""


def test_fastdeploys_counters_are_read() -> None:
    assert counters(FASTDEPLOY) == Counters(tokens=1_500_000, finished=1200, running=31, waiting=8)


def test_vllms_counters_are_summed_over_their_labels() -> None:
    assert counters(VLLM) == Counters(tokens=111, finished=7, running=2, waiting=0)


def test_what_is_not_told_is_none_and_counts_for_nothing() -> None:
    seen = counters("fastdeploy:request_success_total 5\n")
    assert seen == Counters(tokens=None, finished=5, running=None, waiting=None)
    assert seen.demand == 0
    assert counters("python_gc_objects_collected_total 3\n") is None
    assert counters("<html>not found</html>") is None
    assert counters("fastdeploy:num_requests_running 1\n") is None


def test_values_that_are_no_numbers_are_passed_over() -> None:
    assert samples("a NaN\nb +Inf\nc x\nd\n{e} 1\nf 2") == {"f": 2.0}


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    assert all(math.isfinite(value) for value in samples(text).values())
    assert counters(text) is None or any(prefix in text for prefix in PREFIXES)
    assert set(samples(f"fastdeploy:generation_tokens_total{{{text}")) <= {
        "fastdeploy:generation_tokens_total",
        *samples(text),
    }
