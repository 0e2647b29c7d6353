"""Every rule by the smallest text that breaks it, the text that does not, and what --fix makes of it."""

from pathlib import Path
from typing import NamedTuple

import pytest

from ernie_deploy.lint.ignoring import MARK
from ernie_deploy.lint.judge import findings
from ernie_deploy.lint.mend import mended
from ernie_deploy.lint.reading import read
from ernie_deploy.lint.registry import OF_FILES, OF_LAUNCHES
from ernie_deploy.lint.rules import rules
from ernie_deploy.lint.values import Engine, Finding

MODULE = "python -m fastdeploy.entrypoints.openai.api_server"
MODEL = "--model /srv/ERNIE-4.5-VL-Thinking"
COMPOSE = "services:\n  a:\n    image: x/fastdeploy-cuda-12.6:2.5.0\n    command: fastdeploy serve\n"
POD = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    command: [fastdeploy, serve]\n"


class Sample(NamedTuple):
    """A text that breaks a rule at `place`; `good` does not. `mended` is the text after --fix, where there is one."""

    rule: str
    bad: str
    place: str
    good: str
    mended: str = ""
    name: str = "start.sh"
    version: str = ""


def yaml(rule: str, bad: str, place: str, good: str, mended: str = "", name: str = "fastdeploy.yaml") -> Sample:
    """A launch YAML; both texts begin with a model."""
    text = f"model: /srv/m\n{mended}" if mended else ""
    return Sample(rule, f"model: /srv/m\n{bad}", place, f"model: /srv/m\n{good}", text, name)


SAMPLES = (
    Sample("FD001", f"{MODULE} --port 1\n  --seed 2\n", "1:59", f"{MODULE} --port 1 \\\n  --seed 2\n",
           f"{MODULE} --port 1 \\\n  --seed 2\n"),
    Sample("FD001", f"{MODULE} \\\n\n  --seed 2\n", "2:1", f"{MODULE}\n\nls --seed 2\n", f"{MODULE} \\\n  --seed 2\n"),
    Sample("FD001", f"{MODULE} --port 1 | tee log\n  --seed 2\n", "1:59", f"{MODULE} --port 1 | tee log\ntee --help\n"),
    Sample("FD001", f"{MODULE} --port 1 &\n  --seed 2\n", "1:59", f"{MODULE} --port 1 &\nwait\n"),
    Sample("FD002", f"{MODULE} \\ \n  --seed 2\n", "1:52", f"{MODULE} \\\n  --seed 2\n", f"{MODULE} \\\n  --seed 2\n"),
    Sample("FD003", f"{MODULE} \\\n  # --x 1 \\\n  --seed 2\n", "2:3", f"# x\n{MODULE} \\\n  --seed 2 # y\n"),
    Sample("FD004", f"{MODULE} \\\r\n  --seed 2\r\n", "1:53", f"{MODULE} \\\n  --seed 2\n"),
    Sample("FD005", f"{MODULE} --limit-mm-per-prompt '{{\"image\": 4}}\n", "1:74",
           f"{MODULE} --limit-mm-per-prompt '{{\"image\": 4}}'\n"),
    Sample("FD005", f'{MODULE} --served-model-name "a\n', "1:72", f'{MODULE} --served-model-name "a"\n'),
    Sample("FD006", f"# {MARK} ignore=FD999 why\n{MODULE}\n", "1:1", f"# {MARK} ignore=FD040 why\n{MODULE}\n"),
    Sample("FD006", f"# {MARK} ignore=FD040\n{MODULE}\n", "1:1", f"# {MARK} ignore=fd040,FD041 why\n{MODULE}\n"),
    Sample("FD006", f"{MODULE} # {MARK} FD040\n", "1:52", f"{MODULE} # {MARK} ignore-file=FD040 why\n"),
    Sample("FD010", f"{MODULE} --max-modl-len 4096\n", "1:52", f"{MODULE} --max-model 4096\n"),
    Sample("FD011", f"{MODULE} --enable-entropy\n", "1:52", f"{MODULE} --seed 1\n", version="2.4.0"),
    Sample("FD012", f"{MODULE} --enable-logprob true\n", "1:69", f"{MODULE} --enable-logprob $MORE\n"),
    Sample("FD013", f"{MODULE} --seed 1 --seed 2\n", "1:61", f"{MODULE} --seed 1 --port 2\n"),
    Sample("FD014", f"{MODULE} --seed one\n", "1:59", f"{MODULE} --seed ${{SEED:-one}}\n"),
    Sample("FD015", f"{MODULE} --enable-mm\n", "1:52", f"{MODULE}\n"),
    Sample("FD016", f"{MODULE} --config f.yaml --port 1\n", "1:52", f"{MODULE} --config f.yaml\n"),
    Sample("FD017", f"{MODULE} --seed --port 1\n", "1:52", f"{MODULE} --seed 1 --port 1\n"),
    Sample("FD018", f"{MODULE} --max_model_len 4096\n", "1:52", f"{MODULE} --lm_head-fp32\n",
           f"{MODULE} --max-model-len 4096\n"),
    yaml("FD020", "max-model-len: 4096\n", "2:1", "max_model_len: 4096\n", "max_model_len: 4096\n"),
    yaml("FD020", '"max-model-len": 4096\n', "2:1", '"max_model_len": 4096\n', '"max_model_len": 4096\n'),
    yaml("FD021", "max_model_length: 4096\n", "2:1", "max_model_len: 4096\n"),
    yaml("FD021", "no-enable-prefix-caching: true\n", "2:1", "enable_prefix_caching: false\n"),
    yaml("FD022", "port: 1\nport: 2\n", "3:1", "port: 1\nmetrics_port: 2\n"),
    Sample("FD030", f"{MODULE} --limit-mm-per-prompt \"{{'image': 4}}\"\n", "1:52",
           f"{MODULE} --limit-mm-per-prompt '{{\"image\": 4}}'\n"),
    yaml("FD031", "mm_processor_kwargs: {image_max_pixels: 12845056.0}\n", "2:41",
         "mm_processor_kwargs: {image_max_pixels: 12845056}\n", "mm_processor_kwargs: {image_max_pixels: 12845056}\n"),
    yaml("FD031", "mm_processor_kwargs: '{\"video_fps\": \"2\"}'\n", "2:37",
         "mm_processor_kwargs: '{\"video_fps\": 2}'\n", "mm_processor_kwargs: '{\"video_fps\": 2}'\n"),
    Sample("FD031", f"{MODULE} --mm-processor-kwargs '[784]'\n", "1:52",
           f"{MODULE} --mm-processor-kwargs '{{\"video_fps\": 2}}'\n"),
    yaml("FD031", "limit_mm_per_prompt: [4]\n", "2:1", "limit_mm_per_prompt: {image: 4}\n"),
    yaml("FD031", "mm_processor_kwargs: {video_frames_sample: 1}\n", "2:44",
         "mm_processor_kwargs: {video_frames_sample: leading}\n"),
    yaml("FD032", "mm_processor_kwargs: {max_pixels: 3}\n", "2:23", "mm_processor_kwargs: {image_max_pixels: 784}\n"),
    Sample("FD033", f"{MODULE} {MODEL} --limit-mm-per-prompt '{{\"video\": 4}}'\n", "1:87",
           f"{MODULE} {MODEL} --limit-mm-per-prompt '{{\"image\": 4}}'\n"),
    yaml("FD034", 'guided_decoding_disable_any_whitespace: "False"\nport: 1\n', "2:1",
         "guided_decoding_disable_any_whitespace: yes please\n", "port: 1\n"),
    yaml("FD040", "port: 8180\ncache_queue_port: 8180\n", "3:1", "port: 8180\nmetrics_port: 8180\n"),
    Sample("FD040", f"{MODULE} --cache-queue-port 8001\n", "1:52", f"{MODULE} --cache-queue-port 8002\n",
           version="2.3.1"),
    Sample("FD041", f"{MODULE}\n", "1:11", f"{MODULE} --metrics-port 8181\n", version="2.3.1"),
    Sample("FD042", f"FD_API_KEY=$K {MODULE}\n", "1:1", f"FD_API_KEY=$K {MODULE} --metrics-port 8181\n"),
    yaml("FD043", "controller_port: 8184\n", "2:1", "controller_port: -1\n"),
    Sample("FD044", f"{MODULE} --data-parallel-size 2 --engine-worker-queue-port 8182\n", "1:75",
           f"{MODULE} --data-parallel-size 2 --engine-worker-queue-port 8182,8183\n"),
    Sample("FD044", f"{MODULE} --engine-worker-queue-port 8182,8183\n", "1:52",
           f"{MODULE} --data-parallel-size 4 --ips 10.0.0.1,10.0.0.2 --engine-worker-queue-port 8182,8183\n"),
    yaml("FD050", "reasoning_parser: erine-45-vl-thinking\n", "2:19", "reasoning_parser: ernie-45-vl-thinking\n",
         "reasoning_parser: ernie-45-vl-thinking\n"),
    yaml("FD051", "tool_call_parser: ernie-45-vl-thinking\n", "2:1",
         "tool_call_parser: ernie-45-vl-thinking\nreasoning_parser: ernie-45-vl-thinking\n"),
    Sample("FD052", f"{MODULE} {MODEL}\n", "1:11", f"{MODULE} --model /srv/other\n"),
    Sample("FD053", f"{MODULE} {MODEL} --quantization fp8\n", "1:102", f"{MODULE} {MODEL} --quantization wint4\n"),
    Sample("FD054", f"{MODULE} {MODEL} --splitwise-role decode\n", "1:87",
           f"{MODULE} {MODEL} --splitwise-role mixed\n"),
    Sample("FD054", f"{MODULE} {MODEL} --speculative-config '{{\"method\": \"mtp\"}}'\n", "1:87",
           f"{MODULE} --model /srv/a --speculative-config '{{\"method\": \"mtp\"}}'\n"),
    Sample("FD060", f"# x\npip install fastdeploy-gpu==2.2.1 -i $INDEX\n{MODULE} {MODEL}\n", "2:29",
           f"# fastdeploy-gpu==2.2.1\npip install fastdeploy-gpu==2.3.0 -i $INDEX\n{MODULE} {MODEL}\n"),
    Sample("FD061", "pip install fastdeploy\n", "1:13", "pip install -i $PADDLE fastdeploy-gpu\n"),
    Sample("FD061", "pip install 'fastdeploy[all]>=2.5'\n", "1:13", "pip install fastdeploy_gpu==2.5.0 -i $PADDLE\n"),
    Sample("FD062", "pip install 'fastdeploy_gpu>=2.5'\n", "1:13", "pip install -i $PADDLE 'fastdeploy_gpu>=2.5'\n"),
    Sample("FD062", "pip install paddlepaddle-gpu\n", "1:13", "pip install -i $PADDLE paddlepaddle-gpu\n"),
    Sample("FD070", f"{MODULE}\n", "1:11", f"{MODULE} $MORE\n"),
    yaml("FD071", "mm_processor_kwargs: {image_max_pixels: 12845056}\nmax_num_batched_tokens: 8192\n", "3:1",
         "mm_processor_kwargs: {image_max_pixels: 6422528}\nmax_num_batched_tokens: 8192\n"),
    yaml("FD072", "max_num_seqs: 257\n", "2:1", "max_num_seqs: 256\n"),
    yaml("FD073", "gpu_memory_utilization: 0.95\n", "2:1", "gpu_memory_utilization: 0.9\n"),
    Sample("FD074", f"{MODULE} {MODEL}\n", "1:11", f"{MODULE} {MODEL} --no-enable-prefix-caching\n"),
    Sample("FD075", f"{MODULE} {MODEL}\n", "1:11", f"# {MARK} ignore=FD075 bf16 is meant\n{MODULE} {MODEL}\n"),
    yaml("FD076", "workers: 4\n", "2:1", "workers: 1\n"),
    yaml("FD077", "load_choices: default\n", "2:1", "load_choices: default_v1\n"),
    Sample("FD078", f"{MODULE} {MODEL} --max-model-len 262144\n", "1:87", f"{MODULE} {MODEL} --max-model-len 131072\n"),
    Sample("FD080", f"{MODULE} --api-key sk-1\n", "1:52", f"{MODULE}\n"),
    Sample("FD081", f"export FD_API_KEY=sk-1\n{MODULE}\n", "1:8", f"export FD_API_KEY=$(cat key)\n{MODULE}\n"),
    Sample("FD082", f"{MODULE} --host 0.0.0.0\n", "1:52", f"{MODULE} --host 127.0.0.1\n"),
    yaml("FD083", "dynamic_load_weight: true\n", "2:1", "dynamic_load_weight: false\n"),
    Sample("FD090", f"{MODULE}\n", "1:11", f"DO_NOT_TRACK=1 {MODULE}\n"),
    Sample("FD091", f"FD_LOG_DIR=log {MODULE}\n", "1:1", f"FD_LOG_DIR=/log {MODULE}\n"),
    Sample("FD092", f"ENABLE_V1_KVCACHE_SCHEDULER=0 {MODULE}\n", "1:1", f"ENABLE_V1_KVCACHE_SCHEDULER=1 {MODULE}\n"),
    Sample("FD093", "FD_ENABLE_INTERNAL_ADAPTER=1\n", "1:1", "FD_ENABLE_INTERNAL_ADAPTER=0\n", name="engine.env"),
    Sample("FD094", f"http_proxy=http://p:1 {MODULE}\n", "1:1", f"NO_PROXY=127.0.0.1 http_proxy=http://p:1 {MODULE}\n"),
    Sample("FD095", "FD_SAMPLING_CLAS=base\n", "1:1", "FD_OWN_SETTING=base\n", name="engine.env"),
    Sample("FD096", "FD_SAMPLING_CLASS=greedy\n", "1:19", "FD_SAMPLING_CLASS=$CLASS\n", name="engine.env"),
    Sample("FD100", f"{MODULE} --model '/srv/a b'\n", "1:60", f"{MODULE} --model '/srv/a_b'\n"),
    Sample("FD101", f"{MODULE} --model models/a/b\n", "1:60", f"{MODULE} --model /srv/a\n"),
    Sample("VL001", "vllm serve /m --reasoning-parser ernie-45-vl-thinking\n", "1:34",
           "vllm serve /m --reasoning-parser qwen3\n", "vllm serve /m --reasoning-parser ernie45\n"),
    Sample("VL002", "vllm serve /m --tool-call-parser ernie45 --port 1\n", "1:15",
           "vllm serve /m --tool-call-parser ernie45 --enable-auto-tool-choice\n",
           "vllm serve /m --tool-call-parser ernie45 --enable-auto-tool-choice --port 1\n"),
    Sample("VL003", "vllm serve /ERNIE-4.5-VL-Thinking\n", "1:1",
           "vllm serve /ERNIE-4.5-VL-Thinking --trust-remote-code\n"),
    Sample("VL004", "vllm serve /m -q wint8\n", "1:18", "vllm serve /m -q fp8_per_tensor\n"),
    yaml("VL005", "trust-remote-code: true\nrevision:\n", "3:1", "trust-remote-code: true\n",
         "trust-remote-code: true\n", name="vllm.yaml"),
    Sample("VL006", "vllm serve --config /etc/vllm.conf\n", "1:12", "vllm serve --config /etc/vllm.yml\n"),
    Sample("SV001", f"{COMPOSE}    healthcheck: {{test: curl -f http://a/health}}\n", "5:25",
           f"{COMPOSE}    healthcheck: {{test: ernie-deploy wait}}\n", name="compose.yaml"),
    Sample("SV002", f"{POD}    livenessProbe: {{tcpSocket: {{port: 1}}, failureThreshold: 2}}\n", "7:61",
           f"{POD}    livenessProbe: {{tcpSocket: {{port: 1}}}}\n", name="pod.yaml"),
    Sample("SV003", f"{POD}    livenessProbe: {{tcpSocket: {{port: 1}}}}\n", "7:20",
           f"{POD}    livenessProbe: {{tcpSocket: {{port: 1}}}}\n    startupProbe: {{tcpSocket: {{port: 1}}}}\n",
           name="pod.yaml"),
    Sample("SV004", f"[Service]\nExecStart={MODULE}\nRestart=on-failure\n", "3:9",
           f"[Service]\nExecStart={MODULE}\nRestart=always\n", name="a.service"),
    Sample("SV005", f"[Service]\nKillMode=process\nExecStart={MODULE}\n", "2:10",
           f"[Service]\nKillMode=mixed\nExecStart={MODULE}\n", name="a.service"),
    Sample("SV006", COMPOSE, "2:3", f"{COMPOSE}    shm_size: 8gb\n", name="compose.yaml"),
    Sample("SV007", "apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n"
           "      - name: a\n        command: [vllm, serve, /m]\n        resources: {limits: {nvidia.com/gpu: 1}}\n",
           "2:7",
           "apiVersion: apps/v1\nkind: Deployment\nspec:\n  strategy: {type: Recreate}\n  template:\n    spec:\n"
           "      containers:\n      - name: a\n        command: [vllm, serve, /m]\n"
           "        resources: {limits: {nvidia.com/gpu: 1}}\n", name="deployment.yaml"),
    Sample("SV008", "fastdeploy serve --port 1\n", "1:1", f"{MODULE} --port 1\n"),
)  # fmt: skip


def found(rule: str, text: str, name: str, version: str = "") -> tuple[Finding, ...]:
    versions: dict[Engine, str] = {"fastdeploy": version} if version else {}
    return findings(read(name, text, versions=versions), only=(rule,))


def label(sample: Sample) -> str:
    return f"{sample.rule}-{rules()[sample.rule].title.replace(' ', '-')}"


@pytest.mark.parametrize("sample", SAMPLES, ids=label)
def test_a_rule_finds_what_breaks_it_at_its_place_and_nothing_else(sample: Sample) -> None:
    places = [f"{one.line}:{one.column}" for one in found(sample.rule, sample.bad, sample.name, sample.version)]
    assert places == [sample.place]
    assert found(sample.rule, sample.good, sample.name, sample.version) == ()


@pytest.mark.parametrize("sample", [one for one in SAMPLES if one.mended], ids=label)
def test_a_certain_fix_leaves_nothing_to_fix_and_is_the_same_the_second_time(sample: Sample) -> None:
    def judge(text: str) -> tuple[Finding, ...]:
        return found(sample.rule, text, sample.name, sample.version)

    once = mended(sample.bad, judge)
    assert once.characters == sample.mended
    assert judge(once.characters) == ()
    assert mended(once.characters, judge).characters == once.characters


def test_rules_that_say_they_are_fixed_are_those_that_a_sample_fixes() -> None:
    assert {one.rule for one in SAMPLES if one.mended} == {rule.id for rule in rules().values() if rule.mends}


def test_every_rule_has_a_judge_and_every_judge_a_rule() -> None:
    assert set(OF_LAUNCHES) | set(OF_FILES) == set(rules())
    assert set(OF_LAUNCHES) & set(OF_FILES) == set()


def test_every_rule_is_broken_by_a_sample() -> None:
    assert {one.rule for one in SAMPLES} == set(rules())


def test_there_are_more_rules_than_the_promised_twenty_five_and_their_texts_are_whole() -> None:
    assert len(rules()) == 72
    for rule in rules().values():
        assert rule.title
        assert rule.consequence
        assert rule.fix
        assert rule.source
        assert not rule.fix.endswith("."), rule.id


@pytest.mark.parametrize("path", [Path("a.sh"), Path("a.yaml")], ids=str)
def test_what_only_the_running_shell_knows_is_not_judged(path: Path) -> None:
    opaque = {"a.sh": f'{MODULE} {MODEL} --port "$PORT" --metrics-port $PORT --seed `id` --quantization "${{Q:-fp8}}"',
              "a.yaml": "port: ${PORT}\nmetrics_port: ${PORT}\nseed: '{{ seed }}'\nquantization: $Q\n"}  # fmt: skip
    rules_about_values = ("FD014", "FD030", "FD040", "FD053", "FD072")
    assert findings(read(path.name, opaque[path.name]), only=rules_about_values) == ()
