#!/usr/bin/env bash
set -euo pipefail
export DO_NOT_TRACK=1 FD_LOG_DIR=/var/log/fastdeploy
MODEL=/srv/models/ERNIE-4.5-VL-28B-A3B-Thinking
PORT="${PORT:-8180}"
python -m fastdeploy.entrypoints.openai.api_server \
  --model "$MODEL" \
  --max-model-len 131072 \
  --max-num-seqs 32 \
  --port "$PORT" \
  --metrics-port 8181 \
  --host 127.0.0.1 \
  --quantization wint8 \
  --reasoning-parser ernie-45-vl-thinking \
  --tool-call-parser ernie-45-vl-thinking \
  --max-num-batched-tokens 16384 \
  --no-enable-prefix-caching \
  --limit-mm-per-prompt '{"image": 10, "video": 1}' \
  --mm-processor-kwargs '{"image_max_pixels": 12845056 }'
