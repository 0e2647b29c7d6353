#!/bin/sh
if ! curl -fsS http://127.0.0.1:8180/health; then
  export FD_LOG_DIR=/l DO_NOT_TRACK=1
  python -m fastdeploy.entrypoints.openai.api_server --host 127.0.0.1 --model /m --max-model-len 4096 || exit 1
fi
echo "vllm serve is not used" # vllm serve --foo
pkill -f vllm
grep -q 'fastdeploy.entrypoints.openai.api_server --model' /proc/1/cmdline
