"""SGLang 0.5.7 (the paper's) and 0.5.23: one launch line, and what is read back of it.

Each flag is a row (`Setting`) with what `/server_info` must say of it, so that what is asked and
what is proven can't drift apart. `specseal.engines.sglang_found` holds the one against the other.

What makes two jobs of SGLang unequal without being asked, and is therefore said outright:

- `--max-running-requests`: every drafting method resets it to 48 where it is not given.
- `--attention-backend`: the default hangs on speculation. It is flashinfer (CUDA) or aiter (ROCm)
  here, with and without; `engine.args` may name another, for models that refuse these (gpt-oss:
  triton), for trees (not on aiter) and for n-grams (flashinfer or triton: the others verify a tree
  of one breadth with a chain's mask). Prefill and decoding have the same, because drafts are
  verified on that of the former; models for which 0.5.23 sets one by itself are read back.
- `--speculative-draft-model-quantization`: left out, a drafter's weights are quantized as the
  model's are asked to be. `unquant` is what its files have, which all engines do here.
- `--mem-fraction-static`: the default leaves room for a drafter. It is 0.8, the paper's.
- `--chunked-prefill-size`: the default hangs on the device's memory (`engines/prefill.py`); −1 is
  off. `--enable-mixed-chunk` is refused: speculation switches it off, the baseline would not.
- `--disable-overlap-schedule`: 0.5.7 speculates only without the overlapping scheduler, whatever
  the method (its `SGLANG_ENABLE_SPEC_V2` is experimental, and can't be had here). So its baseline
  goes without it, too. In 0.5.23 chains, trees, n-grams, standalone and DFlash all go with it.
- `--speculative-accept-threshold-single`, `-acc`: 1, so that nothing is accepted that the model
  would not have said.
- `--speculative-num-steps`, `-eagle-topk`, `-num-draft-tokens`: left out, a tree is chosen by the
  model's architecture.
- `--context-length`: SGLang cuts `max_new_tokens` in silence, or refuses, where input, output and
  what a step drafts do not fit together, so it is given 8 tokens more and the drafts.

N-grams are not looked up in the prompt: they are of a store that all requests share and that what
was generated before goes into, so results hang on order and warm-up. Drafts are filled up to their
length, so that each step has one, and its filling counts as drafted.

On ROCm, verification is greedy whatever the temperature, but for chains of EAGLE and MTP in 0.5.23;
0.5.7 has no kernel for n-grams there.

0.5.7 streams all ids so far in each event (its `--stream-output` loses ids where events pile up):
bytes grow with the square of the output, 85 MB for 4096 tokens. 0.5.23 streams what is new.

Source: the wheels sglang 0.5.7 and 0.5.23 (PyPI, October 2026): srt/server_args.py,
srt/arg_groups/, srt/managers/{scheduler,tp_worker,tokenizer_manager}.py, srt/speculative/. Every
golden launch line was read by the parser of its wheel; none has been run by us.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from specseal.engines import sglang_found
from specseal.engines.base import (
    FOLDER,
    Capability,
    Launch,
    LaunchRequest,
    accelerator_family,
)
from specseal.engines.counters import counts_of
from specseal.engines.sglang_drafting import LACKING, METHODS, Speculation, speculation_of
from specseal.engines.sglang_flags import (
    BACKENDS,
    NEWEST,
    PAPER,
    Setting,
    handed_on,
    is_overlap_off,
    prefill_chunk,
    replaced,
    told,
    told_quantization,
)
from specseal.errors import Dishonoured
from specseal.records import JobStatus, Snapshot

VERSIONS = (NEWEST, PAPER)
MODEL_NAME = "specseal"
CONTEXT_MARGIN = 8
"""Input must stay 6 tokens below the context, and one more is generated than is kept."""
_LOAD_DEADLINE_S = 1800
_SHM_BYTES = 32 << 30
_SOURCE = "wheels sglang 0.5.7 and 0.5.23 (October 2026)"

_MI350_SERIES = ("amd/mi350", "amd/mi355")
IMAGES = {
    ("cuda", NEWEST): "docker.io/lmsysorg/sglang:v0.5.23",
    ("cuda", PAPER): "docker.io/lmsysorg/sglang:v0.5.7",
    ("rocm", NEWEST): "docker.io/lmsysorg/sglang:v0.5.23-rocm10-mi30x",
    ("rocm", PAPER): "docker.io/lmsysorg/sglang:v0.5.7-rocm700-mi30x",
}
"""Those of 0.5.23 by the scheme of their predecessors' names: `specseal lock` finds out."""

_ENVIRONMENT = {
    # Else each health check generates a token.
    "SGLANG_ENABLE_HEALTH_ENDPOINT_GENERATION": "0",
    # The drafter is given the model's context, which may be more than it was trained with.
    "SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN": "1",
}
_ENVIRONMENT_OF: dict[str, dict[str, str]] = {
    "cuda": {},
    # Set otherwise by the image: a lossy sum over devices, and cores of its own choice.
    "rocm": {"ROCM_QUICK_REDUCE_QUANTIZATION": "NONE", "SGLANG_SET_CPU_AFFINITY": "0"},
}


_CHAINED = "--speculative-num-steps K --speculative-eagle-topk 1 --speculative-num-draft-tokens K+1"
_FLAGS = {
    "none": "no --speculative-algorithm",
    "ngram": "--speculative-algorithm NGRAM --speculative-num-draft-tokens K+1 "
    "--speculative-ngram-max-bfs-breadth 1",
    "dflash": "--speculative-algorithm DFLASH --speculative-num-draft-tokens K+1",
}


def _characteristic(method: str, version: str) -> str:
    """Return what a row's launch line says for it."""
    flags = _FLAGS.get(method)
    if flags is None:
        flags = f"--speculative-algorithm {METHODS[method].algorithm} {_CHAINED}"
    return f"{flags}; --disable-overlap-schedule" if version == PAPER else flags


class SGLang:
    """The adapter of SGLang."""

    name = "sglang"
    loads = FOLDER
    honours: frozenset[str] = frozenset(
        {
            "parallel.tensor",
            "parallel.expert",
            "dtype",
            "quantization",
            "chunked_prefill",
            "args",
        }
    )

    def capabilities(self) -> tuple[Capability, ...]:
        """Return the rows for NVIDIA and AMD."""
        return tuple(self._rows())

    def _rows(self) -> Iterator[Capability]:
        for family in BACKENDS:
            for method in ("none", *METHODS):
                args = METHODS[method].args if method != "none" else ()
                versions = tuple(v for v in VERSIONS if (method, family, v) not in LACKING)
                # They differ in their scheduler, and only 0.5.7 is told the sizes of n-grams.
                for version in versions:
                    yield Capability(
                        engine=self.name,
                        family=family,
                        method=method,
                        versions=(version,),
                        flags=_characteristic(method, version),
                        args=() if method == "ngram" and version != PAPER else args,
                        source=_SOURCE,
                        evidence="documentation",
                    )

    def official_image(self, accelerator: str, version: str) -> str | None:
        """Return the image that SGLang's makers publish; AMD's MI350 series has one of its own."""
        image = IMAGES.get((accelerator_family(accelerator), version))
        if image is not None and accelerator.startswith(_MI350_SERIES):
            return image.replace("mi30x", "mi35x")
        return image

    def launch(self, request: LaunchRequest) -> Launch:
        """Return the server's flags for a job. Raises: Dishonoured."""
        _check_known(request)
        speculation = speculation_of(request)
        settings = _settings(request, speculation)
        counters_lacking = ("drafts",) if request.version == PAPER else ()
        return Launch(
            args=tuple(arg for setting in settings for arg in setting.args)
            + handed_on(request, settings),
            entrypoint=("python3", "-m", "sglang.launch_server"),
            environment=_ENVIRONMENT | _ENVIRONMENT_OF[request.family],
            dialect="sglang-generate",
            counts=counts_of(self.name, without=counters_lacking),
            health_path="/health",
            deadline_s=_LOAD_DEADLINE_S,
            readback={sglang_found.SERVER_INFO: "/server_info"},
            shm_bytes=_SHM_BYTES,
            locks_memory=True,
            one_chunk_a_step=False,  # events that wait together are sent as one
            cut_at_limit=True,  # drafts are not shortened to what max_new_tokens leaves
            every_step_drafts=request.method != "none",
            drafter_remembers=request.method == "ngram",  # one trie for all requests
            drafted_a_step=speculation.drafted if speculation.is_tree else None,
        )

    def version_found(self, engine: Mapping[str, Any], log: str) -> str | None:
        """Return the version that `/server_info` names."""
        return sglang_found.version(engine)

    def method_found(self, engine: Mapping[str, Any], log: str) -> str | None:
        """Return the method that `/server_info` names."""
        return sglang_found.method(engine)

    def draft_length_found(
        self, request: LaunchRequest, engine: Mapping[str, Any], snapshots: tuple[Snapshot, ...]
    ) -> int | None:
        """Return the draft length that `/server_info` names."""
        return sglang_found.draft_length(engine)

    def proof(
        self,
        request: LaunchRequest,
        status: JobStatus,
        snapshots: tuple[Snapshot, ...],
        log: str,
    ) -> tuple[str, ...]:
        """Hold what it says of its settings against each that was given; then its counters."""
        speculation = speculation_of(request)
        settings = _settings(request, speculation)
        wanted = {one.key: one.said[0] for one in settings if one.said}
        return (
            *sglang_found.against(request, wanted, status.engine, snapshots),
            *sglang_found.backends_against(speculation.verified_on, status.engine),
        )


def _settings(request: LaunchRequest, speculation: Speculation) -> tuple[Setting, ...]:
    """Return every setting of a job, in the order of its launch line."""
    context = request.context_length + speculation.reserved + CONTEXT_MARGIN
    tensor, expert = _parallel(request)
    return (
        Setting("--model-path", "{model}"),
        Setting("--served-model-name", MODEL_NAME),
        Setting("--host", "127.0.0.1"),
        Setting("--port", "{port}"),
        told("--context-length", context),
        told("--max-running-requests", request.max_sequences),
        told("--disable-radix-cache", not request.asked("prefix_cache")),
        told("--random-seed", 0),
        Setting("--enable-metrics", True),
        Setting("--skip-server-warmup", True),
        told("--stream-interval", 1),
        Setting("--sampling-defaults", "openai"),
        Setting("--log-level-http", "warning"),
        Setting("--incremental-streaming-output", request.version != PAPER),
        told("--tp-size", tensor),
        told("--ep-size", expert),
        # Some models and backends take a share of it off again, with speculation and without.
        Setting("--mem-fraction-static", replaced(request, "mem-fraction-static")),
        told("--attention-backend", replaced(request, "attention-backend")),
        told("--chunked-prefill-size", prefill_chunk(request)),
        told("--disable-overlap-schedule", is_overlap_off(request)),
        *((told("--dtype", request.asked("dtype")),) if request.asked("dtype") else ()),
        # One that the files name is found by itself, and not told here.
        *((_quantization(request),) if request.asked("quantization") else ()),
        *speculation.settings,
    )


def _quantization(request: LaunchRequest) -> Setting:
    return Setting("--quantization", request.asked("quantization"), (told_quantization(request),))


def _check_known(request: LaunchRequest) -> None:
    if (request.family, request.version) not in IMAGES:
        raise Dishonoured(
            ("engine", "version"),
            f"SGLang {request.version} on {request.family} is not known: there are "
            f"{' and '.join(VERSIONS)} on {' and '.join(BACKENDS)}",
        )


def _parallel(request: LaunchRequest) -> tuple[int, int]:
    tensor = request.asked("parallel.tensor") or request.devices
    expert = request.asked("parallel.expert") or 1
    if tensor != request.devices:
        raise Dishonoured(
            ("engine", "parallel", "tensor"),
            f"SGLang holds as many devices as share the layers: {tensor} of "
            f"{request.devices} (hardware.count) leaves some idle",
        )
    if tensor % expert:
        raise Dishonoured(
            ("engine", "parallel", "expert"),
            f"SGLang shares experts among the devices that share layers: {expert} does not "
            f"divide {tensor}",
        )
    return tensor, expert
