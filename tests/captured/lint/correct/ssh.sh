ssh gpu1 'cd /srv && FD_LOG_DIR=/l DO_NOT_TRACK=1 python -m fastdeploy.entrypoints.openai.api_server --model /m --host 127.0.0.1 --max-model-len 4096'
screen -dmS fd bash -lc '. /etc/fd.env; python -m fastdeploy.entrypoints.openai.api_server --config /etc/fd.yaml'
