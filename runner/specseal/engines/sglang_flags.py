"""SGLang's flags as rows, each with what the server must say of it; and what `engine.args` adds."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from specseal.engines.base import LaunchRequest
from specseal.engines.known_names import (
    check_argument,
    check_said_once,
    check_settings,
    known_names,
)
from specseal.engines.prefill import chunk_tokens
from specseal.errors import Dishonoured

NEWEST, PAPER = "0.5.23", "0.5.7"
BACKENDS = {"cuda": "flashinfer", "rocm": "aiter"}
"""Attention backend by accelerator family."""
CHUNK = "chunked-prefill-size"
MEMORY_SHARE = 0.8
REPLACEABLE = ("attention-backend", "mem-fraction-static", CHUNK)
"""Settings that the spec may replace in `engine.args`."""
AS_ITS_FILES = "unquant"
"""Quantization of weights that are left as their files have them; read back, it is none."""
OVERLAP_OFF = "disable-overlap-schedule"
_OTHERWISE = {
    "tensor-parallel-size": "say it as engine.parallel.tensor",
    "expert-parallel-size": "say it as engine.parallel.expert",
    "data-parallel-size": "copies of a model are not measured together",
    "dp-size": "copies of a model are not measured together",
    "dtype": "say it as engine.dtype",
    "quantization": "say it as engine.quantization",
    "prefill-attention-backend": "say attention-backend: drafts are verified on it, too",
    "decode-attention-backend": "say attention-backend: drafts are verified on it, too",
    "stream-output": "it loses token ids",
    "enable-mixed-chunk": "speculation switches it off, and the baseline would keep it",
    "preferred-sampling-params": "sampling is said under workload",
    "allow-auto-truncate": "it would shorten what is asked in silence",
}
"""Flags that `engine.args` may not have, and what to do instead."""


class Setting(NamedTuple):
    """A flag, and what the server must say of it."""

    flag: str
    value: Any
    """True: a bare flag; False and None: no flag."""
    said: tuple[Any, ...] = ()
    """What is read back, as the one item; empty where nothing is held against it."""

    @property
    def key(self) -> str:
        """What the read-back calls it."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def args(self) -> tuple[str, ...]:
        """What it is on the launch line."""
        if self.value is None or self.value is False:
            return ()
        return (self.flag,) if self.value is True else (self.flag, str(self.value))


def told(flag: str, value: Any) -> Setting:
    """Return a setting that is read back as it was given."""
    return Setting(flag, value, (value,))


def replaced(request: LaunchRequest, key: str) -> Any:
    """Return one of `REPLACEABLE`, as `engine.args` has it, or what it is here."""
    own = {"attention-backend": BACKENDS[request.family], "mem-fraction-static": MEMORY_SHARE}
    return _given(request).get(key, own[key])


def told_quantization(request: LaunchRequest) -> str | None:
    """Return what is read back of the quantization that is asked for the model."""
    asked: str | None = request.asked("quantization")
    return None if asked == AS_ITS_FILES else asked


def prefill_chunk(request: LaunchRequest) -> int:
    """Return the tokens that prompts are computed by at once; -1: all of them."""
    if request.asked("chunked_prefill") is False:
        return -1
    return chunk_tokens(request, CHUNK)


def is_overlap_off(request: LaunchRequest) -> bool:
    """Say whether the scheduler waits for each step. Raises: Dishonoured.

    0.5.7 speculates only so, whatever the method, and switches it off by itself: its baseline is
    to be alike. In 0.5.23 all methods go with overlap, trees, n-grams and DFlash too.

    Source: 0.5.7 srt/server_args.py `_handle_speculative_decoding`; 0.5.23
    srt/arg_groups/speculative_hook.py, where it is switched off on the CPU only.
    """
    if request.version == PAPER:
        return True
    asked = _given(request).get(OVERLAP_OFF, False)
    if not isinstance(asked, bool):
        raise Dishonoured(("engine", "args", OVERLAP_OFF), "write true, or leave it out")
    return asked


def _given(request: LaunchRequest) -> dict[str, Any]:
    return {_flag_name(name): value for name, value in (request.asked("args") or {}).items()}


def handed_on(request: LaunchRequest, settings: tuple[Setting, ...]) -> tuple[str, ...]:
    """Return what `engine.args` adds to the launch line. Raises: Dishonoured."""
    check_said_once(request.asked("args") or {})
    may_be_given = set(REPLACEABLE)
    if request.version != PAPER:
        may_be_given.add(OVERLAP_OFF)
    if request.asked("chunked_prefill") is False:
        may_be_given.remove(CHUNK)
    known = known_names(f"sglang-{request.version}")
    engine = f"SGLang {request.version}"
    check_settings(request.engine, known, engine=engine)
    own = {setting.flag.removeprefix("--") for setting in settings}
    args: list[str] = []
    for written, value in (request.asked("args") or {}).items():
        key, place = _flag_name(written), ("engine", "args", written)
        if key in may_be_given:
            check_argument(f"--{key}", value, known, engine=engine, place=place)
            continue
        if (reason := _refusal(key, own)) is not None:
            raise Dishonoured(place, f"--{key} can't be handed to SGLang: {reason}")
        if value is None or (value is False and f"--no-{key}" not in known):
            raise Dishonoured(place, "a flag that is not to be set is left out")
        check_argument(f"--{key}", value, known, engine=engine, place=place)
        args += _as_flag(key, value)
    return tuple(args)


def _refusal(key: str, own: set[str]) -> str | None:
    if key.startswith("speculative"):
        return "how it drafts is said under drafter, and the rest is the same for all"
    # Its parser takes the beginning of a flag's name for the flag.
    if any(flag.startswith(key) for flag in own):
        return "it is set from the rest of the spec"
    return next((said for flag, said in _OTHERWISE.items() if flag.startswith(key)), None)


def _flag_name(written: str) -> str:
    return written.replace("_", "-")


def _as_flag(key: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, bool):
        return (f"--{key}" if value else f"--no-{key}",)
    if isinstance(value, list):
        return (f"--{key}", *map(str, value))
    return (f"--{key}", json.dumps(value) if isinstance(value, dict) else str(value))
