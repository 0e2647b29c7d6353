export HTTPS_PROXY=http://proxy:3128
vllm serve baidu/ERNIE-4.5-VL-28B-A3B-Thinking --port 8180 --host 127.0.0.1 \
  --reasoning-parser ernie-45-vl-thinking \
  # --max-model-len 1000 \
  --tool-call-parser ernie45 --quantization wint8
