docker run -d --name ernie --gpus '"device=0"' --shm-size 16g --restart always -p 127.0.0.1:8180:8180 \
  -v /srv/models:/models:ro -e DO_NOT_TRACK=1 -e FD_LOG_DIR=/logs -e FD_API_KEY \
  ccr-2vdh3abv-pub.cnc.bj.baidubce.com/paddlepaddle/fastdeploy-cuda-12.6:2.5.0 \
  python -m fastdeploy.entrypoints.openai.api_server --model /models/ernie --host 0.0.0.0 --port 8180 --metrics-port 8181 --max-model-len 32768 --quantization wint8 \
  --reasoning-parser ernie-45-vl-thinking --tool-call-parser ernie-45-vl-thinking --limit-mm-per-prompt '{"image":10}' --no-enable-prefix-caching
