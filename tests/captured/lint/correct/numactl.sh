export FD_LOG_DIR=/l DO_NOT_TRACK=1
numactl --cpunodebind=0 --membind=0 env CUDA_VISIBLE_DEVICES=0 python3 -u -m fastdeploy.entrypoints.openai.api_server --host 127.0.0.1 --model /m --max-model-len 4096 \
   --graph-optimization-config '{"use_cudagraph": true, "graph_opt_level": 0, "cudagraph_capture_sizes": [1,2,4]}' \
   --early-stop-config '{"enable_early_stop": true, "window_size": 3000, "threshold": 0.99}' \
   --ips 10.0.0.1,10.0.0.2 --data-parallel-size 2 --tensor-parallel-size 1 --engine-worker-queue-port 8182
