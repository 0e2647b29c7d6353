"""The lines the engines print, in their order and with their real wording; see the engine reference."""

import argparse
import json
import os

from .dialects import Voice

Lines = tuple[str, ...]
PlacedLines = tuple[tuple[str, str], ...]
"""Each with the engine's log file that it goes into, or "" for the console."""

CRASH: PlacedLines = (
    ("", "Traceback (most recent call last):"),
    ("", '  File "<frozen runpy>", line 198, in _run_module_as_main'),
    ("", '  File "<frozen runpy>", line 88, in _run_code'),
    ("", "RuntimeError: the fake engine was told to die at its start"),
)

FAILED_START: PlacedLines = (
    ("workerlog.0", "Traceback (most recent call last):"),
    ("workerlog.0", "RuntimeError: the fake worker was told to fail"),
    ("", "Failed to launch worker processes, check log/workerlog.* for more details."),
    ("", "Failed to initialize FastDeploy LLM engine, service exit now!"),
)


def loading(voice: Voice, options: argparse.Namespace) -> tuple[Lines, Lines]:
    """What is printed at once, and what is printed while it loads."""
    if voice.engine == "vllm":
        return _vllm_loading(voice, options)
    if voice.engine == "transformers":
        return (f"INFO:     Started server process [{os.getpid()}]", "INFO:     Waiting for application startup."), (
            "Loading weights: 100%",
        )
    configuration = json.dumps({key: value for key, value in vars(options).items() if value is not None}, default=str)
    before = (
        "Number of api-server workers: 1.",
        "Parameter `engine_worker_queue_port` is not specified, found available ports for possible use: [44321]",
        "=================== Configuration Information ===============",
        configuration,
        "=============================================================",
        "Waiting for worker processes to be ready...",
    )
    after = (
        "Loading Weights:  50%|#####     | 50/100",
        "Loading Weights: 100%|##########| 100/100",
        "Loading Layers:  50%|#####     | 50/100",
        "Loading Layers: 100%|##########| 100/100",
        "Worker processes are launched with 1 seconds.",
        "Detected 1024 gpu blocks and 0 cpu blocks in cache (block size: 64).",
        "FastDeploy will be serving 2 running requests if each sequence reaches its maximum length: "
        f"{options.max_model_len or 2048}",
        "FastDeploy LLM engine initialized!",
    )
    return before, after


def memory_report() -> PlacedLines:
    """What FastDeploy writes about a card of 46,068 MiB when it has measured; one tuple in one line, as there."""
    said = (
        "After running the profile, the memory usage info is as follows:",
        "\nDevice Total memory: 44.98828125",
        "\nDevice used memory: 34.5",
        "\nDevice free memory: 10.48828125",
        "\nPaddle reserved memory: 36.25",
        "\nPaddle allocated memory: 36.0",
        "\nAvailable KV Cache meomory: 3.5",
        "Profile time: 0.1",
    )
    loop = ("available_kv_cache_memory:3.5 GB", "model_block_memory_used:0.00341796875 GB", "num_blocks_local:1024",
            "num_blocks_global: 1024")  # fmt: skip
    return ("gpu_worker.log", str(said)), *(("worker_process.log", f"------- {line} --------") for line in loop)


def _vllm_loading(voice: Voice, options: argparse.Namespace) -> tuple[Lines, Lines]:
    before = (
        f"(APIServer pid={os.getpid()}) INFO vLLM API server version {voice.version}",
        f"(APIServer pid={os.getpid()}) INFO Using max model len {options.max_model_len or 4096}",
        f"(EngineCore pid={os.getpid()}) INFO Starting to load model {options.model}...",
    )
    after = (
        "Loading safetensors checkpoint shards: 100% Completed | 1/1 [00:00<00:00, 24.99it/s]",
        "(EngineCore) INFO Loading weights took 0.05 seconds",
        "(EngineCore) INFO GPU KV cache size: 12,288 tokens",
        f"(EngineCore) INFO Maximum concurrency for {options.max_model_len or 4096} tokens per request: 3.00x",
        "(EngineCore) INFO init engine (profile, create kv cache, warmup model) took 0.20 seconds",
    )
    return before, after


def serving(voice: Voice, options: argparse.Namespace) -> Lines:
    url = f"http://{options.host}:{options.port}"
    if voice.engine == "fastdeploy":
        metrics = f"http://{options.host}:{options.metrics_port or options.port}"
        return (
            f"Launching metrics service at {metrics}/metrics",
            f"Launching chat completion service at {url}/v1/chat/completions",
            f"Launching completion service at {url}/v1/completions",
            f"[INFO] Listening at: {url} ({os.getpid()})",
            "[INFO] Using worker: uvicorn.workers.UvicornWorker",
            "[INFO] Application startup complete.",
        )
    if voice.engine == "vllm":
        return (
            f"(APIServer pid={os.getpid()}) INFO Starting vLLM server on {url}",
            "INFO:     Application startup complete.",
        )
    return "INFO:     Application startup complete.", f"INFO:     Uvicorn running on {url} (Press CTRL+C to quit)"


def port_in_use(voice: Voice, parameter: str, port: int, error: OSError) -> Lines:
    if voice.engine == "fastdeploy":
        return "Traceback (most recent call last):", f"Exception: The parameter `{parameter}`:{port} is already in use."
    return (f"ERROR:    [Errno {error.errno}] error while attempting to bind on address: Address already in use",)


def out_of_memory(voice: Voice) -> PlacedLines:
    if voice.engine == "fastdeploy":
        return (
            ("workerlog.0", "Traceback (most recent call last):"),
            (
                "workerlog.0",
                "ResourceExhaustedError: Out of memory error on GPU 0. Cannot allocate 3.500000GB memory on GPU 0, "
                "22.400000GB memory has been allocated and available memory is only 1.100000GB.",
            ),
            ("", "Failed to launch worker processes, check log/workerlog.* for more details."),
            ("", "Failed to initialize FastDeploy LLM engine, service exit now!"),
        )
    return (
        ("", "Traceback (most recent call last):"),
        (
            "",
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 3.50 GiB. GPU 0 has a total capacity of "
            "23.53 GiB of which 1.10 GiB is free.",
        ),
        ("", "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"),
    )


def small_cache(voice: Voice) -> PlacedLines:
    if voice.engine == "fastdeploy":
        return (
            ("workerlog.0", "Traceback (most recent call last):"),
            (
                "workerlog.0",
                "ValueError: The total number of blocks cannot be less than zero bug got -12. "
                "Please increase gpu_memory_utilization Or decrease max_num_batched_tokens(max model length).",
            ),
            ("", "Failed to launch worker processes, check log/workerlog.* for more details."),
            ("", "Failed to initialize FastDeploy LLM engine, service exit now!"),
        )
    return (
        ("", "Traceback (most recent call last):"),
        (
            "",
            "ValueError: To serve at least one request with the model's max seq len (131072), 3.50 GiB KV cache is "
            "needed, which is larger than the available KV cache memory (1.20 GiB). Based on the available memory, the "
            "estimated maximum model length is 44928. Try increasing `gpu_memory_utilization` or decreasing "
            "`max_model_len` when initializing the engine.",
        ),
        ("", "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"),
    )
