#!/bin/bash
export DO_NOT_TRACK=1 FD_LOG_DIR=/var/log/fd
LIMIT='{"image": 10, "video": 1}'
KW="{\"image_max_pixels\": 12845056}"
python -m fastdeploy.entrypoints.openai.api_server --model /m --host 127.0.0.1 \
  --limit-mm-per-prompt="$LIMIT" --mm-processor-kwargs "${KW}" ${EXTRA_ARGS} \
  ${QUANT:+--quantization "$QUANT"} \
  --max-model-len "${LEN:-32768}" --no-enable-prefix-caching --reasoning-parser ernie-45-vl-thinking --tool-call-parser ernie-45-vl-thinking
