"""The rehearsal tokenizer, learnt from the training prompts, and the chat template."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from conversation import Sample
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

VOCABULARY = 1280

CONTROL = ("<unk>", "<s>", "</s>")
"""Ids 0, 1, 2: as in the original, where the end of a sequence is `</s>`, not `<|end_of_sentence|>`."""

SPECIAL = (
    "<|begin_of_sentence|>",
    "<|end_of_sentence|>",
    "<mask:1>",
    "<mask:7>",
    "<sep>",
    "<cls>",
    "<|IMAGE_PLACEHOLDER|>",
    "<|IMAGE_START|>",
    "<|IMAGE_END|>",
    "<|VIDEO_START|>",
    "<|VIDEO_END|>",
    "<|VIDEO_PLACEHOLDER|>",
    "<|image@placeholder|>",
    "<|video@placeholder|>",
)

# Ordinary added tokens, not special ones: engines decode with skip_special_tokens, and their reasoning and tool parsers
# then look for exactly these markers in the text.
MARKUP = (
    "<think>",
    "</think>",
    "<response>",
    "</response>",
    "<tool_call>",
    "</tool_call>",
    "<tool_list>",
    "</tool_list>",
    "<tool_output>",
    "</tool_output>",
)

SPACE = "\u2581"

DIGIT = SPACE + r"?\d"
"""One by one, and the space belongs to the digit after it, so that what stands before the space leads to the digit."""

AFTER_A_WORD = r"(?<=\p{L})[.,?!]"
"""A word is the same tokens with and without a sentence's sign after it, so that it can be copied."""

# One placeholder per picture for vLLM, whose processor repeats it as needed, and another for transformers, whose
# processor looks for the very token that stands for a patch.
HUB_PLACEHOLDERS = ("<|image@placeholder|>", "<|video@placeholder|>")
NATIVE_PLACEHOLDERS = ("<|IMAGE_PLACEHOLDER|>", "<|VIDEO_PLACEHOLDER|>")


@cache
def chat_template(placeholders: tuple[str, str] = HUB_PLACEHOLDERS) -> str:
    image, video = placeholders
    template = Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")
    return template.replace("@IMAGE@", image).replace("@VIDEO@", video)


def prompt(sample: Sample) -> str:
    """The conversation as text, by the function with which the engines render it too."""
    rendered, _ = render_jinja_template(
        [sample.messages],
        tools=sample.tools,
        chat_template=chat_template(),
        add_generation_prompt=True,
        enable_thinking=sample.is_thinking,
    )
    return str(rendered[0])


def learn(corpus: Iterable[str]) -> PreTrainedTokenizerFast:
    """A byte-fallback BPE with the special tokens of the original.

    The corpus is cut at its newlines and never shows one: a newline must become the token `<0x0A>`, as in the
    sentencepiece original, because the parsers of the engines look that token up.
    """
    bytes_as_tokens = [f"<0x{value:02X}>" for value in range(256)]
    learner = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=False))
    learner.normalizer = normalizers.Replace(" ", SPACE)
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(SPACE, "merged_with_next"),
            pre_tokenizers.Split(Regex(DIGIT), "isolated"),
            pre_tokenizers.Split(Regex(AFTER_A_WORD), "isolated"),
        ]
    )
    learner.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=2,
        show_progress=False,
        special_tokens=[*CONTROL, *bytes_as_tokens, *SPECIAL, *MARKUP],
        initial_alphabet=[*map(chr, range(33, 127)), SPACE],
        limit_alphabet=240,
    )
    lines = (line for text in corpus for line in text.replace("\t", " ").split("\n") if line)
    learner.train_from_iterator(lines, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=_with_ordinary_bytes(learner),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        pad_token="<unk>",
        cls_token="<|begin_of_sentence|>",
        sep_token="<|end_of_sentence|>",
        mask_token="<mask:1>",
        model_max_length=131072,
        clean_up_tokenization_spaces=False,
    )


def _with_ordinary_bytes(learner: Tokenizer) -> Tokenizer:
    """The bytes passed as special tokens only to get the ids 3 to 258; here they become plain vocabulary again."""
    state = json.loads(learner.to_str())
    added = {*CONTROL, *SPECIAL, *MARKUP}
    state["added_tokens"] = [
        {**token, "special": token["content"] not in MARKUP, "normalized": False}
        for token in state["added_tokens"]
        if token["content"] in added
    ]
    return Tokenizer.from_str(json.dumps(state))
