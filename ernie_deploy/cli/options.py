"""The flags that speak about the spec, once for all commands that take them.

`@spec_flags` gives a command these flags and hands it an `Asked`; a flag that is not given says nothing.
"""

import functools
import inspect
import shlex
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from ernie_deploy.errors import UsageError

LONGEST_S = 1_000_000
SPEC = "What to deploy"
TUNING = "Engine settings"
WAITING = "Waiting and checks"


class Flag(NamedTuple):
    """One flag: the key of deploy.yaml it speaks about, its type and its names."""

    key: str
    type: Any
    names: tuple[str, ...]
    help: str
    panel: str


FLAGS = (
    Flag("name", str, ("--name",), "Which deployment; several can live side by side.", SPEC),
    Flag("preset", str, ("--preset",), "A named set of values; see `ernie-deploy plan --presets`.", SPEC),
    Flag("engine", str, ("--engine",), "fastdeploy, vllm or transformers.", SPEC),
    Flag("model", str, ("--model",), "A model id, or the directory of its files.", SPEC),
    Flag("revision", str, ("--revision",), "The revision of a model that is downloaded.", SPEC),
    Flag("engine_python", str, ("--engine-python",), "The interpreter that has the engine.", SPEC),
    Flag("engine_version", str, ("--engine-version",), "The version to plan for when no engine is here.", SPEC),
    Flag("device", str, ("--device",), "cuda or cpu.", SPEC),
    Flag(
        "gpus",
        list[str],
        ("--gpu",),
        "The card to use, by its NVML index; repeat for several. Where nothing is started, also the name of a card that"
        " is not here, such as L20 or 2xL20.",
        SPEC,
    ),
    Flag("host", str, ("--host",), "The address to bind.", SPEC),
    Flag("port", int, ("--port",), "The port of the service.", SPEC),
    Flag("metrics_port", int, ("--metrics-port",), "A port of its own for metrics (FastDeploy).", SPEC),
    Flag("engine_worker_queue_port", int, ("--engine-worker-queue-port",), "The engine's queue (FastDeploy).", SPEC),
    Flag("cache_queue_port", int, ("--cache-queue-port",), "The cache manager's queue (FastDeploy).", SPEC),
    Flag("served_model_name", str, ("--served-model-name",), "The name clients ask for.", SPEC),
    Flag("api_key_file", str, ("--api-key-file",), "A file (mode 0600) with the API key clients must present.", SPEC),
    Flag("quantization", str, ("--quant", "--quantization"), "wint8, wint4 or bf16 (FastDeploy).", TUNING),
    Flag("max_model_len", int, ("--max-model-len",), "Tokens of context a request may have.", TUNING),
    Flag("max_num_seqs", int, ("--max-num-seqs",), "Requests worked on at once.", TUNING),
    Flag("max_num_batched_tokens", int, ("--max-num-batched-tokens",), "Tokens of one prefill step.", TUNING),
    Flag("gpu_memory_utilization", float, ("--gpu-memory-utilization",), "Share of the card, 0 to 1.", TUNING),
    Flag("tensor_parallel_size", int, ("--tensor-parallel-size",), "Cards one model is spread over.", TUNING),
    Flag("mm_processor_kwargs", str, ("--mm-processor-kwargs",), "Picture and video limits, as JSON.", TUNING),
    Flag("limit_mm_per_prompt", str, ("--limit-mm-per-prompt",), "Pictures and videos a request, as JSON.", TUNING),
    Flag(
        "enable_prefix_caching",
        bool,
        ("--enable-prefix-caching/--no-enable-prefix-caching",),
        "Keep the cache of a prompt's beginning.",
        TUNING,
    ),
    Flag("reasoning_parser", str, ("--reasoning-parser",), "What splits thinking from answer.", TUNING),
    Flag("tool_call_parser", str, ("--tool-call-parser",), "What reads tool calls.", TUNING),
    Flag("trust_remote_code", bool, ("--trust-remote-code/--no-trust-remote-code",), "Run the model's code.", TUNING),
    Flag("engine_args", str, ("--engine-args",), "Further engine arguments, as JSON.", TUNING),
    Flag("env", str, ("--env",), "Further variables for the engine, as JSON.", TUNING),
    Flag("ready_when", str, ("--ready-when",), "What must be proven first: text, image or thinking.", WAITING),
    Flag("ready_timeout_s", float, ("--timeout",), "Seconds the whole start may take.", WAITING),
    Flag("no_progress_s", float, ("--no-progress-timeout",), "Seconds without any progress.", WAITING),
    Flag("stop_grace_s", float, ("--grace",), "Seconds answers in flight get when stopping.", WAITING),
    Flag("ignore_checks", list[str], ("--ignore",), "Let this check only warn; repeat for several.", WAITING),
)


class Asked(NamedTuple):
    """What stood on the command line: the file, and the flags that were given, by key.

    With `only_flags` neither ./deploy.yaml nor the environment is asked. `cards` are the names after `--gpu`, of cards
    that are not here; indices are in `flags`.
    """

    file: Path | None
    flags: dict[str, object]
    only_flags: bool = False
    cards: tuple[str, ...] = ()


def patience(flag: str, seconds: float | None) -> float | None:
    """Seconds as a flag gave them. Raises UsageError for what no clock reaches: less than nothing, nan, for ever."""
    if seconds is not None and not 0 <= seconds <= LONGEST_S:
        raise UsageError(f"{flag}: expected a number of seconds up to {LONGEST_S}, got {seconds}")
    return seconds


def restart_command(asked: Asked) -> str:
    """The command that replaces what runs by what was asked for."""
    return command_line(asked, "restart")


def command_line(asked: Asked, command: str, *, without: Collection[str] = ()) -> str:
    """Another command with what was asked for, to be pasted; the keys in `without` are left out."""
    words = ["ernie-deploy", command, *(("--rehearse",) if asked.only_flags else ())]
    words += ["--file", str(asked.file)] if asked.file else []
    for flag in FLAGS:
        value = asked.flags.get(flag.key)
        if value is None or flag.key in without or (asked.only_flags and flag.key == "preset"):
            continue
        positive, _, negative = flag.names[0].partition("/")
        if isinstance(value, bool):
            words.append(positive if value else negative)
        elif isinstance(value, list):
            words += [word for part in value for word in (positive, str(part))]
        else:
            words += [positive, _without_secrets(flag.key, str(value))]
    return shlex.join(words)


def _without_secrets(key: str, text: str) -> str:
    """What was written after a flag, for people; whoever pastes it fills the secrets in again."""
    import json

    from ernie_deploy.plan.secrets import HIDDEN, hidden

    shown = hidden(json.loads(text)) if key == "env" else {}
    return json.dumps(shown) if HIDDEN in shown.values() else text


def spec_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` all flags of the spec; it receives them as its first argument, an `Asked`."""
    own = list(inspect.signature(command).parameters.values())[1:]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        file = given.pop("file")
        flags = {flag.key: value for flag in FLAGS if (value := given.pop(flag.key)) not in (None, [])}
        cards = _split_cards(flags, command.__name__)
        command(Asked(file, flags, cards=cards), **given)

    parameters = [*(one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own), *_shared()]
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _split_cards(flags: dict[str, Any], command: str) -> tuple[str, ...]:
    """Leave indices in `flags`, and give back the names of cards."""
    words = flags.pop("gpus", None)
    if words is None:
        return ()
    from ernie_deploy.cli.elsewhere import split

    indices, names = split(words, command)
    if indices:
        flags["gpus"] = indices
    return names


@functools.cache
def _shared() -> tuple[inspect.Parameter, ...]:
    """Made once for all commands: seven times over it would be felt in `--help`."""
    file = typer.Option("--file", "-f", help="A deploy.yaml; ./deploy.yaml when there is one.", rich_help_panel=SPEC)
    types = {"file": Annotated[Path | None, file], **{flag.key: _type(flag) for flag in FLAGS}}
    keyword = inspect.Parameter.KEYWORD_ONLY
    return tuple(inspect.Parameter(key, keyword, default=None, annotation=type_) for key, type_ in types.items())


def _type(flag: Flag) -> Any:
    return Annotated[flag.type | None, typer.Option(*flag.names, help=flag.help, rich_help_panel=flag.panel)]


Rehearse = Annotated[bool, typer.Option("--rehearse", help="The tiny rehearsal model on the CPU instead.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Name = Annotated[
    str | None,
    typer.Option(
        "--name", help="Which deployment; that of ./deploy.yaml, else the usual one.", envvar="ERNIE_DEPLOY_NAME"
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")]
