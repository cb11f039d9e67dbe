"""The llama.cpp adapter: golden launch lines, what it refuses, and what counts as proof."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from specseal.engines import CAPABILITIES, LaunchRequest, engine, filled
from specseal.engines.known_names import known_names
from specseal.errors import Dishonoured
from specseal.records import JobStatus, Snapshot

NGRAM = LaunchRequest(
    method="ngram",
    draft_length=4,
    drafter_args={},
    max_sequences=4,
    engine={"context_length": 4096, "family": "cpu"},
)
BASELINE = replace(NGRAM, method="none", draft_length=0)
MODEL = replace(NGRAM, method="draft_model", has_drafter_model=True)


def asking(request: LaunchRequest, *, devices: int = 1, **engine_: Any) -> LaunchRequest:
    """Return a request with settings of the engine changed."""
    return replace(request, devices=devices, engine={**request.engine, **engine_})


HEAD = (
    "--model {model} --host 127.0.0.1 --port {port} --ctx-size 16384 --parallel 4 "
    "--threads {threads} --cont-batching "
)
BATCH, LARGER = "--batch-size 2048 --ubatch-size 512 ", "--batch-size 8192 --ubatch-size 512 "
TAIL = "--fit off --offline --metrics --no-cache-prompt --cache-ram 0 "
COMMON = HEAD + BATCH + TAIL
ACCELERATED = HEAD + LARGER + TAIL
CUDA = "--n-gpu-layers all --device CUDA0 --split-mode none "
ROCM = "--n-gpu-layers all --device ROCm0 --split-mode none "
SPLIT = (
    HEAD + LARGER + "--flash-attn on --cache-type-k f16 --cache-type-v f16 " + TAIL
    + "--n-gpu-layers all --device CUDA0,CUDA1 --split-mode tensor "
)  # fmt: skip
ONE = "--spec-draft-device CUDA0 --no-spec-draft-backend-sampling"
TWO = 2
DRAFT = (
    "--spec-draft-n-max 4 --spec-draft-n-min 0 --spec-draft-p-min 0 --spec-draft-sampling greedy"
)
NONE = "--spec-type none"
SIMPLE = (
    "--spec-type ngram-simple --spec-ngram-simple-size-n 3 --spec-ngram-simple-size-m 4 "
    "--spec-ngram-simple-min-hits 1"
)
DRAFTERS = {
    "draft_model": f"--spec-type draft-simple --spec-draft-model {{drafter}} {DRAFT}",
    "eagle3": f"--spec-type draft-eagle3 --spec-draft-model {{drafter}} {DRAFT}",
    "mtp": f"--spec-type draft-mtp {DRAFT}",
    "dflash": f"--spec-type draft-dflash --spec-draft-model {{drafter}} {DRAFT}",
}


def kind(name: str) -> LaunchRequest:
    return replace(NGRAM, drafter_args={"kind": name})


def drafting(method: str, family: str = "cpu") -> LaunchRequest:
    return asking(replace(MODEL, method=method, has_drafter_model=method != "mtp"), family=family)


ON_CPU = {
    "baseline": (BASELINE, COMMON + NONE),
    "ngram": (NGRAM, COMMON + SIMPLE),
    "ngram of five": (
        replace(NGRAM, drafter_args={"ngram_min": 5, "ngram_max": 5}, draft_length=8),
        COMMON + "--spec-type ngram-simple --spec-ngram-simple-size-n 5 "
        "--spec-ngram-simple-size-m 8 --spec-ngram-simple-min-hits 1",
    ),
    "map-k": (
        replace(kind("map-k"), draft_length=1),
        COMMON + "--spec-type ngram-map-k --spec-ngram-map-k-size-n 3 "
        "--spec-ngram-map-k-size-m 1 --spec-ngram-map-k-min-hits 1",
    ),
    "map-k4v": (
        kind("map-k4v"),
        COMMON + "--spec-type ngram-map-k4v --spec-ngram-map-k4v-size-n 3 "
        "--spec-ngram-map-k4v-size-m 4 --spec-ngram-map-k4v-min-hits 1",
    ),
    "mod": (
        kind("mod"),
        COMMON + "--spec-type ngram-mod --spec-ngram-mod-n-match 16 "
        "--spec-ngram-mod-n-max 4 --spec-ngram-mod-n-min 0",
    ),
    "mtp from a file of its own": (
        replace(drafting("mtp"), has_drafter_model=True),
        COMMON + f"--spec-type draft-mtp --spec-draft-model {{drafter}} {DRAFT}",
    ),
    "prefix cache, chunked prefill": (
        asking(BASELINE, prefix_cache=True, chunked_prefill=True),
        COMMON.replace("--no-cache-prompt", "--cache-prompt") + NONE,
    ),
    "arguments": (
        asking(BASELINE, args={"batch_size": 512, "flash-attn": True, "cache-type-k": "q8_0"}),
        HEAD + "--batch-size 512 --ubatch-size 512 --flash-attn on --cache-type-k q8_0 "
        + TAIL + NONE,
    ),
    **{method: (drafting(method), COMMON + line) for method, line in DRAFTERS.items()},
}  # fmt: skip
ON_ACCELERATORS = {
    **{
        f"{method} on {family}": (
            drafting(method, family),
            ACCELERATED + device + line + ("" if method == "mtp" else " --spec-draft-ngl all"),
        )
        for family, device in (("cuda", CUDA), ("rocm", ROCM))
        for method, line in DRAFTERS.items()
    },
    "baseline on cuda": (asking(BASELINE, family="cuda"), ACCELERATED + CUDA + NONE),
    "baseline on rocm": (asking(BASELINE, family="rocm"), ACCELERATED + ROCM + NONE),
    "ngram on cuda": (asking(NGRAM, family="cuda"), ACCELERATED + CUDA + SIMPLE),
    "ngram on rocm": (asking(NGRAM, family="rocm"), ACCELERATED + ROCM + SIMPLE),
    "ngram on two": (asking(NGRAM, family="cuda", devices=TWO), SPLIT + SIMPLE),
    "one of two": (
        asking(NGRAM, family="cuda", devices=TWO, parallel={"tensor": 1}),
        ACCELERATED + CUDA + SIMPLE,
    ),
    "draft model on two": (
        asking(MODEL, family="cuda", devices=TWO, parallel={"tensor": 2}),
        f"{SPLIT}{DRAFTERS['draft_model']} --spec-draft-ngl all {ONE}",
    ),
    "mtp on two": (
        asking(drafting("mtp"), family="cuda", devices=TWO),
        f"{SPLIT}{DRAFTERS['mtp']} --no-spec-draft-backend-sampling",
    ),
}
GOLDEN = {**ON_CPU, **ON_ACCELERATORS}
VALUES = {"model": "m.gguf", "drafter": "d.gguf", "port": "1", "threads": "2"}


@pytest.mark.parametrize("name", GOLDEN)
def test_launch_line_is_the_golden_one(name: str) -> None:
    request, line = GOLDEN[name]
    assert " ".join(engine("llamacpp").launch(request).args) == line


@pytest.mark.parametrize(
    ("family", "accelerator"), [("cpu", "cpu"), ("cuda", "nvidia/x"), ("rocm", "amd/x")]
)
def test_every_row_of_the_table_has_a_golden_line(family: str, accelerator: str) -> None:
    launched = {request.method for request, _ in GOLDEN.values() if request.family == family}
    assert CAPABILITIES.methods("llamacpp", accelerator) == launched


def test_each_flag_is_one_that_the_build_knows() -> None:
    known = known_names("llamacpp-11549")
    for _, line in GOLDEN.values():
        assert {word for word in line.split() if word.startswith("--")} <= known.keys()
    assert "--bogus-flag" not in known


def test_the_same_argument_twice_is_refused() -> None:
    asked = asking(BASELINE, args={"batch_size": 4096, "batch-size": 8192})
    with pytest.raises(Dishonoured, match="there twice"):
        engine("llamacpp").launch(asked)


def test_a_line_has_the_flags_that_its_row_names() -> None:
    rows = {(row.family, row.method): row.flags for row in engine("llamacpp").capabilities()}
    for request, line in GOLDEN.values():
        assert any(
            f"{flags} " in f"{line} " for flags in rows[request.family, request.method].split(" | ")
        )


def test_a_prefix_cache_is_asked_for_with_each_request_too() -> None:
    launch = engine("llamacpp").launch
    assert launch(BASELINE).dialect == "llamacpp"
    assert launch(asking(BASELINE, prefix_cache=True)).dialect == "llamacpp-cached"


def test_accelerators_have_the_official_image_and_the_cpu_is_built() -> None:
    image = engine("llamacpp").official_image
    assert image("cuda", "b11549") == "ghcr.io/ggml-org/llama.cpp:server-cuda-b11549"
    assert image("rocm", "b11549") == "ghcr.io/ggml-org/llama.cpp:server-rocm-b11549"
    assert image("cpu", "2026.10.11549") is None


TWO_CUDA: dict[str, Any] = {"family": "cuda", "devices": TWO}


@pytest.mark.parametrize(
    ("request_", "place", "said"),
    [
        (replace(NGRAM, method="suffix"), "drafter.method", "no launch line for 'suffix'"),
        (replace(MODEL, has_drafter_model=False), "drafter.model", "is missing"),
        (replace(MODEL, method="eagle3", has_drafter_model=False), "drafter.model", "is missing"),
        (replace(MODEL, method="dflash", has_drafter_model=False), "drafter.model", "is missing"),
        (kind("cache"), "drafter.args.kind", "keeps what a sequence left behind"),
        (kind("lookup"), "drafter.args.kind", "write one of simple, map-k, map-k4v, mod"),
        (
            replace(NGRAM, drafter_args={"ngram_min": 2, "ngram_max": 3}),
            "drafter.args.ngram_max",
            "write the same as ngram_min",
        ),
        (replace(NGRAM, drafter_args={"ngram_max": 3}), "drafter.args.ngram_max", "of one size"),
        (
            replace(NGRAM, drafter_args={"ngram_min": 5}),
            "drafter.draft_length",
            "drafter.args.ngram_min (5",
        ),
        (
            replace(NGRAM, drafter_args={"kind": "map-k", "ngram_min": 1025}),
            "drafter.args.ngram_min",
            "1024 tokens at most",
        ),
        (replace(NGRAM, max_sequences=1, draft_length=1025), "drafter.draft_length", "at most"),
        # Seen with xllamacpp 2026.10.11549: 0 drafts in 36 phases at draft lengths 1 and 2.
        (replace(NGRAM, draft_length=2), "drafter.draft_length", "drafts nothing where"),
        (asking(NGRAM, context_length=4097), "engine.context_length", "write 4096 or 4352"),
        (asking(NGRAM, context_length=255), "engine.context_length", "256: write 256"),
        (asking(NGRAM, chunked_prefill=False), "engine.chunked_prefill", "always computes"),
        (asking(NGRAM, parallel={"tensor": 2}), "engine.parallel.tensor", "accelerators only"),
        (
            asking(NGRAM, family="cuda", parallel={"tensor": 2}),
            "engine.parallel.tensor",
            "of hardware.count (1)",
        ),
        (
            asking(replace(MODEL, method="dflash"), **TWO_CUDA),
            "drafter.method",
            "split over 2 devices",
        ),
        (asking(NGRAM, args={"ctx-size": 1}), "engine.args.ctx-size", "is not handed on"),
        (asking(NGRAM, args={"batch-size": True}), "engine.args.batch-size", "no whole number"),
        (asking(NGRAM, args={"batch-size": 0}), "engine.args.batch-size", "no whole number"),
        (asking(NGRAM, args={"ubatch-size": 4096}), "engine.args.ubatch-size", "no more than"),
        (asking(NGRAM, args={"flash-attn": "yes"}), "engine.args.flash-attn", "none of on, off"),
        (
            asking(NGRAM, args={"cache-type-k": "q8_0"}, **TWO_CUDA),
            "engine.args.cache-type-k",
            "is f16 for a model that is split",
        ),
        (replace(NGRAM, max_sequences=512), "drafter.draft_length", "{batch-size: 2560}"),
    ],
)
def test_what_can_not_be_is_refused_at_its_place(
    request_: LaunchRequest, place: str, said: str
) -> None:
    with pytest.raises(Dishonoured) as refused:
        engine("llamacpp").launch(request_)
    assert ".".join(refused.value.place) == place
    assert said in refused.value.reason


def test_a_batch_may_be_just_as_large_as_its_drafts() -> None:
    asked = asking(replace(NGRAM, max_sequences=512), args={"batch-size": 2560})
    assert "2560" in engine("llamacpp").launch(asked).args


@pytest.mark.parametrize("name", ON_CPU)
def test_the_image_program_sets_what_every_launch_line_says(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = _load_serve(monkeypatch)
    request, line = ON_CPU[name]
    given = serve.parser().parse_args(filled(tuple(line.split()), VALUES))
    assert (given.parallel, given.cache_prompt) == (4, "no-cache" not in line)
    speculative = _Anything()
    if request.method != "none":
        serve.speculate(speculative, given)
        (chosen,) = speculative.types
        name = given.spec_type.replace("-", "_").upper()
        assert chosen == f"COMMON_SPECULATIVE_TYPE_{name}"
    if request.method == "ngram":
        ngram = getattr(speculative, given.spec_type.replace("-", "_"))
        lengths = vars(ngram)
        assert lengths.get("size_m", lengths.get("n_max")) == request.draft_length
        assert lengths.get("min_hits", 1) == 1
        assert lengths.get("n_min", 0) == 0
    elif request.method != "none":
        draft = speculative.draft
        assert (draft.n_max, draft.n_min, draft.p_min) == (4, 0, 0)
        assert vars(draft.mparams) == ({"path": "d.gguf"} if request.has_drafter_model else {})


@pytest.mark.parametrize(
    "more",
    [
        "--split-mode none",
        "--spec-type ngram-cache",
        "--spec-ngram-simple-size-n 1025",
        "--spec-ngram-map-k-size-m 0",
        "--spec-ngram-map-k4v-min-hits 0",
        "--spec-ngram-mod-n-min -1",
        "--spec-draft-p-min 1.5",
        "--batch-size 0",
        "--cache-type-k q3",
        "--fit on",
        "--no-cont-batching",
    ],
)
def test_the_image_program_refuses_what_llama_server_would_or_specseal_never_says(
    more: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = _load_serve(monkeypatch)
    args = filled(tuple(GOLDEN["ngram"][1].split()), VALUES)
    with pytest.raises(SystemExit):
        serve.parser().parse_args([*args, *more.split()])


def said(*types: str, **changes: Any) -> dict[str, Any]:
    """Return what an engine says whose slots, after the phases, name these ways of drafting."""
    slot = {"n_ctx": 4096, "speculative": True, **changes}
    after = [slot, *({**slot, "params": {"speculative.types": one}} for one in types)]
    return {"slots": [slot] * 4, "after": {"slots": after}}


def status(*types: str, **changes: Any) -> JobStatus:
    engine_ = said(*(types or ("ngram-simple",)), **changes)
    return JobStatus(outcome="done", reason="", phases=(), engine=engine_)


def snapshot(*positions: int, drafts: int = 9) -> Snapshot:
    return Snapshot(
        phase="c4", moment="after", time_ns=1, settled=True, drafts=drafts, draft_tokens=36,
        accepted_tokens=sum(positions), accepted_per_position=positions, output_tokens=99,
        prompt_tokens=9, cached_tokens=None,
    )  # fmt: skip


NOT_YET = snapshot(drafts=0)
NOTHING = JobStatus(outcome="done", reason="", phases=(), engine={})


@pytest.mark.parametrize(
    ("request_", "types"),
    [
        (NGRAM, "ngram-simple"),
        (kind("map-k"), "ngram-map-k"),
        (MODEL, "draft-simple"),
        (MODEL, "none,draft-simple"),  # llama-server's list starts with none
        (drafting("eagle3"), "none,draft-eagle3"),
        (drafting("mtp"), "draft-mtp"),
        (drafting("dflash"), "draft-dflash"),
    ],
)
def test_an_engine_that_did_as_asked_is_proven(request_: LaunchRequest, types: str) -> None:
    snapshots = (NOT_YET, snapshot(5, 4, 3, 0))
    assert engine("llamacpp").proof(request_, status(types, types), snapshots, "") == ()


def test_a_baseline_that_did_not_speculate_is_proven() -> None:
    found = status("none", speculative=False)
    assert engine("llamacpp").proof(BASELINE, found, (NOT_YET,), "") == ()


@pytest.mark.parametrize(
    ("request_", "found", "snapshots", "said"),
    [
        (NGRAM, status(speculative=False), (), "speculative is False"),
        (BASELINE, status(speculative=True), (), "speculative is True"),
        (BASELINE, status("ngram-mod"), (), "drafts with ngram-mod, asked for none"),
        (NGRAM, status(n_ctx=2048), (), "n_ctx is 2048"),
        (replace(NGRAM, max_sequences=8), status(), (), "4 slots"),
        (NGRAM, status(), (snapshot(5, 4, 3, 2, 1),), "may have 5 tokens, asked for 4"),
        (NGRAM, status(), (snapshot(5, 4, 3),), "may have 3 tokens, asked for 4"),
        (BASELINE, status("none", speculative=False), (snapshot(5),), "asked for 0"),
        (NGRAM, status("ngram-map-k"), (), "drafts with ngram-map-k, asked for ngram-simple"),
        (NGRAM, status("ngram-simple,draft-simple"), (), "drafts with draft-simple,ngram-simple"),
        (MODEL, status("none"), (), "drafts with none, asked for draft-simple"),
        (NGRAM, NOTHING, (), "0 slots"),
        (NGRAM, NOTHING, (), "no slot says what it drafted with"),
    ],
)
def test_an_engine_that_did_something_else_is_found_out(
    request_: LaunchRequest, found: JobStatus, snapshots: tuple[Snapshot, ...], said: str
) -> None:
    against = engine("llamacpp").proof(request_, found, snapshots, "")
    assert any(said in line for line in against), against


@pytest.mark.parametrize(
    ("engine_", "method"),
    [
        (said("none", speculative=False), "none"),
        (said("ngram-mod"), "ngram"),
        (said("none,draft-simple"), "draft_model"),
        (said("draft-eagle3", "draft-eagle3"), "eagle3"),
        (said("draft-mtp"), "mtp"),
        (said("draft-dflash"), "dflash"),
        (said("ngram-simple", "draft-simple"), None),
        (said("ngram-cache"), None),
        (said(), None),
        ({}, None),
    ],
)
def test_the_method_found_is_what_all_slots_say(engine_: dict[str, Any], method: str) -> None:
    assert engine("llamacpp").method_found(engine_, "") == method


def test_the_draft_length_found_is_the_number_of_positions_once_there_was_a_draft() -> None:
    found = engine("llamacpp").draft_length_found
    assert found(NGRAM, {}, (NOT_YET, snapshot(3, 0, 0, 0))) == 4
    assert found(NGRAM, {}, (NOT_YET,)) is None


@pytest.mark.parametrize(
    ("build_info", "log", "version"),
    [
        ("b0-unknown", "xllamacpp 2026.10.11549\nlistening on x\n", "2026.10.11549"),
        ("b0-unknown", "", None),
        ("b11096-c550d2f60", "", "b11096"),
        (None, "said xllamacpp 1\n", None),
    ],
)
def test_the_version_found_is_the_wheels_or_an_images_build(
    build_info: str | None, log: str, version: str | None
) -> None:
    said = {"props": {"build_info": build_info}} if build_info else {}
    assert engine("llamacpp").version_found(said, log) == version


def test_a_job_that_broke_off_was_not_asked_what_it_had_drafted_with() -> None:
    broke = replace(status(), outcome="failed")
    del broke.engine["after"]
    assert engine("llamacpp").proof(NGRAM, broke, (snapshot(5, 4, 3, 2),), "") == ()
    whole = replace(broke, outcome="done")
    assert engine("llamacpp").proof(NGRAM, whole, (snapshot(5, 4, 3, 2),), "") == (
        "no slot says what it drafted with",
    )


class _Anything(SimpleNamespace):
    """Has every attribute that is asked for, each with what was set on it."""

    def __getattr__(self, name: str) -> _Anything:
        setattr(self, name, _Anything())
        found: _Anything = vars(self)[name]
        return found


class _Names:
    """Every constant is its own name."""

    def __getattr__(self, name: str) -> str:
        return name


def _load_serve(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Load `images/llamacpp/cpu/serve.py` without the engine, of which only names are needed."""
    wheel = ModuleType("xllamacpp")
    wheel.__dict__["common_speculative_type"] = wheel.__dict__["ggml_type"] = _Names()
    monkeypatch.setitem(sys.modules, "xllamacpp", wheel)
    path = Path(__file__).parents[3] / "images" / "llamacpp" / "cpu" / "serve.py"
    spec = importlib.util.spec_from_file_location("serve", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
