"""All engines by name: those of this package, and third parties' through `specseal.engines`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points

from specseal.engines.base import Engine
from specseal.engines.endpoint import Endpoint
from specseal.engines.llamacpp import LlamaCpp
from specseal.engines.sglang import SGLang
from specseal.engines.table import Capabilities
from specseal.engines.tensorrt_llm import TensorRtLlm
from specseal.engines.vllm import VLLM
from specseal.errors import InputError

_OWN: tuple[Engine, ...] = (VLLM(), LlamaCpp(), SGLang(), TensorRtLlm(), Endpoint())


@cache
def engines() -> dict[str, Engine]:
    """Return every adapter by its engine's name. Raises: InputError on two of one name."""
    found: dict[str, Engine] = {adapter.name: adapter for adapter in _OWN}
    for point in entry_points(group="specseal.engines"):
        adapter: Engine = point.load()()
        if adapter.name in found:
            raise InputError(
                f"two adapters for the engine {adapter.name!r}: {point.value} is the second",
                mend="uninstall one of the packages that provide it",
            )
        found[adapter.name] = adapter
    return found


def engine(name: str) -> Engine:
    """Return the adapter of an engine. Raises: InputError where there is none."""
    try:
        return engines()[name]
    except KeyError:
        raise InputError(
            f"no adapter for the engine {name!r}", mend=f"use one of {', '.join(sorted(engines()))}"
        ) from None


class _WhenAsked(Mapping[str, Engine]):
    """All adapters, found when one is asked for: whoever only reads results loads no plug-in."""

    def __getitem__(self, name: str) -> Engine:
        return engines()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(engines())

    def __len__(self) -> int:
        return len(engines())


CAPABILITIES = Capabilities(engines=_WhenAsked())
