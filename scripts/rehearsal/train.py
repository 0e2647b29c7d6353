"""Train the rehearsal model and write both layouts, its card and `train.json` into a new folder.

    python scripts/rehearsal/train.py OUT [--steps 5200] [--seed 0]
    python scripts/rehearsal/train.py OUT --dry-run

Ends with 1, and says which ability, when one of them is right less often than it must be.
"""

import argparse
import os
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import evaluate
import eyes
import initial
import layouts
import learning
import model_card
import samples
import shape
import swift
import tokenizer
from encoding import Encoded, Encoder

from ernie_deploy.rehearsal import grammar, talk

LEAST_ACCURACY = 0.99

KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**34), "MALLOC_TOP_PAD_": str(2**28)}
"""For glibc: else every large tensor is asked of the system and given back, and half the time of a step went there."""

HeldOut = dict[str, list[Encoded]]
Shares = dict[str, float]


@dataclass(frozen=True)
class Scale:
    """How much of everything; `held_out` and `watched` are per ability."""

    steps: int
    every: int
    corpus: int
    samples: int
    held_out: int
    watched: int
    eyes: int
    cells: int


def full(steps: int) -> Scale:
    return Scale(steps=steps, every=650, corpus=1500, samples=24000, held_out=256, watched=32, eyes=1100, cells=1300)


DRY_RUN = Scale(steps=3, every=1, corpus=60, samples=48, held_out=2, watched=2, eyes=3, cells=8)


def parser() -> argparse.ArgumentParser:
    parsed = argparse.ArgumentParser(description="Train the rehearsal model.")
    parsed.add_argument("out", type=Path, help="a folder that is new or empty")
    parsed.add_argument("--steps", type=int, default=5200)
    parsed.add_argument("--seed", type=int, default=0)
    parsed.add_argument("--threads", type=int, default=2)
    parsed.add_argument(
        "--dry-run",
        action="store_true",
        help="three steps on a little data, with the gate off: do the data, the step and the export still work?",
    )
    return parsed


def unseen(encoder: Encoder, seen: list[Encoded], rng: random.Random, *, count: int) -> HeldOut:
    """Held-out samples, none of which was practised, save those that can only be known by heart."""
    practised = {item.question for item in seen}
    held_out: HeldOut = {}
    for name, ability in samples.ABILITIES.items():
        held_out[name] = []
        while len(held_out[name]) < count:
            item = encoder.encode(samples.draw(rng, name))
            if ability.by_heart or item.question not in practised:
                held_out[name].append(item)
    return held_out


def shares(measured: Shares) -> str:
    return "  ".join(f"{ability} {share:.4f}" for ability, share in measured.items())


def say(line: str) -> None:
    print(line, flush=True)


def new_model(vocabulary: Any) -> Any:
    model = transformers.Ernie4_5_VLMoeForConditionalGeneration(shape.native_config(vocabulary))
    initial.start(model)
    swift.hasten(model)
    return model


def measured_again(out: Path, encoder: Encoder, held_out: HeldOut) -> Shares:
    """The accuracy of what was written, not of what was trained, in the precision in which engines run it."""
    exported = transformers.Ernie4_5_VLMoeForConditionalGeneration.from_pretrained(
        out / "native", dtype=torch.bfloat16, local_files_only=True
    )
    return evaluate.accuracy(exported, encoder, held_out, dtype=torch.bfloat16)


def run(out: Path, scale: Scale, *, seed: int, gated: bool) -> list[str]:
    """Train, measure and write; returns what is wrong with the result."""
    started = time.monotonic()
    rng = random.Random(seed)
    corpus = [tokenizer.prompt(sample) + sample.target for sample in (samples.draw(rng) for _ in range(scale.corpus))]
    words = " ".join([*grammar.FALLBACK_WORDS, *talk.WORDS])
    vocabulary = tokenizer.learn([*corpus, *[words] * 20])
    encoder = Encoder(vocabulary)
    practised = [encoder.encode(samples.draw(rng)) for _ in range(scale.samples)]
    held_out = unseen(encoder, practised, random.Random(f"held out {seed}"), count=scale.held_out)
    # What is practised depends on these, so they are others than those that judge the result.
    watched = unseen(encoder, practised, random.Random(f"watched {seed}"), count=scale.watched)
    say(f"{len(practised)} samples and {len(vocabulary)} tokens after {time.monotonic() - started:.0f} s")

    model = new_model(vocabulary)
    seen = eyes.open_eyes(model, encoder, rng, steps=scale.eyes, pictures=scale.cells)
    told = ", ".join(f"{share:.4f}" for share in seen)
    say(f"of cells the colour, digit, row and column are seen right in {told} after {time.monotonic() - started:.0f} s")

    def report(step: int, loss: float, rate: float) -> Shares:
        right = evaluate.accuracy(model, encoder, watched)
        say(f"{time.monotonic() - started:5.0f} s  step {step}  loss {loss:.4f}  rate {rate:.3f}")
        say(f"         {shares(right)}")
        return right

    learning.train(model, encoder, practised, steps=scale.steps, rng=rng, every=scale.every, report=report)

    layouts.write(out, model, vocabulary)
    right = measured_again(out, encoder, held_out)
    say(f"exported {shares(right)}")

    too_low = evaluate.below(LEAST_ACCURACY, right)
    record = {
        "gate": "off" if not gated else "failed" if too_low else "passed",
        "least_accuracy": LEAST_ACCURACY,
        "seed": seed,
        "steps": scale.steps,
        "samples": scale.samples,
        "threads": torch.get_num_threads(),
        "seconds": round(time.monotonic() - started),
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "bytes": layouts.size(out),
        "most_pixels": shape.MOST_PIXELS,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "abilities": {
            ability: {"held_out": len(items), "right": right[ability]} for ability, items in held_out.items()
        },
    }
    layouts.write_json(out / "train.json", record)
    (out / "MODEL_CARD.md").write_text(model_card.card(record), encoding="utf-8")
    traces = [f"{name} names this machine" for name in layouts.traces_of_this_machine(out)]
    return traces + ([f"below {LEAST_ACCURACY}: {line}" for line in too_low] if gated else [])


def main() -> int:
    arguments = parser().parse_args()
    if not KEEP_MEMORY.keys() <= os.environ.keys():
        os.environ.update(KEEP_MEMORY)
        os.execv(sys.executable, [sys.executable, *sys.argv])
    out: Path = arguments.out
    if out.exists() and any(out.iterdir()):
        print(f"FAILED: {out} is not empty", file=sys.stderr)
        return 1
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(arguments.seed)
    scale = DRY_RUN if arguments.dry_run else full(arguments.steps)
    problems = run(out, scale, seed=arguments.seed, gated=not arguments.dry_run)
    if arguments.dry_run:
        say("the accuracy gate was OFF: this checkpoint is not for use")
    for problem in problems:
        print(f"FAILED: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
