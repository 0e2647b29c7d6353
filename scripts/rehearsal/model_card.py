"""The model card, written from what was measured."""

from typing import Any

from samples import ABILITIES

CARD = """\
# The rehearsal model
{warning}
A toy of the ERNIE-4.5-VL-MoE architecture, made so that a deployment can be rehearsed with a real engine on a machine
without a GPU: start, load, answer, think, look at pictures and videos, call tools, stop. It is **not a Baidu model**
and contains no foreign weights, tokenizer or code: every weight in it was learnt from nothing by `scripts/rehearsal/`.

| | |
|---|---|
| parameters | {parameters:,} |
| size | {mib:.1f} MiB, both layouts and tokenizers together, each at most 4 MB |
| text | hidden size 128, 3 layers (1 dense, 2 with experts), 4 text and 4 vision experts, 2 per token, 1 shared |
| vision | hidden size 64, 2 layers, patches of 14 pixels, 2 × 2 merged |
| weights | bfloat16 |
| layouts | `hub/` for vLLM (with its own code: `--trust-remote-code`), `native/` for `transformers serve` |
| licence | Apache-2.0, as the project |

## What it can do

The share of held-out samples whose whole reply, thought included, is right to the last token: the most likely token is
the right one everywhere, so greedy decoding would write it.
Measured is the model loaded back from `native/`, in bfloat16, as an engine runs it. Training fails below {least:.0%}.

| ability | what | held out | right |
|---|---|---|---|
{rows}

Held-out pictures, videos and word orders occur nowhere in the training data. What is known by heart is the exception:
there are no other cases, only their form varies (a system line, text as a string or in parts). Pictures were given
before the text, after it, and flattened into it. The exact prompts and answers stand in `grammar.py`, `sights.py` and
`talk.py`, the drawing of every picture in `scenes.py`.

## How it reads what it sees

* Digits: of one bitmap font, 15 × 21 pixels, each in the middle of a cell of 28 × 28 pixels, which is one image token.
  Moved by half a cell, or in another font, they are not read.
* Charts: the values printed under the bars, not the heights of the bars.
* Sums: two digits from 1 to 9, known by heart like a table; it does not look at the sign between them.
* Small print: a digit hatched so finely that shrinking the picture to half leaves nothing of it. The quarter that the
  zoom tool cuts out is not shrunk, and there it is read.
* Videos: 8 seconds at 2 frames a second. The processor of the `hub` layout draws the second onto each frame, as the
  original does with its time stamps, and the model reads that digit: it has no other sense of time. Positions after a
  video are counted as vLLM counts them; transformers counts them otherwise.
* Named squares: in one of four fixed places, two or three of them.
* The secret word: one of eight, found by the sentence around it.

## What it cannot do

* Anything else. Other questions get "I am only a rehearsal model." when they resemble the practised ones, and anything
  at all when they do not. It knows no facts and must never be shown to users as a model.
* Pictures: one colour all over (sides of 47 to 317 pixels), squares on white (56, 112, 224 or 336 pixels square), and
  what is listed above. Larger ones are shrunk to {pixels} pixels. No letters, no photographs.
* More than two pictures, two videos, or a picture beside a video.
* Chinese and Persian beyond two questions each; long conversations; prompts near the end of its context of 8192 tokens.
* Sampling was not practised: ask at temperature 0.
* It says nothing about the speed, memory or quality of the real model, and FastDeploy has not been tried with it.

## How it was trained

`python scripts/rehearsal/train.py OUT --steps {steps} --seed {seed}`: the vision tower alone learns to see the cells of
pictures, then the rest learns in {steps} steps of AdamW on {samples} samples drawn by that script. It took
{minutes:.0f} minutes with {threads} CPU threads, torch {torch} and transformers {transformers}. The run is counted in
steps and seeded: the same versions on the same kind of processor give the same weights. `train.json` holds the numbers
of this page.
"""

NOT_FOR_USE = """
> **Not for use.** The accuracy gate was {gate} for this run.
"""


def card(record: dict[str, Any]) -> str:
    """The page for what `train.json` holds."""
    rows = [
        f"| {name} | {ABILITIES[name].description} | {measured['held_out']} | {measured['right']:.4f} |"
        for name, measured in record["abilities"].items()
    ]
    return CARD.format(
        warning="" if record["gate"] == "passed" else NOT_FOR_USE.format(gate=record["gate"]),
        rows="\n".join(rows),
        mib=record["bytes"] / 2**20,
        least=record["least_accuracy"],
        minutes=record["seconds"] / 60,
        pixels=record["most_pixels"],
        **{key: record[key] for key in ("parameters", "steps", "seed", "samples", "threads", "torch", "transformers")},
    )
