"""The TensorRT-LLM adapter: golden launch lines and files, what it refuses, what is proof."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from specseal.client.counts import check_source
from specseal.client.dialects import DIALECTS
from specseal.client.job import COUNTERS, CountSource
from specseal.engines import CAPABILITIES, Launch, LaunchRequest, engine, filled
from specseal.engines.known_names import known_names
from specseal.engines.tensorrt_llm import VERSIONS, TensorRtLlm
from specseal.engines.tensorrt_llm_options import NEWEST, PAPERS
from specseal.errors import Dishonoured
from specseal.records import JobStatus, Snapshot
from specseal.spec import problems_in

B200 = "nvidia/b200-sxm-180gb"
OFF: dict[str, Any] = {"engine_args": {"disable_overlap_scheduler": True}}


def ask(
    method: str = "none",
    length: int = 3,
    *,
    args: dict[str, Any] | None = None,
    version: str = NEWEST,
    devices: int = 1,
    temperature: float = 0.0,
    has_drafter_model: bool | None = None,
    engine_args: dict[str, Any] | None = None,
    max_sequences: int = 32,
    **asked: Any,
) -> LaunchRequest:
    given = method in ("eagle3", "draft_model") if has_drafter_model is None else has_drafter_model
    return LaunchRequest(
        method=method,
        draft_length=0 if method == "none" else length,
        drafter_args=args or {},
        has_drafter_model=given,
        max_sequences=max_sequences,
        engine={
            "name": "tensorrt-llm",
            "version": version,
            "family": "cuda",
            "context_length": 8192,
            "prefix_cache": False,
            "args": engine_args or {},
            **asked,
        },
        devices=devices,
        temperature=temperature,
    )


def launched(request: LaunchRequest) -> Launch:
    return engine("tensorrt-llm").launch(request)


def file_of(request: LaunchRequest) -> dict[str, Any]:
    options: dict[str, Any] = json.loads(launched(request).config["engine.json"])
    return options


COMMON = (
    "serve {model} --host 127.0.0.1 --port {port} --backend pytorch --log_level info "
    "--max_batch_size 32 --max_num_tokens 8192 --max_seq_len 8192 "
)
END = " --extra_llm_api_options {config}/engine.json"
ONE = COMMON + "--tp_size 1 --ep_size 1" + END
BASE = (
    '{"cuda_graph_config":{"enable_padding":true,"max_batch_size":32},'
    '"disable_overlap_scheduler":false,"enable_chunked_prefill":true,'
    '"enable_iter_perf_stats":true,'
    '"kv_cache_config":{"enable_block_reuse":false,"free_gpu_memory_fraction":0.75},'
)
END_OF_FILE = '"stream_interval":1}'
WITHOUT_OVERLAP = BASE.replace('scheduler":false', 'scheduler":true')
EAGLE = (
    '"speculative_config":{"decoding_type":"Eagle","eagle3_one_model":true,"max_draft_len":3,'
    '"speculative_model_dir":"{drafter}"},'
)
MTP = (
    '"speculative_config":{"decoding_type":"MTP","num_nextn_predict_layers":3,'
    '"use_relaxed_acceptance_for_thinking":false},'
)
NGRAM = (
    '"speculative_config":{"decoding_type":"NGram","is_keep_all":true,"is_public_pool":false,'
    '"is_use_oldest":true,"max_draft_len":3,"max_matching_ngram_size":3},'
)
DRAFT = (
    '"speculative_config":{"decoding_type":"DraftTarget","max_draft_len":3,'
    '"speculative_model_dir":"{drafter}"},'
)
GOLDEN = {
    "none": (ask(), ONE, BASE + END_OF_FILE),
    "eagle3": (ask("eagle3"), ONE, BASE + EAGLE + END_OF_FILE),
    "mtp": (ask("mtp"), ONE, BASE + MTP + END_OF_FILE),
    "ngram": (ask("ngram", **OFF), ONE, WITHOUT_OVERLAP + NGRAM + END_OF_FILE),
    "draft_model": (ask("draft_model"), ONE, BASE + DRAFT + END_OF_FILE),
    "baseline of ngram": (ask(**OFF), ONE, WITHOUT_OVERLAP + END_OF_FILE),
    "mtp on eight, experts by four": (
        ask("mtp", devices=8, parallel={"expert": 4}),
        COMMON + "--tp_size 8 --ep_size 4" + END,
        BASE + MTP + END_OF_FILE,
    ),
    "long context in chunks": (
        ask(context_length=131072, chunked_prefill=True),
        ONE.replace("seq_len 8192", "seq_len 131072"),
        BASE + END_OF_FILE,
    ),
    "long context in one": (
        ask(context_length=131072, chunked_prefill=False),
        ONE.replace("seq_len 8192", "seq_len 131072").replace("tokens 8192", "tokens 131072"),
        BASE.replace('prefill":true', 'prefill":false') + END_OF_FILE,
    ),
    "prefix cache": (
        ask(prefix_cache=True),
        ONE,
        BASE.replace('reuse":false', 'reuse":true') + END_OF_FILE,
    ),
    "sampled eagle3": (
        ask("eagle3", temperature=1.0),
        ONE,
        BASE + EAGLE.replace('{"dec', '{"allow_advanced_sampling":true,"dec') + END_OF_FILE,
    ),
    "chunks of another size": (
        ask("eagle3", engine_args={"max_num_tokens": 4096}),
        ONE.replace("tokens 8192", "tokens 4096"),
        BASE + EAGLE + END_OF_FILE,
    ),
    "sampled draft model": (
        ask("draft_model", temperature=1.0, **OFF),
        ONE,
        WITHOUT_OVERLAP + DRAFT + END_OF_FILE,
    ),
    "the harness's ngram": (
        ask("ngram", args={"kind": "public_pool", "ngram_max": 5}, **OFF),
        ONE,
        WITHOUT_OVERLAP
        + NGRAM.replace('pool":false', 'pool":true').replace('size":3', 'size":5')
        + END_OF_FILE,
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_launch_line_and_file_are_the_golden_ones(name: str) -> None:
    request, line, file = GOLDEN[name]
    launch = launched(request)
    assert " ".join(launch.args) == line
    assert dict(launch.config) == {"engine.json": file}


@pytest.mark.parametrize("name", ["none", "eagle3", "mtp", "ngram", "draft_model"])
def test_papers_version_differs_only_in_statistics_that_tell_it_nothing(name: str) -> None:
    request, line, file = GOLDEN[name]
    older = replace(request, engine={**request.engine, "version": PAPERS})
    launch = launched(older)
    assert " ".join(launch.args) == line
    assert launch.config["engine.json"] == file.replace('perf_stats":true', 'perf_stats":false')
    assert launch.counts == {"source": "none"}


def test_every_row_of_the_table_has_a_golden_line() -> None:
    for version in VERSIONS:
        methods = CAPABILITIES.methods("tensorrt-llm", B200, version)
        assert methods == {request.method for request, _, _ in GOLDEN.values()}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", GOLDEN)
def test_each_flag_and_each_option_is_one_that_the_version_knows(name: str, version: str) -> None:
    flags = known_names(f"tensorrt-llm-{version}-flags").keys()
    options = known_names(f"tensorrt-llm-{version}-options").keys()
    request, line, file = GOLDEN[name]
    if request.temperature and request.method == "eagle3" and version == PAPERS:
        return  # refused there
    assert {word for word in line.split() if word.startswith("--")} <= flags
    written = json.loads(file)
    assert written.keys() <= options
    inner = {
        f"{key}.{one}" for key, value in written.items() if isinstance(value, dict) for one in value
    }
    assert inner <= options
    assert not {"--bogus_flag", "bogus_option", "kv_cache_config.bogus"} & (flags | options)


@pytest.mark.parametrize("accelerator", ["cpu", "amd/mi300x-192gb"])
def test_other_accelerators_have_no_row(accelerator: str) -> None:
    assert CAPABILITIES.methods("tensorrt-llm", accelerator) == frozenset()


def test_file_is_json_with_the_drafter_filled_in() -> None:
    launch = launched(ask("eagle3"))
    (text,) = filled((launch.config["engine.json"],), {"drafter": "/drafter"})
    assert json.loads(text)["speculative_config"]["speculative_model_dir"] == "/drafter"


def test_official_image_is_the_one_of_its_version() -> None:
    adapter = engine("tensorrt-llm")
    image = "nvcr.io/nvidia/tensorrt-llm/release:1.2.0rc1"
    assert adapter.official_image("cuda", PAPERS) == image
    assert adapter.official_image("rocm", PAPERS) is None
    assert adapter.official_image("cuda", "1.1.0") is None


def test_client_has_its_dialect_and_its_count_source() -> None:
    launch = launched(ask("ngram", **OFF))
    assert launch.dialect in DIALECTS
    assert launch.counts["names"].keys() <= set(COUNTERS)
    check_source(CountSource(source=launch.counts["source"], names={}))


@pytest.mark.parametrize(
    ("request_", "counted"),
    [
        (ask("ngram", **OFF), {"drafts", "draft_tokens", "accepted_tokens"}),
        (ask("eagle3", **OFF), {"drafts", "draft_tokens", "accepted_tokens"}),
        (ask("eagle3"), {"drafts", "draft_tokens"}),
        (ask(), {"drafts", "draft_tokens"}),
        (ask("draft_model"), set()),
        (ask("draft_model", **OFF), {"drafts", "draft_tokens", "accepted_tokens"}),
    ],
)
def test_only_what_is_counted_right_is_taken(request_: LaunchRequest, counted: set[str]) -> None:
    counts = launched(request_).counts
    assert (counts["source"], counts["number"]) == ("iteration-list", "iter")
    assert counts["names"].keys() == counted


def test_facts_that_the_analysis_needs() -> None:
    launch = launched(ask("eagle3"))
    assert (launch.one_chunk_a_step, launch.cut_at_limit, launch.model) == (True, True, "model")


def test_one_device_needs_no_workers_and_less_shared_memory() -> None:
    one, eight = launched(ask()), launched(ask(devices=8))
    assert one.environment["TLLM_WORKER_USE_SINGLE_PROCESS"] == "1"
    assert "TLLM_WORKER_USE_SINGLE_PROCESS" not in eight.environment
    assert (one.shm_bytes, eight.shm_bytes) == (1 << 30, 16 << 30)


def test_engine_args_go_into_the_file() -> None:
    args = {
        "moe_config": {"backend": "TRTLLM"},
        "kv_cache_config": {"free_gpu_memory_fraction": 0.9, "dtype": "fp8"},
    }
    options = file_of(ask(engine_args=args))
    assert options["moe_config"] == {"backend": "TRTLLM"}
    assert options["kv_cache_config"] == {
        "enable_block_reuse": False,
        "free_gpu_memory_fraction": 0.9,
        "dtype": "fp8",
    }


REFUSED = {
    "medusa": (ask("medusa"), ("drafter", "method"), "no Medusa"),
    "eagle": (ask("eagle"), ("drafter", "method"), "write eagle3"),
    "suffix": (ask("suffix"), ("drafter", "method"), "no suffix decoding"),
    "dflash": (ask("dflash"), ("drafter", "method"), "no DFlash"),
    "unknown": (ask("lookahead"), ("drafter", "method"), "no launch line"),
    "ngram with the overlap scheduler": (
        ask("ngram"),
        ("drafter", "method"),
        "write engine.args: {disable_overlap_scheduler: true}, for both",
    ),
    "eagle3 without a drafter": (
        ask("eagle3", has_drafter_model=False),
        ("drafter", "model"),
        "name the drafter's",
    ),
    "mtp with a drafter": (ask("mtp", has_drafter_model=True), ("drafter", "model"), "leave it"),
    "unknown pool": (
        ask("ngram", args={"kind": "simple"}, **OFF),
        ("drafter", "args", "kind"),
        "'simple' is none of private_pool, public_pool",
    ),
    "sampling that the paper's version ignores": (
        ask("mtp", version=PAPERS, temperature=1.0),
        ("workload", "sampling", "temperature"),
        "decodes greedily with mtp",
    ),
    "more devices than there are": (
        ask(devices=4, parallel={"tensor": 8}),
        ("engine", "parallel", "tensor"),
        "hardware.count is 4",
    ),
    "experts that do not divide": (
        ask(devices=8, parallel={"expert": 3}),
        ("engine", "parallel", "expert"),
        "3 does not divide the 8 devices",
    ),
    "speculation behind the drafter's back": (
        ask(engine_args={"speculative_config": {"decoding_type": "AUTO"}}),
        ("engine", "args", "speculative_config"),
        "the spec's drafter",
    ),
    "what the launch line says": (
        ask(engine_args={"max_seq_len": 1}),
        ("engine", "args", "max_seq_len"),
        "write engine.context_length",
    ),
    "what the file says": (
        ask(engine_args={"stream_interval": 10}),
        ("engine", "args", "stream_interval"),
        "set already",
    ),
    "what an inner object says": (
        ask(engine_args={"kv_cache_config": {"enable_block_reuse": True}}),
        ("engine", "args", "kv_cache_config", "enable_block_reuse"),
        "set already",
    ),
    "no object in place of one": (
        ask(engine_args={"cuda_graph_config": None}),
        ("engine", "args", "cuda_graph_config"),
        "set already",
    ),
    "an option that there is not": (
        ask(engine_args={"bogus_flag": 1}),
        ("engine", "args", "bogus_flag"),
        "TensorRT-LLM 1.2.0 has no bogus_flag: the nearest that it has is ",
    ),
    "a key that an option has not": (
        ask(engine_args={"kv_cache_config": {"free_gpu_memory": 0.5}}),
        ("engine", "args", "kv_cache_config", "free_gpu_memory"),
        "the nearest that it has is kv_cache_config.free_gpu_memory_fraction",
    ),
    "an option of a later version": (
        ask(version=PAPERS, engine_args={"nvfp4_gemm_config": {}}),
        ("engine", "args", "nvfp4_gemm_config"),
        "TensorRT-LLM 1.2.0rc1 has no nvfp4_gemm_config",
    ),
    "random weights": (
        ask(engine_args={"load_format": "DUMMY"}),
        ("engine", "args", "load_format"),
        "weights would be random",
    ),
    "fewer layers": (
        ask(engine_args={"model_kwargs": {"num_hidden_layers": 2}}),
        ("engine", "args", "model_kwargs"),
        "num_hidden_layers would make it another model",
    ),
    "sizes behind the launch line's back": (
        ask(engine_args={"build_config": {"max_batch_size": 1}}),
        ("engine", "args", "build_config"),
        "wins over the sizes",
    ),
    "chunks of no size": (
        ask(engine_args={"max_num_tokens": "8k"}),
        ("engine", "args", "max_num_tokens"),
        "no whole number",
    ),
    "a size of chunks without chunks": (
        ask(chunked_prefill=False, engine_args={"max_num_tokens": 9}),
        ("engine", "args", "max_num_tokens"),
        "without chunks it is the context",
    ),
    "chunks that hold no step": (
        ask("mtp", engine_args={"max_num_tokens": 127}),
        ("drafter", "draft_length"),
        "127 tokens can't hold 32 sequences with drafts of 3: "
        "write engine.args: {max_num_tokens: 128}, or lower either",
    ),
    "a prefix cache that the backend would drop": (
        ask(prefix_cache=True, engine_args={"attn_backend": "flashinfer"}),
        ("engine", "args", "attn_backend"),
        "switches the prefix cache off with FLASHINFER",
    ),
    "chunks that the backend would drop": (
        ask(engine_args={"attn_backend": "FLASHINFER_STAR_ATTENTION"}),
        ("engine", "args", "attn_backend"),
        "switches chunked prefill off",
    ),
    "a scheduler that the drafter's backend would drop": (
        ask("draft_model", engine_args={"attn_backend": "FLASHINFER"}),
        ("engine", "args", "attn_backend"),
        "switches its overlap scheduler off",
    ),
    "sampling that the overlap scheduler ignores": (
        ask("draft_model", temperature=1.0),
        ("workload", "sampling", "temperature"),
        "verifies draft_model greedily with its overlap scheduler",
    ),
    "attention of each rank alone": (
        ask(engine_args={"enable_attention_dp": True}),
        ("engine", "args", "enable_attention_dp"),
        "one rank",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_be_done_as_asked_is_refused_where_it_is_asked(name: str) -> None:
    request, place, said = REFUSED[name]
    with pytest.raises(Dishonoured) as refused:
        launched(request)
    assert refused.value.place == place
    assert said in refused.value.reason


@pytest.mark.parametrize("method", ["ngram", "draft_model"])
def test_two_engines_sample_as_asked_in_every_version(method: str) -> None:
    options = file_of(ask(method, version=PAPERS, temperature=1.0, **OFF))
    assert "allow_advanced_sampling" not in options["speculative_config"]


def snapshot(drafts: int | None, draft_tokens: int | None) -> Snapshot:
    return Snapshot(
        phase="c32", moment="after", time_ns=1, settled=True, drafts=drafts,
        draft_tokens=draft_tokens, accepted_tokens=None, accepted_per_position=None,
        output_tokens=None, prompt_tokens=None, cached_tokens=None,
    )  # fmt: skip


STATUS = JobStatus(outcome="done", reason="", phases=(), engine={"version": {"version": NEWEST}})
# As `logger.info(f"LLM Args:\n{llm_args}")` prints a pydantic model, and as the other lines stand,
# in NVIDIA/TensorRT-LLM of January 2026, _torch/pyexecutor/py_executor_creator.py and _util.py.
ARGS = (
    "[01/26/2026-12:00:00] [TRT-LLM] [I] LLM Args:\n"
    "model='/model' tokenizer=TransformersTokenizer(LlamaTokenizerFast(name_or_path='/model', "
    "added_tokens_decoder={{\n\t128000: AddedToken(\"<|begin_of_text|>\"),\n}}\n)) dtype='auto' "
    "kv_cache_config=KvCacheConfig(enable_block_reuse=False, max_tokens=None, "
    "free_gpu_memory_fraction=0.75) enable_chunked_prefill=True sparse_attention_config=None "
    "speculative_config={} max_batch_size=32 max_input_len=1024 max_seq_len=8192 "
    "cuda_graph_config=CudaGraphConfig(batch_sizes=[1, 2], max_batch_size=32, "
    "enable_padding=True) disable_overlap_scheduler={} stream_interval=1\n"
)
ON_ONE_LINE = "[I] LLM Args: model='/model', speculative_config={}, max_batch_size=32\n"
FEATURES = (
    "[01/26/2026-11:59:00] [TRT-LLM] [I] ATTENTION RUNTIME FEATURES:  AttentionRuntimeFeatures("
    "chunked_prefill={}, cache_reuse={}, has_speculative_draft_tokens=False, chunk_size=8192)\n"
)
SIZES = "[I] max_seq_len={}, max_num_requests={}, max_num_tokens={}, max_batch_size={}\n"
STARTED = (
    FEATURES.format(True, False)
    + "[W] Adjusted max_seq_len to 8224\n"
    + SIZES.format(8224, 32, 8192, 32)
    + SIZES.format(8199, 32, 8192, 32)
)


def args_of(options: str, *, overlap_off: bool = False) -> str:
    return ARGS.format(options, overlap_off)


LOGS = {
    "none": args_of("None"),
    "eagle3": args_of("Eagle3DecodingConfig(max_draft_len=3, decoding_type='Eagle3')"),
    "mtp": args_of("MTPDecodingConfig(max_draft_len=3, use_relaxed_acceptance_for_thinking=False)"),
    "ngram": args_of("NGramDecodingConfig(max_draft_len=3)", overlap_off=True),
    "draft_model": args_of("DraftTargetDecodingConfig(max_draft_len=3)"),
}
AS_ASKED = {
    "eagle3": (ask("eagle3"), (snapshot(10, 30), snapshot(100, 300)), LOGS["eagle3"]),
    "some drafted ids 0": (ask("mtp"), (snapshot(100, 299),), LOGS["mtp"]),
    "ngram that found little": (ask("ngram", **OFF), (snapshot(100, 120),), LOGS["ngram"]),
    "ngram that found nothing": (ask("ngram", **OFF), (snapshot(0, 0),), ""),
    "baseline": (ask(), (snapshot(0, 0),), LOGS["none"]),
    "nothing told": (ask("mtp", version=PAPERS), (), ""),
    "a draft model's uncounted drafts": (ask("draft_model"), (snapshot(None, None),), ""),
    "ngram without the scheduler": (
        ask("ngram", **OFF), (), "Disable overlap scheduler for speculation mode NGRAM",
    ),
    "greedy as asked": (ask("mtp"), (), "Falling back to greedy decoding for MTP."),
    "sizes, chunks and cache": (ask("mtp"), (), STARTED + LOGS["mtp"]),
    "one sequence needs no more": (
        ask(max_sequences=1, context_length=4096), (), SIZES.format(4097, 1, 4096, 1),
    ),
    "the cache that was asked for": (ask(prefix_cache=True), (), FEATURES.format(True, True)),
    "no chunks, as asked": (
        ask(chunked_prefill=False), (),
        FEATURES.format(False, False) + "Chunked Prefill for MLA can only be enabled on SM90",
    ),
    "no cache to lose": (ask(), (), "KV cache reuse for MLA can only be enabled on SM90"),
    "the paper's arguments": (
        ask("mtp", version=PAPERS), (), "[I] PyTorchConfig(disable_overlap_scheduler=False, a=1)",
    ),
}  # fmt: skip
NOT_AS_ASKED = {
    "drafted in the baseline": (ask(), (snapshot(5, 15),), "", "it drafted 5 times"),
    "did not draft": (ask("mtp"), (snapshot(0, 0),), "", "drafted nothing"),
    "shorter drafts": (ask("mtp"), (snapshot(100, 100),), "", "drafts had 1.00 tokens"),
    "longer drafts": (ask("ngram", **OFF), (snapshot(10, 50),), "", "had 50 tokens"),
    "another method": (ask("mtp"), (), LOGS["ngram"], "drafts by ngram, asked for mtp"),
    "no method": (ask("mtp"), (), LOGS["none"], "drafts by none"),
    "greedy": (
        ask("mtp", temperature=1.0), (), "Falling back to greedy decoding for MTP.", "greedily",
    ),
    "scheduler switched off": (
        ask("mtp"), (), "Disable overlap scheduler for speculation mode MTP", "scheduler off",
    ),
    "scheduler switched off for the drafter": (
        ask("draft_model"), (),
        "Overlap scheduler is not supported for non-CDL or non-TrtllmAttention backend.",
        "scheduler off, for the drafter's sake",
    ),
    "scheduler off in the arguments": (
        ask("mtp"), (), LOGS["mtp"].replace("scheduler=False", "scheduler=True"),
        "disable_overlap_scheduler is True, asked for False",
    ),
    "verified greedily": (
        ask("draft_model", temperature=1.0, **OFF), (),
        "Overlap scheduler is enabled for two-model speculative decoding. Rejection sampling will "
        "fallback to greedy sampling.",
        "verifies greedily",
    ),
    "relaxed": (
        ask("mtp"), (), LOGS["mtp"].replace("thinking=False", "thinking=True"), "would not say",
    ),
    "no chunks": (ask(), (), FEATURES.format(False, False), "chunked_prefill is False"),
    "chunks that were not asked for": (
        ask(chunked_prefill=False), (), FEATURES.format(True, False), "asked for False",
    ),
    "no chunks on this device": (
        ask(), (), FEATURES.format(True, False)
        + "Chunked Prefill for MLA can only be enabled on SM90/SM100/SM103/SM120, disable",
        "does not chunk prompts",
    ),
    "a cache that was not asked for": (
        ask(), (), FEATURES.format(True, True), "cache_reuse is True, asked for False",
    ),
    "no cache with this backend": (
        ask(prefix_cache=True), (), "Disabling block reuse for FLASHINFER backend", "no prefix",
    ),
    "no cache on this device": (
        ask(prefix_cache=True), (), "KV cache reuse for MLA can only be enabled on SM90", "no pre",
    ),
    "fewer sequences": (
        ask(), (), STARTED + SIZES.format(8193, 16, 8192, 16), "max_batch_size is 16, asked for 32",
    ),
    "too little memory for one sequence": (
        ask(), (), STARTED + SIZES.format(6000, 32, 8192, 32), "max_seq_len is 6000, asked for",
    ),
    "a model of shorter sequences": (
        ask(), (),
        "Specified self.max_seq_len=8192 is larger than what the model can support (4096). ",
        "shortened the context length",
    ),
    "smaller iterations": (
        ask(), (), SIZES.format(8193, 32, 2048, 32), "max_num_tokens is 2048, asked for 8192",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AS_ASKED)
def test_an_engine_that_did_as_asked_is_proven(name: str) -> None:
    request, snapshots, log = AS_ASKED[name]
    assert engine("tensorrt-llm").proof(request, STATUS, snapshots, log) == ()


@pytest.mark.parametrize("name", NOT_AS_ASKED)
def test_an_engine_that_did_something_else_is_found_out(name: str) -> None:
    request, snapshots, log, said = NOT_AS_ASKED[name]
    against = engine("tensorrt-llm").proof(request, STATUS, snapshots, log)
    assert any(said in line for line in against), against


def test_version_is_what_it_says_over_http_else_in_its_log() -> None:
    found = TensorRtLlm().version_found
    assert found(STATUS.engine, "") == NEWEST
    assert found({}, "[TensorRT-LLM] TensorRT LLM version: 1.2.0rc1\n") == PAPERS
    assert found({}, "[TensorRT-LLM] TensorRT-LLM version: 1.2.0rc1\n") == PAPERS
    assert found({}, "") is None


@pytest.mark.parametrize("method", LOGS)
def test_method_is_found_in_the_log(method: str) -> None:
    assert TensorRtLlm().method_found({}, "loading\n" + LOGS[method] + "more") == method


def test_method_is_found_in_arguments_on_one_line_too() -> None:
    log = ON_ONE_LINE.format("MTPDecodingConfig(max_draft_len=3)")
    assert TensorRtLlm().method_found({}, log) == "mtp"
    log = ON_ONE_LINE.format("EagleDecodingConfig(max_draft_len=3)")
    assert TensorRtLlm().method_found({}, log) == "eagle3"


@pytest.mark.parametrize(
    "log", ["", STARTED, "speculative_config=None before LLM Args:\nmodel", args_of("X()")]
)
def test_method_that_the_log_does_not_tell_is_not_guessed(log: str) -> None:
    assert TensorRtLlm().method_found({}, log) is None


@pytest.mark.parametrize(
    ("request_", "counted", "length"),
    [
        (ask("mtp"), (100, 299), 3),
        (ask("mtp"), (100, 100), 1),
        (ask("mtp"), (5, 5), None),
        (ask("ngram", **OFF), (100, 120), None),
        (ask(), (0, 0), None),
        (ask("draft_model"), (None, None), None),
    ],
)
def test_draft_length_is_found_where_all_drafts_have_one(
    request_: LaunchRequest, counted: tuple[int | None, int | None], length: int | None
) -> None:
    assert TensorRtLlm().draft_length_found(request_, {}, (snapshot(*counted),)) == length


SPECS = sorted((Path(__file__).parents[3] / "specs" / "cuda").glob("tensorrt-llm-*.yaml"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_spec_that_is_handed_out_is_valid_and_launches(path: Path) -> None:
    assert problems_in(path, capabilities=CAPABILITIES) == ()
    assert len(SPECS) == 3


def test_temperature_of_a_spec_reaches_the_adapter(tmp_path: Path) -> None:
    (mtp,) = (path for path in SPECS if "mtp" in path.name)
    text = mtp.read_text().replace("temperature: 0", "temperature: 1")
    (tmp_path / "new.yaml").write_text(text)
    assert problems_in(tmp_path / "new.yaml", capabilities=CAPABILITIES) == ()
    (tmp_path / "old.yaml").write_text(text.replace('"1.2.0"', '"1.2.0rc1"'))
    (problem,) = problems_in(tmp_path / "old.yaml", capabilities=CAPABILITIES)
    assert "decodes greedily with mtp" in str(problem)
