$ DO_NOT_TRACK=1 FD_LOG_DIR=/var/log/fd python -m fastdeploy.entrypoints.openai.api_server --model /m --host 127.0.0.1 --max-model-len 4096
