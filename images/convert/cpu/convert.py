"""Make a GGUF file into a folder of safetensors in BF16, as Hugging Face's library reads it.

Weights are dequantized once, here, so that engines which can't load GGUF compute with the same
numbers rounded to BF16. The tokenizer comes along, for the engine's own use; prompts are encoded
from the GGUF file itself.

Source: transformers, `from_pretrained(gguf_file=…)`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig


def main() -> None:
    """Convert the one GGUF file of a folder."""
    flags = argparse.ArgumentParser(prog="convert.py", allow_abbrev=False)
    flags.add_argument("--model", required=True, type=Path, help="folder with one GGUF file")
    flags.add_argument("--out", required=True, type=Path, help="empty folder")
    given = flags.parse_args()
    transformers.utils.logging.disable_progress_bar()
    print(f"transformers {transformers.__version__}, torch {torch.__version__}", flush=True)
    (source,) = given.model.glob("*.gguf")
    named = {"gguf_file": source.name, "local_files_only": True}
    model = AutoModelForCausalLM.from_pretrained(
        given.model,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
        **named,
    )
    model.save_pretrained(given.out)
    AutoTokenizer.from_pretrained(given.model, **named).save_pretrained(given.out)


if __name__ == "__main__":
    main()
