"""One cause and one fix for the lines engines really print, and nothing for lines that only look like it."""

import pytest

from ernie_deploy.catalog.load import engines
from ernie_deploy.diagnose.explain import explain, signatures
from ernie_deploy.spec.load import decode

LOGS = {
    ("vllm", "vllm-memory-utilization"): (
        "ValueError: To serve at least one request with the model's max seq len (131072), 7.0 GiB KV cache is needed"
    ),
    ("vllm", "vllm-parser-unknown"): 'KeyError: "Reasoning parser \'ernie46\' not found',
    ("vllm", "unknown-flag"): "vllm: error: unrecognized arguments: --max-len 5",
    ("vllm", "repo-id"): "huggingface_hub.errors.HFValidationError: Repo id must be in the form",
    ("vllm", "remote-code"): "ValueError: The repository contains custom code which must be executed to load it",
    ("vllm", "context-too-long"): "User-specified max_model_len (9) is greater than the derived max_model_len (8)",
    ("vllm", "port-taken"): "OSError: [Errno 98] Address already in use",
    ("vllm", "weights-missing"): "RuntimeError: Cannot find any model weights with `hub`",
    ("vllm", "weights-truncated"): "SafetensorError: Error while deserializing header: incomplete metadata",
    ("transformers", "torchvision-mismatch"): "RuntimeError: operator torchvision::nms does not exist",
    ("fastdeploy", "fastdeploy-no-kv"): (
        "ValueError: The total number of blocks cannot be less than zero bug got -12. Please increase"
    ),
    ("fastdeploy", "fastdeploy-parser-unknown"): "KeyError: \"'ernie-45-vl-thinking' not found in reasoning_parsers\"",
    ("fastdeploy", "cuda-out-of-memory"): "ResourceExhaustedError: Out of memory error on GPU 0.",
    ("fastdeploy", "kernel-image"): "OSError: CUDA error(209), no kernel image is available for execution",
    ("fastdeploy", "port-taken"): "The parameter `port`:8180 is already in use.",
    ("fastdeploy", "dtype-keys"): "ValueError: Only one of 'torch_dtype' or 'dtype' should be present in config.json",
    ("fastdeploy", "model-not-reachable"): (
        "The master of PaddlePaddle/ERNIE is not exist. Please check the model name or revision."
    ),
    ("fastdeploy", "fastdeploy-worker-died"): (
        "Failed to launch worker processes, check log/workerlog.* for more details."
    ),
    ("fastdeploy", "shared-memory"): "Fatal Python error: Bus error",
    ("fastdeploy", "host-out-of-memory"): "OSError: [Errno 12] Cannot allocate memory",
    ("vllm", "disk-full"): "OSError: [Errno 28] No space left on device: '/var/log/x'",
    ("vllm", "module-missing"): "ModuleNotFoundError: No module named 'xgrammar'",
}  # fmt: skip


@pytest.mark.parametrize(("engine", "name"), LOGS)
def test_a_known_failure_is_named(engine: str, name: str) -> None:
    found = explain(f"INFO starting\n{LOGS[engine, name]}\nTraceback …\n", engine)
    assert found is not None
    assert found.id == name
    assert found.cause
    assert found.fix


@pytest.mark.parametrize(
    "log",
    [
        "",
        "INFO: Loading Weights: 100%",
        "INFO memory usage 12 GiB of 44 GiB, no error",
        "WARNING resource_tracker: There appear to be 4 leaked shared_memory objects to clean up at shutdown",
        "Error extracting sub services: [Errno 3] No such process",
        "Using download source: huggingface",
    ],
)
@pytest.mark.parametrize("engine", engines())
def test_what_is_no_failure_gets_no_cause(log: str, engine: str) -> None:
    assert explain(log, engine) is None


def test_the_telling_line_wins_over_the_general_one_that_follows_it() -> None:
    log = LOGS["fastdeploy", "cuda-out-of-memory"] + "\n" + LOGS["fastdeploy", "fastdeploy-worker-died"]
    found = explain(log, "fastdeploy")
    assert found is not None
    assert found.id == "cuda-out-of-memory"


def test_a_signature_of_another_engine_does_not_count() -> None:
    assert explain(LOGS["vllm", "vllm-memory-utilization"], "fastdeploy") is None


def test_a_remedy_is_a_valid_spec() -> None:
    for signature in signatures():
        decode(signature.remedy, signature.id)
    assert [signature.id for signature in signatures() if signature.remedy] == ["vllm-memory-utilization"]


def test_every_signature_is_of_known_engines_and_has_an_id_of_its_own() -> None:
    names = [signature.id for signature in signatures()]
    assert len(set(names)) == len(names)
    for signature in signatures():
        assert set(signature.engines) <= set(engines())
