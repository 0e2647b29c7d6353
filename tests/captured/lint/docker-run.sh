#!/bin/bash
# docker run fastdeploy-cuda-12.6:2.2.0 is what we had
pip install fastdeploy "paddlepaddle-gpu==3.3.1"
ARGS=(
  --max-model-len 32768
  --quantization wint8   # one card
)
docker run --gpus all -e FD_API_KEY=sk-1 -e FD_LOG_DIR=/logs registry.example/fastdeploy-cuda-12.6:2.4.0 \
  python -m fastdeploy.entrypoints.openai.api_server --model /srv/models/ernie "${ARGS[@]}" \
  --host 0.0.0.0 --speculative-config {"method": "mtp"} --api-key sk-2 \ 
  --enable-overlap-schedule
