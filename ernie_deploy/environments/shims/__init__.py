"""Files that recipes write into an engine's environment. Nothing here is imported by ernie_deploy itself."""
