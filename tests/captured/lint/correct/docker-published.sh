# ernie-deploy lint: ignore=FD082 only the proxy of this rack reaches the host
docker run -d --gpus all --ipc=host -p 8180:8180 -e DO_NOT_TRACK=1 -e FD_LOG_DIR=/logs -v /srv/models:/models:ro \
  registry.local/fastdeploy-cuda-12.6:2.5.0 \
  python -m fastdeploy.entrypoints.openai.api_server --model /models/ernie --host 0.0.0.0 --port 8180 \
    --metrics-port 8181 --max-model-len 32768
