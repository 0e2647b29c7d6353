#!/bin/sh
VLLM_API_KEY="$(cat /etc/key)"; export VLLM_API_KEY
exec vllm serve /srv/models/ernie --trust-remote-code --host 0.0.0.0 --port 8000 \
  --reasoning-parser ernie45 --tool-call-parser ernie45 --enable-auto-tool-choice \
  --limit-mm-per-prompt '{"image": 10}' -tp 2 --max-model-len 131072 --served-model-name ernie a b
