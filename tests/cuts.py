"""Find out how much text makes up the length of each throughput prompt of speed-mini.

`python tests/cuts.py --url http://127.0.0.1:8080` asks a running llama.cpp server, with the model
that `data/speed-mini/README.md` names, and writes `throughput.json` anew. It has to be run when a
text, a list of names or the way in which a prompt is made has changed.
"""

from __future__ import annotations

import argparse
import json
import re
import urllib.request
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import specseal.data
from specseal.data.throughput import ROWS, SPLITS, TIERS, make_prompt

CountTokens = Callable[[str], int]

LEAST_SHARE = 0.99
"""Of its length, that a prompt must reach."""
_MOST_UNITS = 512
_FILE = Path(specseal.data.__file__).parent / "speed-mini" / "throughput.json"


def count_tokens(url: str, text: str) -> int:
    """Return how many tokens a llama.cpp server makes of a text, special ones apart."""
    body = json.dumps({"content": text, "add_special": False, "parse_special": False})
    request = urllib.request.Request(f"{url}/tokenize", body.encode(), method="POST")
    with urllib.request.urlopen(request, timeout=60) as response:
        return len(json.load(response)["tokens"])


def repeated_sentences(text: str) -> list[str]:
    """Return the sentences that stand in a text more than once, very short ones apart."""
    found = re.findall(r"[^.!?\n]{30,}[.!?]", text)
    sentences = Counter(sentence.strip(" -").removeprefix("From a cutting: ") for sentence in found)
    return [sentence for sentence, times in sentences.items() if times > 1]


def find_cut(split: str, tier: str, number: int, tokens: CountTokens) -> list[int]:
    """Return the first variant that is long enough and repeats nothing, and its units."""
    cuts = ([variant, _most_units(split, tier, number, variant, tokens)] for variant in count())

    def is_good(cut: list[int]) -> bool:
        variant, units = cut
        text = make_prompt(split, tier, number, variant).text(units)
        return tokens(text) >= LEAST_SHARE * SPLITS[split] and not repeated_sentences(text)

    return next(filter(is_good, cuts))


def _most_units(split: str, tier: str, number: int, variant: int, tokens: CountTokens) -> int:
    """Return how many whole units fit into the length."""
    fits, too_many = 0, _MOST_UNITS
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        text = make_prompt(split, tier, number, variant).text(middle)
        if tokens(text) <= SPLITS[split]:
            fits = middle
        else:
            too_many = middle
    return fits


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--url", required=True, help="of a llama.cpp server")
    tokens = partial(count_tokens, flags.parse_args().url)
    splits = []
    for split in SPLITS:
        tiers = []
        for tier in TIERS:
            cuts = [find_cut(split, tier, number, tokens) for number in range(ROWS)]
            tiers.append(f'    "{tier}": {json.dumps(cuts)}')
            print(split, tier, cuts, flush=True)
        splits.append(f'  "{split}": {{\n' + ",\n".join(tiers) + "\n  }")
    _FILE.write_text("{\n" + ",\n".join(splits) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
