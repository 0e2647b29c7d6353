"""Deploy ERNIE-4.5-VL-28B-A3B-Thinking on your own GPU, and know that it answers."""

__version__ = "0.1.0"
