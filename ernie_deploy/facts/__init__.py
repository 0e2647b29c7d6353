"""What this host has. Only collect.py looks; the rest are values and parsers."""
