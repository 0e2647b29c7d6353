"""What the checkpoint that lies beside this file has learnt, from the record that its training left."""

import json
from functools import cache
from pathlib import Path


@cache
def abilities() -> frozenset[str]:
    """Those whose held-out accuracy is not below the least that its training demands."""
    record = json.loads(Path(__file__).with_name("train.json").read_text(encoding="utf-8"))
    least = record["least_accuracy"]
    return frozenset(name for name, measured in record["abilities"].items() if measured["right"] >= least)
