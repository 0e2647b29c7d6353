"""What was asked for: deploy.yaml, environment and flags, as one partial value per layer."""
