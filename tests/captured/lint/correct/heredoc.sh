#!/bin/bash
cat > /tmp/readme <<EOF
Start it with:
  python -m fastdeploy.entrypoints.openai.api_server --model x --foo
EOF
cat <<-'X' >/etc/motd
	vllm serve nothing --bar
	X
FD_LOG_DIR=/var/log/fd DO_NOT_TRACK=1 exec python -m fastdeploy.entrypoints.openai.api_server --config /etc/fd.yaml
