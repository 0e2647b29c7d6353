#!/bin/sh
# asks a fastdeploy server
curl http://127.0.0.1:8180/v1/chat/completions -H 'Content-Type: application/json' -d '{"model": "ernie", "messages": []}'
python -m fastdeploy.tools --help
