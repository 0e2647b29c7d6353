#!/bin/bash
ARGS=(
  --model /srv/models/ernie      # local
  --port 8180
  # the metrics
  --metrics-port 8181
  --host 127.0.0.1
  --max-model-len 32768
  --quantization wint4
  --no-enable-prefix-caching
  --limit-mm-per-prompt '{"image": 10}'
  --reasoning-parser ernie-45-vl-thinking
  --tool-call-parser ernie-45-vl-thinking
)
if [[ -n "${EXTRA:-}" ]]; then
  ARGS+=(--max-num-seqs 16)
fi
export FD_LOG_DIR=/var/log/fd DO_NOT_TRACK=1
exec python -m fastdeploy.entrypoints.openai.api_server "${ARGS[@]}" "$@"
