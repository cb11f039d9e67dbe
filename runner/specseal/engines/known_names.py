"""The names that each version of an engine knows, and what a spec's `engine.args` may not do to it.

`names/` has a list for each version: what it is, where it was read and when stand in its first
lines. A name that is on none is refused with the nearest one: whether a server that ignores it, or
one that stops on it, would have been started with it is not left to chance. So are values that make
weights or outputs something else than the model's.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from specseal.digests import canonical
from specseal.errors import Dishonoured

_FAKE_VALUES = {
    "load-format": {"dummy": "weights would be random, and so what is accepted"},
}
"""By flag, in lower case: values, and what they do."""
_CONFIGURATIONS = ("hf-overrides", "json-model-override-args", "model-kwargs")
"""Flags whose value is laid over the model's own configuration."""
_SIZES = (
    "num_hidden_layers", "num_layers", "n_layer", "n_layers", "num_experts", "n_routed_experts",
    "num_local_experts", "num_experts_per_tok", "hidden_size", "intermediate_size", "vocab_size",
)  # fmt: skip
"""Keys of a model's configuration that say how much of it there is."""


@cache
def known_names(of: str) -> frozenset[str]:
    """Return a list's names, of what it is a list of: `vllm-0.32.0`.

    Raises:
        Dishonoured: there is no list of that version.
    """
    path = files("specseal.engines") / "names" / f"{of}.txt"
    if not path.is_file():
        raise Dishonoured(
            ("engine", "version"),
            f"what {of} knows is not known here: write a version that `specseal engines` shows",
        )
    text = path.read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def check_known(name: str, known: frozenset[str], *, engine: str, place: tuple[str, ...]) -> None:
    """Refuse a name that a version does not know.

    Args:
        name: as the engine writes it: `--max-num-seqs`, `kv_cache_config.dtype`.
        known: those of the version.
        engine: name and version.
        place: where the spec has it.

    Raises:
        Dishonoured: it is not known.
    """
    if name not in known:
        nearest = get_close_matches(name, sorted(known), n=1, cutoff=0)[0]
        raise Dishonoured(place, f"{engine} has no {name}: the nearest that it has is {nearest}")


def check_said_once(args: Iterable[str]) -> None:
    """Refuse names of `engine.args` that differ in dashes and underscores only.

    Raises:
        Dishonoured: there are two.
    """
    seen: set[str] = set()
    for key in args:
        name = key.replace("_", "-")
        if name in seen:
            raise Dishonoured(("engine", "args", key), "is there twice: leave one out")
        seen.add(name)


def check_real(name: str, value: Any, *, place: tuple[str, ...]) -> None:
    """Refuse a value that makes of a model something else than its files say.

    Raises:
        Dishonoured: it does.
    """
    flag = name.replace("_", "-")
    effect = _FAKE_VALUES.get(flag, {}).get(str(value).lower())
    if effect is not None:
        raise Dishonoured(place, f"{value} is no way to measure a model: {effect}; leave it out")
    if flag in _CONFIGURATIONS:
        text = value if isinstance(value, str) else canonical(value).decode()
        if found := next((key for key in _SIZES if f'"{key}"' in text), None):
            raise Dishonoured(
                place, f"{found} would make it another model than the one that is named: leave it"
            )
