"""Counting tokens as SPEED-Bench does: tiktoken's `o200k_base`, without asking any network.

tiktoken downloads its vocabulary when it is first used. Here it is taken from a package that brings
the very file along, and held against the digest that tiktoken itself pins. Where either is missing
nothing is counted, and the reason is a value that is kept with the data.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from specseal.atomic import write_atomically
from specseal.digests import Digest, sha256_bytes, sha256_file

ENCODING = "o200k_base"
VOCABULARY_SHA256 = Digest("446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d")
"""Source: tiktoken 0.14.0, tiktoken_ext/openai_public.py."""
EXTRA = "pip install 'specseal[speed-bench]'"
_URL = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
"""Never asked: tiktoken's cache names a file by the SHA-1 of where it comes from."""
_AT_ONCE = 64
"""Conversations; ids of all that the longest configuration has would take gigabytes."""
_BRINGS_VOCABULARY = "bpe_openai"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounter:
    """Counts tokens."""

    name: str
    """What counts, with its version."""
    encoding: Any

    def count(self, conversations: Sequence[Sequence[str]]) -> list[int]:
        """Return the tokens of each conversation's turns together; special tokens are text."""
        counts: list[int] = []
        for start in range(0, len(conversations), _AT_ONCE):
            some = conversations[start : start + _AT_ONCE]
            texts = [text for turns in some for text in turns]
            lengths = iter(map(len, self.encoding.encode_ordinary_batch(texts)))
            counts += [sum(next(lengths) for _ in turns) for turns in some]
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCounted:
    """Why tokens can't be counted here."""

    reason: str
    mend: str = EXTRA


def open_counter(cache_dir: Path) -> TokenCounter | NotCounted:
    """Return what counts tokens on this machine, or why nothing does.

    Args:
        cache_dir: where the vocabulary is unpacked, once.
    """
    try:
        import tiktoken
    except ImportError:
        return NotCounted(reason="tiktoken is not installed")
    packed = _packed_vocabulary()
    if packed is None:
        return NotCounted(reason=f"no vocabulary of {ENCODING} is installed")
    folder = cache_dir / "tiktoken"
    unpacked = folder / hashlib.sha1(_URL.encode(), usedforsecurity=False).hexdigest()
    if not unpacked.is_file() or sha256_file(unpacked) != VOCABULARY_SHA256:
        vocabulary = gzip.decompress(packed.read_bytes())
        if (found := sha256_bytes(vocabulary)) != VOCABULARY_SHA256:
            reason = f"{packed.name} is not {ENCODING}'s vocabulary: its sha256 is {found}"
            return NotCounted(reason=reason)
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(unpacked, vocabulary)
    with _cached_in(folder):
        encoding = tiktoken.get_encoding(ENCODING)
    return TokenCounter(name=f"tiktoken {version('tiktoken')}, {ENCODING}", encoding=encoding)


def _packed_vocabulary() -> Path | None:
    # Not imported: the package's own code is not what counts.
    found = importlib.util.find_spec(_BRINGS_VOCABULARY)
    for folder in (found and found.submodule_search_locations) or ():
        path = Path(folder) / "data" / f"{ENCODING}.tiktoken.gz"
        if path.is_file():
            return path
    return None


@contextmanager
def _cached_in(folder: Path) -> Iterator[None]:
    """Let tiktoken take its files from a folder. Source: tiktoken 0.14.0, tiktoken/load.py."""
    name = "TIKTOKEN_CACHE_DIR"
    before = os.environ.get(name)
    os.environ[name] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
