"""A model folder in Hugging Face's layout, with a tokenizer of a few words and a chat template."""

from __future__ import annotations

import json
from pathlib import Path

WORDS = ("<s>", "</s>", "<unk>", "user", "assistant", ":", "count", "again", "one", "two", "three")
BOS, EOS, USER, ASSISTANT, COLON = 0, 1, 3, 4, 5
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] }} : "
    "{{ message['content'] }} {% if message['role'] == 'assistant' %}{{ eos_token }} {% endif %}"
    "{% endfor %}{% if add_generation_prompt %}assistant :{% endif %}"
)


def write_model(folder: Path, template: str = TEMPLATE) -> Path:
    """Write the folder. Like Llama's, the tokenizer puts a BOS before a sequence."""
    folder.mkdir()
    special = [
        {"id": number, "content": WORDS[number], "special": True, "normalized": False}
        | {"single_word": False, "lstrip": False, "rstrip": False}
        for number in (BOS, EOS, 2)
    ]
    begin = {"id": "<s>", "ids": [BOS], "tokens": ["<s>"]}
    tokenizer = {
        "version": "1.0",
        "added_tokens": special,
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
            ],
            "pair": [],
            "special_tokens": {"<s>": begin},
        },
        "model": {
            "type": "WordLevel",
            "vocab": {word: number for number, word in enumerate(WORDS)},
            "unk_token": "<unk>",
        },
    }
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "chat_template": template,
    }
    for name, value in (("tokenizer.json", tokenizer), ("tokenizer_config.json", settings)):
        (folder / name).write_text(json.dumps(value), encoding="utf-8")
    return folder
