"""FastDeploy's metrics under their documented names, from what the simulator really counts."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

PREFIX = "fastdeploy:"
LATENCY = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0,
           960.0, 1920.0, 7680.0)  # fmt: skip
HTTP = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 7.5, 10.0, 30.0, 60.0)
FIRST_TOKEN = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0)
PER_TOKEN = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0)
RATIOS = (0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 5.0)


class Metric(NamedTuple):
    name: str
    kind: Literal["counter", "gauge", "histogram"]
    says: str
    buckets: tuple[float, ...] = ()


METRICS = (
    Metric("requests_number", "counter", "requests received"),
    Metric("request_success_total", "counter", "requests answered to their end"),
    Metric("request_preempted_total", "counter", "requests put back for want of blocks"),
    Metric("prompt_tokens_total", "counter", "prompt tokens"),
    Metric("generation_tokens_total", "counter", "tokens generated"),
    Metric("prefix_cache_token_num", "counter", "prompt tokens found in the cache"),
    Metric("prefix_gpu_cache_token_num", "counter", "of them on the card"),
    Metric("prefix_cpu_cache_token_num", "counter", "of them in host memory"),
    Metric("prefix_storage_cache_token_num", "counter", "of them in storage"),
    Metric("send_cache_failed_num", "counter", "failures of sending cache"),
    Metric("num_requests_enqueued", "gauge", "requests handed to the engine"),
    Metric("num_requests_waiting", "gauge", "requests waiting for a place"),
    Metric("num_requests_running", "gauge", "requests being answered"),
    Metric("num_requests_preempted", "gauge", "requests put back"),
    Metric("available_batch_size", "gauge", "places that are free"),
    Metric("batch_size", "gauge", "places that are taken"),
    Metric("max_batch_size", "gauge", "all places"),
    Metric("hit_req_rate", "gauge", "requests that found something in the cache"),
    Metric("hit_token_rate", "gauge", "prompt tokens found in the cache"),
    Metric("cpu_hit_token_rate", "gauge", "of them in host memory"),
    Metric("gpu_hit_token_rate", "gauge", "of them on the card"),
    Metric("available_gpu_block_num", "gauge", "blocks that can be had"),
    Metric("free_gpu_block_num", "gauge", "blocks that are free"),
    Metric("max_gpu_block_num", "gauge", "all blocks"),
    Metric("available_gpu_resource", "gauge", "share of the blocks that can be had"),
    Metric("gpu_cache_usage_perc", "gauge", "share of the KV cache in use, 1 is all of it"),
    Metric("cache_config_info", "gauge", "how the cache is set up"),
    Metric("time_to_first_token_seconds", "histogram", "until the first token", FIRST_TOKEN),
    Metric("time_per_output_token_seconds", "histogram", "between two tokens", PER_TOKEN),
    Metric("e2e_request_latency_seconds", "histogram", "from a request to its end", LATENCY),
    Metric("request_inference_time_seconds", "histogram", "from its place to its end", LATENCY),
    Metric("request_queue_time_seconds", "histogram", "waiting for a place", LATENCY),
    Metric("request_prefill_time_seconds", "histogram", "reading the prompt", LATENCY),
    Metric("request_decode_time_seconds", "histogram", "from the first token to the last", LATENCY),
    Metric("request_prompt_tokens", "histogram", "prompt tokens of a request", SIZES),
    Metric("request_generation_tokens", "histogram", "tokens generated for a request", SIZES),
    Metric("request_token_ratio", "histogram", "tokens generated for each of the prompt", RATIOS),
    Metric("request_params_max_tokens", "histogram", "max_tokens of a request", SIZES),
)


class Counted:
    """The numbers of one run."""

    def __init__(self) -> None:
        self.numbers = {metric.name: 0.0 for metric in METRICS if metric.kind != "histogram"}
        self._seen = {metric.name: [0] * (len(metric.buckets) + 1) for metric in METRICS if metric.kind == "histogram"}
        self._sums = dict.fromkeys(self._seen, 0.0)
        self._buckets = {metric.name: metric.buckets for metric in METRICS}
        self._answers: Counter[tuple[str, str, int]] = Counter()
        self._http: dict[tuple[str, str], list[int]] = {}
        self._http_sums: defaultdict[tuple[str, str], float] = defaultdict(float)

    def add(self, name: str, amount: float = 1.0) -> None:
        self.numbers[name] += amount

    def observe(self, name: str, value: float) -> None:
        self._seen[name][bisect_left(self._buckets[name], value)] += 1
        self._sums[name] += value

    def count_http(self, method: str, path: str, status: int, seconds: float) -> None:
        """What the middleware counts. `method` and `path` become labels: the caller lets no strangers in."""
        self._answers[method, path, status] += 1
        seen = self._http.setdefault((method, path), [0] * (len(HTTP) + 1))
        seen[bisect_left(HTTP, seconds)] += 1
        self._http_sums[method, path] += seconds

    def text(self, gauges: Mapping[str, float], info: Mapping[str, str]) -> str:
        """The exposition; `gauges` are read now, `info` are the labels of cache_config_info."""
        now = {**self.numbers, **gauges}
        lines: list[str] = []
        for metric in METRICS:
            lines += [f"# HELP {_shown(metric)} SIMULATED: {metric.says}", f"# TYPE {_shown(metric)} {metric.kind}"]
            if metric.kind == "histogram":
                name = PREFIX + metric.name
                lines += _histogram(name, metric.buckets, self._seen[metric.name], self._sums[metric.name])
            elif metric.name == "cache_config_info":
                labels = ",".join(f'{key}="{value}"' for key, value in info.items())
                lines.append(f"{PREFIX}{metric.name}{{{labels}}} 1.0")
            else:
                lines.append(f"{_shown(metric)} {now[metric.name]:.12g}")
        return "\n".join((*lines, *self._http_lines())) + "\n"

    def _http_lines(self) -> Iterator[str]:
        yield "# HELP http_requests_total SIMULATED: requests by method, path and status"
        yield "# TYPE http_requests_total counter"
        for (method, path, status), count in self._answers.items():
            yield f'http_requests_total{{method="{method}",path="{path}",status_code="{status}"}} {count}.0'
        yield "# HELP http_request_duration_seconds SIMULATED: how long requests took"
        yield "# TYPE http_request_duration_seconds histogram"
        for (method, path), seen in self._http.items():
            labels = f'method="{method}",path="{path}"'
            total = self._http_sums[method, path]
            yield from _histogram("http_request_duration_seconds", HTTP, seen, total, labels)


def _shown(metric: Metric) -> str:
    """The library that the engine counts with ends the name of every counter in `_total`."""
    ending = "_total" if metric.kind == "counter" and not metric.name.endswith("_total") else ""
    return f"{PREFIX}{metric.name}{ending}"


def _histogram(
    name: str, buckets: Sequence[float], seen: Sequence[int], total: float, labels: str = ""
) -> Iterator[str]:
    count = 0
    for border, number in zip((*buckets, float("inf")), seen, strict=True):
        count += number
        shown = "+Inf" if border == float("inf") else f"{border:g}"
        yield f'{name}_bucket{{{labels}{"," if labels else ""}le="{shown}"}} {count}.0'
    braced = f"{{{labels}}}" if labels else ""
    yield f"{name}_count{braced} {count}.0"
    yield f"{name}_sum{braced} {total:.9g}"
