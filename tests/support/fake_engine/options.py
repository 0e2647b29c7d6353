"""The command lines of the three engines: the documented flags, and exit 2 for any other."""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

FASTDEPLOY_VALUES = """
model host served-model-name revision model-config-name tokenizer tokenizer-base-url task runner convert
override-pooler-config limit-mm-per-prompt mm-processor-kwargs reasoning-parser tool-call-parser tool-parser-plugin
chat-template speculative-config load-strategy rsync-config quantization graph-optimization-config plas-attention-config
guided-decoding-backend guided-decoding-disable-any-whitespace logprobs-mode early-stop-config logits-processors
model-impl load-choices eplb-config routing-replay-config cache-queue-port kvcache-storage-backend write-policy ips
engine-worker-queue-port splitwise-role cache-transfer-protocol pd-comm-port rdma-comm-ports router scheduler-name
scheduler-host scheduler-password scheduler-topic
"""
FASTDEPLOY_INTEGERS = """
port workers metrics-port controller-port max-waiting-time max-concurrency timeout-graceful-shutdown timeout
max-model-len block-size use-warmup max-encoder-cache max-logprobs seed tensor-parallel-size data-parallel-size
local-data-parallel-id chunked-moe-size max-num-seqs num-gpu-blocks-override max-num-batched-tokens
prealloc-dec-block-slot-num-threshold static-decode-blocks max-num-partial-prefills max-long-partial-prefills
long-prefill-token-threshold scheduler-max-size scheduler-ttl scheduler-port scheduler-db scheduler-load-shards-num
scheduler-sync-period scheduler-expire-period scheduler-release-load-expire-period scheduler-reader-parallel
scheduler-writer-parallel scheduler-reader-batch-size scheduler-writer-batch-size
"""
FASTDEPLOY_FLOATS = "gpu-memory-utilization kv-cache-ratio swap-space max-processor-cache scheduler-min-load-score"
FASTDEPLOY_SWITCHES = """
enable-mm enable-mm-output dynamic-load-weight enable-logprob enable-keep-sampling-mask enable-entropy
enable-early-stop lm_head-fp32 enable-expert-parallel enable-eplb disable-custom-all-reduce
enable-flashinfer-allreduce-fusion use-internode-ll-two-stage disable-sequence-parallel-moe enable-chunked-moe
enable-chunked-prefill disable-chunked-mm-input enable-overlap-schedule
"""
FASTDEPLOY_PAIRS = "enable-prefix-caching enable-output-caching shutdown-comm-group-if-worker-idle"

VLLM_VALUES = """
model host tokenizer revision reasoning-parser tool-call-parser chat-template chat-template-content-format
default-chat-template-kwargs kv-cache-memory-bytes max-model-len max-num-batched-tokens dtype quantization
quantization-config kv-cache-dtype limit-mm-per-prompt mm-processor-kwargs compilation-config
allowed-local-media-path ssl-keyfile ssl-certfile ssl-ca-certs ssl-ciphers disable-access-log-for-endpoints
generation-config uvicorn-log-level uds download-dir load-format
"""
VLLM_INTEGERS = "port max-num-seqs tensor-parallel-size pipeline-parallel-size seed block-size ssl-cert-reqs"
VLLM_FLOATS = "gpu-memory-utilization mm-processor-cache-gb shutdown-timeout swap-space"
VLLM_PAIRS = """
trust-remote-code enable-auto-tool-choice skip-mm-profiling enforce-eager enable-ssl-refresh enable-log-requests
disable-log-stats disable-fastapi-docs enable-prefix-caching enable-chunked-prefill async-scheduling
"""

TRANSFORMERS_VALUES = """
attn-implementation quantization reasoning chat-template-kwargs decision-config device dtype host log-level
"""
TRANSFORMERS_INTEGERS = "port model-timeout cb-block-size cb-num-blocks cb-max-batch-tokens default-seed"
TRANSFORMERS_PAIRS = "continuous-batching compile trust-remote-code enable-cors"


def fastdeploy(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="api_server.py")
    _add(parser, FASTDEPLOY_VALUES, FASTDEPLOY_INTEGERS, FASTDEPLOY_FLOATS, FASTDEPLOY_PAIRS)
    for name in FASTDEPLOY_SWITCHES.split():
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("-tp", dest="tensor_parallel_size", type=int)
    parser.add_argument("--api-key", action="append")
    parser.add_argument("--config")
    parser.set_defaults(host="0.0.0.0", port=8000)
    first = parser.parse_args(arguments)
    if first.config:
        # Only keys spelled like an argparse destination count; all others are dropped without a word.
        known = vars(first)
        written = {key: value for key, value in _flat_yaml(first.config).items() if key in known}
        parser.set_defaults(**{key: _as_type(parser, key, value) for key, value in written.items()})
    return parser.parse_args(arguments)


def vllm(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="vllm serve")
    _add(parser, VLLM_VALUES, VLLM_INTEGERS, VLLM_FLOATS, VLLM_PAIRS)
    parser.add_argument("model_tag", nargs="?")
    parser.add_argument("--served-model-name", nargs="+")
    parser.add_argument("--allowed-media-domains", nargs="+")
    parser.add_argument("--api-key", nargs="+")
    parser.add_argument("--config")
    parser.set_defaults(host="0.0.0.0", port=8000)
    first = parser.parse_args(arguments)
    if first.config:
        written = {key.replace("-", "_"): value for key, value in _flat_yaml(first.config).items()}
        unknown = sorted(set(written) - set(vars(first)))
        if unknown:
            parser.error(f"unrecognized arguments: {' '.join('--' + key.replace('_', '-') for key in unknown)}")
        parser.set_defaults(**{key: _as_type(parser, key, value) for key, value in written.items()})
    chosen = parser.parse_args(arguments)
    chosen.model = chosen.model_tag or chosen.model
    if isinstance(chosen.served_model_name, list):
        chosen.served_model_name = chosen.served_model_name[0]
    return chosen


def transformers(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="transformers serve")
    _add(parser, TRANSFORMERS_VALUES, TRANSFORMERS_INTEGERS, "cb-max-memory-percent", TRANSFORMERS_PAIRS)
    parser.add_argument("model", nargs="?")
    parser.set_defaults(host="localhost", port=8000)
    return parser.parse_args(arguments)


def _add(parser: argparse.ArgumentParser, values: str, integers: str, floats: str, pairs: str) -> None:
    for name in values.split():
        parser.add_argument(f"--{name}")
    for name in integers.split():
        parser.add_argument(f"--{name}", type=int)
    for name in floats.split():
        parser.add_argument(f"--{name}", type=float)
    for name in pairs.split():
        parser.add_argument(f"--{name}", action=argparse.BooleanOptionalAction)


def _as_type(parser: argparse.ArgumentParser, key: str, value: str) -> object:
    """argparse itself converts a default that is a string, unless it is for a switch or a list."""
    for action in parser._actions:
        if action.dest == key and isinstance(action, argparse.BooleanOptionalAction | argparse._StoreTrueAction):
            return value.lower() in ("true", "yes", "on")
        if action.dest == key and (action.nargs == "+" or isinstance(action, argparse._AppendAction)):
            return [item.strip(" '\"-") for item in re.split(r"[,\n]", value.strip("[]")) if item.strip(" '\"-")]
    return value


def _flat_yaml(path: str) -> Mapping[str, str]:
    """The top-level keys of a YAML mapping with their scalars; nested lines are kept as text. Enough for here."""
    found: dict[str, str] = {}
    key = ""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        start = re.match(r"([\w.-]+):(?:\s+(.*))?$", line)
        if start:
            key = start[1]
            found[key] = _scalar(start[2] or "")
        elif key and line.strip() and not line.lstrip().startswith("#"):
            found[key] += ("\n" if found[key] else "") + line.strip()
    return found


def _scalar(text: str) -> str:
    text = text.strip()
    if text[:1] in "'\"" and text[-1:] == text[:1] and len(text) > 1:
        return text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1].replace('\\"', '"')
    return re.sub(r"\s+#.*$", "", text)
