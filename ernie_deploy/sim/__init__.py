"""A simulator of FastDeploy: the same command line, ports, logs and answers, without a card and without a model."""
