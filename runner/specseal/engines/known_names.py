"""The names that each version of an engine knows, and what a spec's `engine.args` may not do to it.

`names/` has a list for each version: what it is, where it was read and when stand in its first
lines, and after each name what its value may be (`engines/flag_values.py`). A name that is on none
is refused with the nearest one, and so is a value of another kind: whether a server that ignores
it, or one that stops on it, would have been started with it is not left to chance. Refused are also
names that would load what nothing pins (`engines/refused_names.py`), and values that make weights
or outputs something else than the model's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from specseal.digests import canonical
from specseal.engines.flag_values import check_value
from specseal.engines.refused_names import REFUSED
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
    "num_attention_heads", "num_key_value_heads", "head_dim", "architectures", "model_type",
    "auto_map",
)  # fmt: skip
"""Keys of a model's configuration that say how much of it there is, and which model it is."""


@cache
def known_names(of: str) -> Mapping[str, str]:
    """Return a list's names with the kinds of their values, by what it is of: `vllm-0.32.0`.

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
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return MappingProxyType({name: kind for name, _, kind in (one.partition(" ") for one in lines)})


def check_argument(
    name: str, value: Any, known: Mapping[str, str], *, engine: str, place: tuple[str, ...]
) -> None:
    """Refuse an argument of a spec's that a version does not know, or that breaks what it measures.

    Args:
        name: as the engine writes it: `--max-num-seqs`, `kv_cache_config.dtype`.
        value: what the spec has.
        known: the names of the version, each with the kind of its value.
        engine: name and version.
        place: where the spec has it.

    Raises:
        Dishonoured: it is not known, refused, of another kind, or makes the model another one.
    """
    bare = name.removeprefix("--").replace("_", "-")
    positive = f"--{bare.removeprefix('no-')}"
    for one in (bare, positive.removeprefix("--")):
        if one in REFUSED:
            raise Dishonoured(place, f"leave it out: {REFUSED[one]}")
    if name not in known:
        nearest = get_close_matches(name, sorted(known), n=1, cutoff=0)[0]
        raise Dishonoured(place, f"{engine} has no {name}: the nearest that it has is {nearest}")
    if positive != name and positive in known and known[name] == "switch":
        said = positive.removeprefix("--").replace("-", "_")
        raise Dishonoured(place, f"write {said}: false")
    off = f"--no-{bare}" in known
    check_value(name, value, known[name], engine=engine, place=place, off=off)
    check_real(name, value, place=place)


def check_settings(asked: Mapping[str, Any], known: Mapping[str, str], *, engine: str) -> None:
    """Refuse values of the spec's own settings that are none of a version's flags.

    Args:
        asked: the lock's section `engine`.
        known: the flags of the version, each with the kind of its value.
        engine: name and version.

    Raises:
        Dishonoured: one is not.
    """
    for key in ("dtype", "quantization"):
        if (value := asked.get(key)) is not None:
            flag = f"--{key}"
            check_value(flag, value, known[flag], engine=engine, place=("engine", key))


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
        Dishonoured: it does, or can't be read.
    """
    flag = name.removeprefix("--").replace("_", "-")
    effect = _FAKE_VALUES.get(flag, {}).get(str(value).lower())
    if effect is not None:
        raise Dishonoured(place, f"{value} is no way to measure a model: {effect}; leave it out")
    if flag in _CONFIGURATIONS:
        found = _keys_of(value, place).intersection(_SIZES)
        if found:
            raise Dishonoured(
                place,
                f"{min(found)} would make it another model than the one that is named: leave it",
            )


def _keys_of(value: Any, place: tuple[str, ...]) -> set[str]:
    """Return all keys of a mapping, or of the JSON that a text holds, at any depth."""
    keys: set[str] = set()

    def met(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys.update(key for key, _ in pairs)
        return dict(pairs)

    text = value if isinstance(value, str) else canonical(value).decode()
    try:
        read = json.loads(text, object_pairs_hook=met)
    except ValueError as error:
        raise Dishonoured(place, "is no JSON: write a mapping") from error
    if not isinstance(read, dict):
        raise Dishonoured(place, "is no mapping: write one")
    return keys
