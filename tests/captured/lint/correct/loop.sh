#!/bin/bash
set -a
DO_NOT_TRACK=1
set +a
for i in 0 1; do
  p=$((8180 + 10*i))
  CUDA_VISIBLE_DEVICES=$i FD_LOG_DIR=/var/log/fd$i python -m fastdeploy.entrypoints.openai.api_server \
    --model /srv/models/ernie --port $p --metrics-port $((p+1)) --engine-worker-queue-port $((p+2)) \
    --host 127.0.0.1 --max-model-len 32768 --quantization wint8 --limit-mm-per-prompt '{"image": 4}' --no-enable-prefix-caching \
    --reasoning-parser ernie-45-vl-thinking --tool-call-parser ernie-45-vl-thinking &
done
wait -n || echo "one ended # not a comment"
