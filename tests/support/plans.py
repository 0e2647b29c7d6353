"""A complete Plan and Launch to start from; a test changes what it is about.

a_plan(port=9000, gpus=(0, 1))          bare values are wrapped in a Setting
a_launch(ports=(Port(9000, "http", "127.0.0.1"),))
"""

from typing import Any

from ernie_deploy.engines.base import Launch, Port
from ernie_deploy.plan.values import Plan, Setting

MODEL = "baidu/ERNIE-4.5-VL-28B-A3B-Thinking"
MODEL_PATH = "/srv/models/ernie"
PYTHON = "/srv/fastdeploy/bin/python"
STATE_DIR = "/var/lib/ernie"

_PLAIN = {"name", "state_dir"}


def a_plan(**changes: Any) -> Plan:
    """FastDeploy 2.5.0 with wint8 on card 0, weights in a local directory, loopback only."""
    fields: dict[str, Any] = {
        "name": "ernie",
        "state_dir": STATE_DIR,
        "engine": "fastdeploy",
        "engine_version": "2.5.0",
        "engine_python": PYTHON,
        "device": "cuda",
        "gpus": (0,),
        "model": MODEL_PATH,
        "model_path": MODEL_PATH,
        "revision": None,
        "served_model_name": "ernie",
        "host": "127.0.0.1",
        "port": 8180,
        "metrics_port": 8181,
        "engine_worker_queue_port": 8182,
        "cache_queue_port": 8183,
        "api_key_file": None,
        "quantization": "wint8",
        "max_model_len": 32768,
        "max_num_seqs": 32,
        "max_num_batched_tokens": 16384,
        "gpu_memory_utilization": 0.9,
        "tensor_parallel_size": 1,
        "mm_processor_kwargs": {"image_max_pixels": 12845056, "video_max_frames": 30},
        "limit_mm_per_prompt": {"image": 10, "video": 1},
        "enable_prefix_caching": False,
        "reasoning_parser": "ernie-45-vl-thinking",
        "tool_call_parser": "ernie-45-vl-thinking",
        "trust_remote_code": False,
        "engine_args": {},
        "env": {},
        "ready_when": "thinking",
        "ready_timeout_s": 1800.0,
        "no_progress_s": 600.0,
        "stop_grace_s": 30.0,
        "ignore_checks": (),
    }
    fields.update(changes)
    wrapped: dict[str, Any] = {name: value if name in _PLAIN else _setting(value) for name, value in fields.items()}
    return Plan(**wrapped)


def a_launch(**changes: Any) -> Launch:
    """What `a_plan()` would run."""
    fields: dict[str, Any] = {
        "engine": "fastdeploy",
        "argv": (PYTHON, "-m", "fastdeploy.entrypoints.openai.api_server", f"--model={MODEL_PATH}", "--port=8180"),
        "env": {"NO_PROXY": "127.0.0.1,localhost,::1", "FD_LOG_DIR": f"{STATE_DIR}/log"},
        "secret_env": {},
        "links": {},
        "working_dir": STATE_DIR,
        "log_dir": f"{STATE_DIR}/log",
        "ports": (Port(8180, "http", "127.0.0.1"), Port(8181, "metrics", "0.0.0.0")),
        "base_url": "http://127.0.0.1:8180",
        "served_model": "ernie",
    }
    fields.update(changes)
    return Launch(**fields)


def _setting(value: Any) -> Setting[Any]:
    return value if isinstance(value, Setting) else Setting(value, why="a test says so", source="flag", origin="test")
