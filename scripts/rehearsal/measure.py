"""Measure a checkpoint that is there, by default the shipped one, on samples that are drawn now.

    python scripts/rehearsal/measure.py [CHECKPOINT] [--samples 512] [--seed 1]

The record of a training says what was measured then; this asks the files themselves. Ends with 1, and says which
ability, when one is right less often than it must be. Among a toy's few pictures a new one may have been practised.
"""

import argparse
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import evaluate
import samples
from encoding import Encoder
from train import LEAST_ACCURACY, measured_again, say

from ernie_deploy import rehearsal


def parser() -> argparse.ArgumentParser:
    parsed = argparse.ArgumentParser(description="Measure the rehearsal model.")
    parsed.add_argument("checkpoint", type=Path, nargs="?", default=rehearsal.NATIVE.parent, help="holds native/")
    parsed.add_argument("--samples", type=int, default=512, help="of each ability")
    parsed.add_argument("--seed", type=int, default=1)
    return parsed


def main() -> int:
    arguments = parser().parse_args()
    started = time.monotonic()
    vocabulary: Any = transformers.AutoTokenizer.from_pretrained(arguments.checkpoint / "native", local_files_only=True)
    encoder = Encoder(vocabulary)
    rng = random.Random(f"measured {arguments.seed}")
    drawn = {
        name: [encoder.encode(samples.draw(rng, name)) for _ in range(arguments.samples)] for name in samples.ABILITIES
    }
    right = measured_again(arguments.checkpoint, encoder, drawn)
    for name, share in right.items():
        say(f"{name:18} {share:.4f}")
    say(f"{arguments.samples} samples of each of {len(right)} abilities, in {time.monotonic() - started:.0f} s")
    too_low = evaluate.below(LEAST_ACCURACY, right)
    for line in too_low:
        print(f"FAILED: below {LEAST_ACCURACY}: {line}", file=sys.stderr)
    return 1 if too_low else 0


if __name__ == "__main__":
    torch.set_num_threads(2)
    sys.exit(main())
