#!/bin/bash
start() {
  local model="$1"
  # where it logs
  FD_LOG_DIR=/var/log/fd DO_NOT_TRACK=1 nohup python3 -m fastdeploy.entrypoints.openai.api_server --model "$model" --max-model-len 32768 \
     --host 127.0.0.1 --metrics-port 8181 --quantization wint8 --limit-mm-per-prompt '{"image":10}' --no-enable-prefix-caching \
     --reasoning-parser ernie-45-vl-thinking --tool-call-parser ernie-45-vl-thinking > /var/log/fd.log 2>&1 &
  echo $! > /run/fd.pid
}
case "$1" in
  start) start "${2:-/srv/models/ernie}" ;;
  stop) kill "$(cat /run/fd.pid)" ;;
  *) echo "usage: $0 start|stop" >&2; exit 2 ;;
esac
