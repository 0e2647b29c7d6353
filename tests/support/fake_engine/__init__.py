"""A fake engine that is a real process: it loads, opens its port, answers from the rehearsal grammar, fails on request.

`tests.support.engines.make_engine_env` copies this package into an engine environment of its own, next to thin modules
named like the real ones, so that the real command lines start it:

    PYTHON -m fastdeploy.entrypoints.openai.api_server --model=… --port=…
    PYTHON -m vllm.entrypoints.cli.main serve MODEL --port …      (also -m vllm.entrypoints.openai.api_server, bin/vllm)
    PYTHON -m transformers.cli.transformers serve MODEL --port …  (also bin/transformers)

Standard library only; `grammar.py` is replaced by the real `ernie_deploy/rehearsal/grammar.py` when it is copied.
What each engine says and how it refuses is transcribed from reference sheets, not recorded from FastDeploy.

Environment variables
    FAKE_LOAD_S=0.3      seconds from start until the HTTP port opens
    FAKE_TOKEN_S=0.001   seconds between two streamed chunks
    FAKE_MAX_S=600       after that the server ends by itself: a safety net for tests that lost it
    FAKE_WORKER_MAX_S=120  the same for its worker
    FAKE_FAULTS          comma separated, from this list:

    die-at-start         a traceback, exit 1
    exit-0               FastDeploy's failed start: `Failed to initialize FastDeploy LLM engine, …`, exit 0
    never-ready          the first lines, then silence; the port stays closed
    hang-loading         stops in the middle of loading; the port stays closed
    slow-load:<s>        loads for that long instead of FAKE_LOAD_S
    oom                  the engine's out-of-memory lines, exit 1
    kv-small[:share]     not enough memory for the key-value cache, exit 1, unless argv or --config gives
                         gpu_memory_utilization of that share (0.95) or more; with kv-small:2 nothing is enough
    health-304           /health says 304 (FastDeploy without weights)
    health-200-no-tokens chat requests are accepted and never answered, /health stays 200
    die-while-serving[:n] exits 1 after the first (n-th) answered chat request
    orphan-worker        the worker ignores SIGTERM and outlives the server
    ignore-term          the server ignores SIGTERM (SIGINT and SIGKILL still end it)
    empty-answers        200 with empty content, no reasoning and no tokens
    garbled              words, but not the right ones
    blind                pictures are not looked at and cost no tokens
    leaky-think          `<think>` text stays in the content, as without a reasoning parser
    no-tool-calls        a tool call stays text in the content, as without a tool parser
    stream-error         an error object in the stream, after HTTP 200
    cut-stream           the connection closes in the middle of a stream
    one-chunk-stream     the whole answer in one chunk
    no-done              a stream without `data: [DONE]`
    accept-malformed     malformed requests get a normal answer
    die-on-malformed     a malformed request ends the process
    no-models            /v1/models lists nothing
"""
