"""Lengths of speed-mini's throughput prompts, counted by the tokenizer that they are made for."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from cuts import LEAST_SHARE, count_tokens
from specseal.data.throughput import SPLITS, throughput_lines

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def test_every_throughput_prompt_is_at_most_one_percent_short_and_never_over(
    llamacpp_server: Callable[[int], AbstractContextManager[int]],
) -> None:
    with llamacpp_server(0) as port:
        for split, limit in SPLITS.items():
            for line in throughput_lines(split).splitlines():
                row = json.loads(line)
                tokens = count_tokens(f"http://127.0.0.1:{port}", row["turns"][0])
                assert LEAST_SHARE * limit <= tokens <= limit, row["question_id"]
