"""TensorRT-LLM: NVIDIA's release image as it is, `trtllm-serve` with a file of options.

The launch line has what every version takes there; all else is in `engine.json`, JSON being YAML.
What the file says wins over the line, and a key that the version does not know stops the start.
What it says, and why: `tensorrt_llm_options`; what its log says of it: `tensorrt_llm_found`.

Counts: each answer tells its steps (client dialect), and with them its acceptance length. Beside
that, 1.2.0 tells of drafts by iteration. With the overlap scheduler on, the step after a request's
last is launched before the end is seen: it is one draft more, and the last accepted tokens are
added up once more, so that they are not taken; a draft model's drafts are zeros by the time they
are counted. 1.2.0rc1 lists iterations, but nothing about drafts in them.

Nothing of this was run. Source: NVIDIA/TensorRT-LLM 1.2 (October 2025 to January 2026)
tensorrt_llm/llmapi/llm_args.py, tensorrt_llm/commands/serve.py, _torch/pyexecutor/py_executor.py
and py_executor_creator.py, pull requests 7651 and 9855; docker/Dockerfile.multi, docker/release.md;
NVIDIA/Model-Optimizer examples/specdec_bench for the harness. Read in November 2026.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from specseal.engines import tensorrt_llm_found
from specseal.engines.base import (
    FOLDER,
    Capability,
    Launch,
    LaunchRequest,
    accelerator_family,
)
from specseal.engines.counters import counts_of_iterations
from specseal.engines.tensorrt_llm_options import (
    METHODS,
    NEWEST,
    NO_OVERLAP,
    PAPERS,
    options_of,
    tokens_an_iteration,
)
from specseal.errors import Dishonoured
from specseal.records import JobStatus, Snapshot

VERSIONS = (NEWEST, PAPERS)
IMAGE = "nvcr.io/nvidia/tensorrt-llm/release"
FILE = "engine.json"
FEWEST_DRAFTS = 20
"""Fewer may by chance hold drafted ids 0, which are not counted."""
_SOURCE = "NVIDIA/TensorRT-LLM, tensorrt_llm/llmapi/llm_args.py of 1.2 (November 2026)"
_MODEL = "model"
_ENTRYPOINT = ("/opt/nvidia/nvidia_entrypoint.sh", "trtllm-serve")
"""The image's own one, for the driver's compatibility libraries; it runs what comes after it."""


class TensorRtLlm:
    """The adapter of TensorRT-LLM."""

    name = "tensorrt-llm"
    loads = FOLDER
    honours = frozenset({"parallel.tensor", "parallel.expert", "chunked_prefill", "args"})

    def capabilities(self) -> tuple[Capability, ...]:
        """Return the rows: autoregressive decoding and each method, on NVIDIA's accelerators."""
        return tuple(
            Capability(
                engine=self.name,
                family="cuda",
                method=method,
                versions=VERSIONS,
                flags=f"speculative_config: {{decoding_type: {asked.type}, …}}"
                if asked
                else "no speculative_config",
                args=asked.args if asked else (),
                source=_SOURCE,
                evidence="documentation",
            )
            for method, asked in (("none", None), *METHODS.items())
        )

    def official_image(self, accelerator: str, version: str) -> str | None:
        """Return NVIDIA's release image."""
        is_cuda = accelerator_family(accelerator) == "cuda"
        return f"{IMAGE}:{version}" if is_cuda and version in VERSIONS else None

    def launch(self, request: LaunchRequest) -> Launch:
        """Return how `trtllm-serve` is started, and its file of options.

        Raises:
            Dishonoured: a method, an argument or a temperature that it would not take as asked.
        """
        options = options_of(request)
        devices = _devices(request)
        return Launch(
            args=(
                "serve", "{model}", "--host", "127.0.0.1", "--port", "{port}",
                "--backend", "pytorch", "--log_level", "info",
                "--max_batch_size", str(request.max_sequences),
                "--max_num_tokens", str(tokens_an_iteration(request)),
                "--max_seq_len", str(request.context_length),
                "--tp_size", str(devices), "--ep_size", str(_experts(request, devices)),
                "--extra_llm_api_options", f"{{config}}/{FILE}",
            ),
            entrypoint=_ENTRYPOINT,
            environment=_environment(devices),
            config={FILE: json.dumps(options, sort_keys=True, separators=(",", ":"))},
            dialect="trtllm-completions",
            drafter_remembers=request.drafter_args.get("kind") == "public_pool",
            every_step_drafts=request.method != "none",  # it tells all its steps, drafts or none
            counts=_counts(request, options),
            health_path="/health",
            deadline_s=3600,  # a terabyte of weights, autotuning and CUDA graphs
            readback={"version": "/version"},
            shm_bytes=(16 if devices > 1 else 1) << 30,  # NCCL's
            locks_memory=True,
            one_chunk_a_step=True,  # stream_interval 1
            cut_at_limit=True,  # accepted tokens are counted before the answer is cut
            model=_MODEL,  # required, and not looked at
        )  # fmt: skip

    def version_found(self, engine: Mapping[str, Any], log: str) -> str | None:
        """Return what `/version` says, else the log's first lines."""
        said = engine.get("version")
        if isinstance(said, Mapping) and isinstance(said.get("version"), str):
            return str(said["version"])
        found = re.search(r"TensorRT[- ]LLM version: (\S+)", log)
        return found[1] if found else None

    def method_found(self, engine: Mapping[str, Any], log: str) -> str | None:
        """Return the method whose options stand in the log, where it prints its arguments."""
        return tensorrt_llm_found.method(log)

    def draft_length_found(
        self, request: LaunchRequest, engine: Mapping[str, Any], snapshots: tuple[Snapshot, ...]
    ) -> int | None:
        """Return the length of the drafts counted, of a method whose drafts are all of one length.

        A drafted id 0 is not counted, so the mean may be a little below the length.
        """
        drafts, draft_tokens = _most(snapshots)
        if request.method in ("none", "ngram") or drafts < FEWEST_DRAFTS:
            return None
        return -(-draft_tokens // drafts)

    def proof(
        self,
        request: LaunchRequest,
        status: JobStatus,
        snapshots: tuple[Snapshot, ...],
        log: str,
    ) -> tuple[str, ...]:
        """Hold its log and its counts against the request."""
        return (
            *tensorrt_llm_found.log_against(request, log),
            *_counts_against(request, snapshots),
        )


def _devices(request: LaunchRequest) -> int:
    """Return how many devices share each layer. Raises: Dishonoured where there are fewer."""
    devices = int(request.asked("parallel.tensor") or request.devices)
    if devices > request.devices:
        raise Dishonoured(
            ("engine", "parallel", "tensor"),
            f"TensorRT-LLM: {devices} devices are to share a layer, hardware.count is "
            f"{request.devices}",
        )
    return devices


def _experts(request: LaunchRequest, devices: int) -> int:
    experts = int(request.asked("parallel.expert") or 1)
    if devices % experts:
        raise Dishonoured(
            ("engine", "parallel", "expert"),
            f"TensorRT-LLM: {experts} does not divide the {devices} devices that share a layer",
        )
    return experts


def _environment(devices: int) -> dict[str, str]:
    """Return what it needs without a network, and as a user that the image does not know."""
    workers = {"TLLM_WORKER_USE_SINGLE_PROCESS": "1"} if devices == 1 else {}
    return workers | {
        "TRANSFORMERS_OFFLINE": "1",
        "USER": "engine",
        "LOGNAME": "engine",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_oob_tcp_if_include": "lo",
        "OMPI_MCA_btl_tcp_if_include": "lo",
        "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
        "OMPI_MCA_coll_ucc_enable": "0",
    }


def _counts(request: LaunchRequest, options: Mapping[str, Any]) -> dict[str, Any]:
    if request.version == PAPERS:
        return {"source": "none"}
    if options[NO_OVERLAP] is True:
        return counts_of_iterations("drafts", "draft_tokens", "accepted_tokens")
    if request.method == "draft_model":
        return counts_of_iterations()
    return counts_of_iterations("drafts", "draft_tokens")


def _most(snapshots: tuple[Snapshot, ...]) -> tuple[int, int]:
    """Return drafts and draft tokens since the start, 0 where it tells none."""
    return (
        max((one.drafts or 0 for one in snapshots), default=0),
        max((one.draft_tokens or 0 for one in snapshots), default=0),
    )


def _counts_against(request: LaunchRequest, snapshots: tuple[Snapshot, ...]) -> Iterator[str]:
    """Yield in what the counts differ from what was asked, where there are any."""
    drafts, draft_tokens = _most(snapshots)
    if request.method == "none":
        if drafts:
            yield f"it drafted {drafts} times, asked for no speculation"
        return
    if draft_tokens > drafts * request.draft_length:
        yield f"{drafts} drafts had {draft_tokens} tokens, asked for {request.draft_length} each"
    if request.method == "ngram" or all(one.drafts is None for one in snapshots):
        return
    if drafts == 0:
        yield "it drafted nothing"
    elif drafts >= FEWEST_DRAFTS and round(draft_tokens / drafts) != request.draft_length:
        mean = draft_tokens / drafts
        yield f"drafts had {mean:.2f} tokens, asked for {request.draft_length}"
