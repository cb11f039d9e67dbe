"""Contents altered and signed again, by the trusted key: only the contents can betray it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import locks
from attacks.builder import NOW, SPEC, GoodBundle, alter_records, codes
from specseal.analysis import ANALYSES, Result, RunData
from specseal.bundle import Report, seal
from specseal.bundle.against_spec import lock_against_spec
from specseal.bundle.tables import write_run
from specseal.digests import canonical
from specseal.records import Load, Record
from specseal.spec import parse_spec

LOAD = locks.make_lock().points["load"]


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads(path.read_bytes())
    change(value)
    path.write_bytes(canonical(value) + b"\n")


def verify_edited(
    good: GoodBundle, bundle: Path, name: str, change: Callable[[dict[str, Any]], None]
) -> Report:
    edit(bundle / name, change)
    good.sign_again(bundle)
    return good.verify(bundle)


def verify_run(good: GoodBundle, bundle: Path, run: RunData) -> Report:
    write_run(run, bundle)
    good.sign_again(bundle)
    return good.verify(bundle)


def metric(value: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        metric
        for metric in value["metrics"]
        if metric["name"] == name and metric["where"].get("speculation") == "ngram"
    )
    return found


def test_nothing_altered_and_signed_again_holds(good: GoodBundle, bundle: Path) -> None:
    good.sign_again(bundle)
    assert good.verify(bundle).intact


# The result


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("acceptance_length", "value", 3.0),
        ("speedup_user_tps", "value", 9.0),
        ("speedup_user_tps", "low", 1.0),
        ("speedup_user_tps", "high", 9.0),
        ("speedup_user_tps", "high", None),
        ("drafts", "value", 25),
        ("drafts", "n", 1),
        ("ttft_p50", "unit", "ms"),
        ("ttft_p50", "valid", False),
        ("ttft_p50", "reasons", ["client_bottleneck"]),
    ],
)
def test_result_altered_is_found_by_recomputing(
    good: GoodBundle, bundle: Path, name: str, field: str, value: object
) -> None:
    def change(result: dict[str, Any]) -> None:
        metric(result, name)[field] = value

    report = verify_edited(good, bundle, "result.json", change)
    assert codes(report) == {"recompute.metrics"}
    message = next(check.message for check in report.checks if check.code == "recompute.metrics")
    assert f"result.json: {name} " in message
    assert f": {field} is " in message


def test_metric_added_removed_or_doubled_is_found(good: GoodBundle, bundle: Path) -> None:
    def add(result: dict[str, Any]) -> None:
        result["metrics"].append({**result["metrics"][0], "name": "greatness"})

    def remove(result: dict[str, Any]) -> None:
        result["metrics"].pop()

    def double(result: dict[str, Any]) -> None:
        result["metrics"].append(result["metrics"][0])

    good_bytes = (bundle / "result.json").read_bytes()
    for change in (add, remove, double):
        (bundle / "result.json").write_bytes(good_bytes)
        assert codes(verify_edited(good, bundle, "result.json", change)) == {"recompute.metrics"}


@pytest.mark.parametrize("part", ["choices", "crossovers"])
def test_what_is_said_of_draft_lengths_altered_or_left_out_is_found(
    good: GoodBundle, bundle: Path, part: str
) -> None:
    good_bytes = (bundle / "result.json").read_bytes()
    for change in (
        lambda result: result[part].pop(),
        lambda result: result[part].append(result[part][0]),
        lambda result: result[part][0].update(valid=False),
    ):
        (bundle / "result.json").write_bytes(good_bytes)
        report = verify_edited(good, bundle, "result.json", change)
        assert codes(report) == {f"recompute.{part}"}


def test_estimate_that_differs_in_its_last_digits_is_the_same(
    good: GoodBundle, bundle: Path
) -> None:
    def change(result: dict[str, Any]) -> None:
        metric(result, "acceptance_length")["value"] *= 1 + 1e-12

    assert verify_edited(good, bundle, "result.json", change).intact


@pytest.mark.parametrize("factor", [1 + 1e-8, 1 - 1e-8])
def test_estimate_that_differs_by_more_than_rounding_is_found(
    good: GoodBundle, bundle: Path, factor: float
) -> None:
    def change(result: dict[str, Any]) -> None:
        metric(result, "acceptance_length")["value"] *= factor

    report = verify_edited(good, bundle, "result.json", change)
    assert codes(report) == {"recompute.metrics"}


@pytest.mark.parametrize("version", [0, 1, 3, 999])
def test_result_of_an_analysis_that_is_not_known_is_refused_by_name(
    good: GoodBundle, bundle: Path, version: int
) -> None:
    """Else another number in it would be leave to say what one likes of intervals and choices."""

    def change(result: dict[str, Any]) -> None:
        result["analysis_version"] = version
        result["choices"][0].update(as_good=[], reasons=[], valid=True)

    report = verify_edited(good, bundle, "result.json", change)
    assert codes(report) == {"recompute.version"}
    assert f"analysis_version is {version}; this version of specseal has 2" in report.to_text()


@pytest.mark.parametrize("field", ["user_tps", "speedup", "low", "high"])
def test_candidate_for_the_best_draft_length_altered_is_found(
    good: GoodBundle, bundle: Path, field: str
) -> None:
    def change(result: dict[str, Any]) -> None:
        result["choices"][0]["candidates"][1][field] = 99.5

    assert codes(verify_edited(good, bundle, "result.json", change)) == {"recompute.choices"}


def test_result_is_held_against_the_analysis_that_made_it_however_many_came_after(
    good: GoodBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_later(run: RunData) -> Result:
        return replace(ANALYSES[2](run), analysis_version=3, metrics=())

    monkeypatch.setitem(ANALYSES, 3, of_later)
    assert good.verify(good.path).intact


# The records and counts


def test_request_made_faster_is_found(good: GoodBundle, bundle: Path) -> None:
    def faster(record: Record) -> Record:
        return replace(record, submit_ns=record.submit_ns + 10_000_000)

    report = verify_run(good, bundle, alter_records(good.inputs.run, faster))
    assert codes(report) == {"recompute.metrics", "recompute.more"}


def drop_first_request(run: RunData) -> RunData:
    job = run.jobs[0]
    phase = replace(job.phases[0], records=job.phases[0].records[1:])
    return replace(run, jobs=(replace(job, phases=(phase, *job.phases[1:])), *run.jobs[1:]))


def test_slow_request_left_out_is_found(good: GoodBundle, tmp_path: Path) -> None:
    inputs = replace(good.inputs, run=drop_first_request(good.inputs.run))
    bundle = seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    assert codes(good.verify(bundle)) == {"recompute.plan"}


def test_job_left_out_is_found(good: GoodBundle, tmp_path: Path) -> None:
    run = replace(good.inputs.run, jobs=good.inputs.run.jobs[:1])
    inputs = replace(good.inputs, run=run)
    bundle = seal(inputs, tmp_path / "bundle", signer=good.signer, now=NOW)
    assert codes(good.verify(bundle)) == {"recompute.plan", "recompute.jobs"}


def test_counter_altered_is_found(good: GoodBundle, bundle: Path) -> None:
    def change(counts: dict[str, Any]) -> None:
        counts["jobs"][1]["phases"][0]["after"]["drafts"] -= 3

    found = codes(verify_edited(good, bundle, "counts.json", change))
    assert found <= {"recompute.metrics", "recompute.more"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("run", "seed"), 7),
        (("run", "objectives"), {"ttft_s": 0.5, "tpot_s": None}),
        (("jobs", 0, "prefix_cache"), True),
        (("jobs", 0, "devices"), 2),
        (("jobs", 0, "accelerator"), "any"),
        (("jobs", 0, "engine_version"), ""),
        (("jobs", 0, "phases", 0, "max_tokens"), 9),
        (("jobs", 0, "phases", 0, "temperature"), 0.5),
        (("jobs", 0, "phases", 0, "ignore_eos"), True),
        (("jobs", 0, "phases", 0, "history_not_rewritten"), True),
        (("jobs", 0, "phases", 0, "bos_doubled"), True),
        (("jobs", 0, "phases", 0, "status", "measured"), False),
    ],
    ids=lambda item: item[-1] if isinstance(item, tuple) else "",
)
def test_run_described_otherwise_than_the_lock_has_it_is_found(
    good: GoodBundle, bundle: Path, path: tuple[str | int, ...], value: object
) -> None:
    def change(counts: Any) -> None:
        for key in path[:-1]:
            counts = counts[key]
        assert counts[path[-1]] != value
        counts[path[-1]] = value

    report = verify_edited(good, bundle, "counts.json", change)
    assert codes(report) == {"recompute.lock"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("load", Load(mode="closed", concurrency=16)),
        ("load", Load(mode="burst", concurrency=1)),
        ("input", "random"),
        ("setting", {"drafter.args.num": 3}),
    ],
)
def test_phase_of_another_load_input_or_setting_than_the_lock_is_found(
    good: GoodBundle, bundle: Path, field: str, value: object
) -> None:
    job, *others = good.inputs.run.jobs
    phases = (replace(job.phases[0], **{field: value}), *job.phases[1:])
    run = replace(good.inputs.run, jobs=(replace(job, phases=phases), *others))
    assert codes(verify_run(good, bundle, run)) == {"recompute.plan"}


def alter_telemetry(run: RunData, change: Callable[[dict[str, Any]], dict[str, Any]]) -> RunData:
    jobs = [replace(job, telemetry=tuple(map(change, job.telemetry))) for job in run.jobs]
    return replace(run, jobs=tuple(jobs))


def test_energy_made_less_is_found(good: GoodBundle, bundle: Path) -> None:
    def less(sample: dict[str, Any]) -> dict[str, Any]:
        return {**sample, "package_energy_j": sample["package_energy_j"] * 0.9}

    report = verify_run(good, bundle, alter_telemetry(good.inputs.run, less))
    assert codes(report) <= {"recompute.metrics", "recompute.more"}
    messages = [check.message for check in report.checks if not check.holds]
    assert any("package_energy_per_output_token" in message for message in messages)


def test_telemetry_left_out_is_found(good: GoodBundle, bundle: Path) -> None:
    jobs = tuple(replace(job, telemetry=()) for job in good.inputs.run.jobs)
    report = verify_run(good, bundle, replace(good.inputs.run, jobs=jobs))
    assert codes(report) <= {"recompute.metrics", "recompute.more"}
    assert not report.intact


def test_telemetry_that_makes_no_sense_is_a_no_and_no_crash(good: GoodBundle, bundle: Path) -> None:
    def words(sample: dict[str, Any]) -> dict[str, Any]:
        return {**sample, "package_energy_j": "much"}

    report = verify_run(good, bundle, alter_telemetry(good.inputs.run, words))
    assert codes(report) == {"recompute.impossible"}


def test_run_with_another_draft_length_than_the_lock_is_found(
    good: GoodBundle, tmp_path: Path
) -> None:
    baseline, drafting = good.inputs.run.jobs
    run = replace(good.inputs.run, jobs=(baseline, replace(drafting, draft_length=3)))
    bundle = seal(replace(good.inputs, run=run), tmp_path / "bundle", signer=good.signer, now=NOW)
    assert codes(good.verify(bundle)) == {"recompute.plan"}


def test_conversation_measured_again_in_place_of_another_is_found(
    good: GoodBundle, bundle: Path
) -> None:
    def second(record: Record) -> Record:
        return replace(record, cycle=1)

    report = verify_run(good, bundle, alter_records(good.inputs.run, second))
    assert codes(report) == {"recompute.plan"}


# Spec, lock and environment


@pytest.mark.parametrize(
    ("name", "old", "new", "code"),
    [
        ("spec.yaml", b"max_tokens: 8", b"max_tokens: 9", "schemas.disagree"),
        ("spec.yaml", b"name: tiny", b"name: [tiny", "schemas.spec"),
        ("spec.yaml", b"seed: 0", b"seed: 0\n  seed: 1", "schemas.spec"),
        ("lock.json", b'"1111', b'"4111', "schemas.disagree"),
        ("lock.json", b'"max_tokens":8', b'"max_tokens":9', "schemas.disagree"),
        ("lock.json", b"specseal/lock/1", b"specseal/lock/2", "schemas.lock"),
        ("lock.json", b'"restricted":false', b'"restricted":"no"', "schemas.lock"),
        ("lock.json", b'"schema"', b'"schema":"","schema"', "schemas.lock"),
        ("environment.json", b'"isolation":"none",', b"", "schemas.environment"),
        ("environment.json", b'"pinned":"yes",', b"", "schemas.environment"),
        ("environment.json", b'"images":', b'"hardware":"mine","images":', "schemas.environment"),
        ("environment.json", b'"pinned":"yes"', b'"pinned":"no"', "schemas.disagree"),
        ("environment.json", b'T11:00:00Z"', b'T11:00:01Z"', "schemas.disagree"),
        ("environment.json", b'T11:30:00Z"', b'T11:29:59Z"', "schemas.disagree"),
        ("environment.json", b'"client":{', b'"client":{},"server":{', "schemas.environment"),
        ("environment.json", b'"lock_sha256":"', b'"lock_sha256":"0', "schemas.environment"),
        ("counts.json", b'"seed":0', b'"seed":"0"', "schemas.counts"),
        ("result.json", b'"valid":true', b'"valid":1', "schemas.result"),
        ("records.parquet", b"PAR1", b"RAP1", "schemas.records"),
        ("telemetry.parquet", b"PAR1", b"RAP1", "schemas.telemetry"),
    ],
)
def test_file_altered_and_signed_again_is_found(
    good: GoodBundle, bundle: Path, name: str, old: bytes, new: bytes, code: str
) -> None:
    data = (bundle / name).read_bytes()
    assert old in data
    (bundle / name).write_bytes(new.join(data.rsplit(old, 1)))
    good.sign_again(bundle)
    report = good.verify(bundle)
    assert code in codes(report)
    assert report.contents is None


@pytest.mark.parametrize("field", ["lock_sha256", "recipe"])
def test_environment_of_another_lock_is_found(good: GoodBundle, bundle: Path, field: str) -> None:
    def change(environment: dict[str, Any]) -> None:
        environment[field] = "0" * 64

    report = verify_edited(good, bundle, "environment.json", change)
    assert codes(report) == {"schemas.disagree"}


def test_environment_of_other_jobs_is_found(good: GoodBundle, bundle: Path) -> None:
    def change(environment: dict[str, Any]) -> None:
        environment["jobs"][0]["key"] = "another"

    assert codes(verify_edited(good, bundle, "environment.json", change)) == {"recompute.jobs"}


def seal_lock(good: GoodBundle, target: Path, section: str, **changes: object) -> Path:
    """Seal under an altered lock, with everything that names the lock altered alike."""
    lock = replace(good.inputs.lock, **{section: {**getattr(good.inputs.lock, section), **changes}})
    environment = {
        **good.inputs.environment,
        "lock_sha256": lock.digest,
        "recipe": lock.recipe,
    }
    inputs = replace(good.inputs, lock=lock, environment=environment)
    return seal(inputs, target, signer=good.signer, now=NOW)


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        ("spec", {"name": "another"}),
        ("spec", {"image": "registry.test/engine:1"}),
        ("points", {"load": {**LOAD, "concurrency": [1, 2, 4]}}),
        ("points", {"load": {**LOAD, "mode": "burst"}}),
        ("points", {"load": {**LOAD, "duration_s": 10**9}}),
        ("points", {"repeats": 10**9}),
        ("points", {"draft_length": 10**9}),
        ("points", {"objectives": {"ttft_s": 1, "tpot_s": None}}),
        ("sampling", {"temperature": 1}),
        ("sampling", {"top_k": 40}),
        ("sampling", {"ignore_eos": True}),
        ("drafter", {"method": "eagle3"}),
        ("drafter", {"args": {"num": 3}}),
        ("engine", {"version": "2026.10.1"}),
        ("engine", {"context_length": 512}),
        ("engine", {"prefix_cache": True}),
        ("hardware", {"count": 2}),
        ("model", {"template_args": {"enable_thinking": False}}),
    ],
)
def test_lock_that_asks_for_other_than_the_spec_is_found(
    good: GoodBundle, tmp_path: Path, section: str, changes: dict[str, object]
) -> None:
    bundle = seal_lock(good, tmp_path / "bundle", section, **changes)
    assert codes(good.verify(bundle)) == {"schemas.disagree"}


def test_lock_with_other_prompts_than_the_records_is_found(
    good: GoodBundle, tmp_path: Path
) -> None:
    fewer = good.inputs.lock.prompts["conversations"][1:]
    bundle = seal_lock(good, tmp_path / "bundle", "prompts", conversations=fewer)
    assert codes(good.verify(bundle)) == {"recompute.records"}


@pytest.mark.parametrize("conversations", [3, [], [{}], {"id": 1}])
def test_lock_that_makes_no_plan_is_no_crash(
    good: GoodBundle, tmp_path: Path, conversations: object
) -> None:
    bundle = seal_lock(good, tmp_path / "bundle", "prompts", conversations=conversations)
    assert codes(good.verify(bundle)) == {"schemas.lock"}


def test_manifest_signed_without_a_required_file_is_found(good: GoodBundle, bundle: Path) -> None:
    (bundle / "telemetry.parquet").unlink()
    good.sign_again(bundle)
    assert codes(good.verify(bundle)) == {"manifest.incomplete"}


@pytest.mark.parametrize(
    "change",
    [
        lambda record: replace(record, chunk_tokens=record.chunk_tokens[1:]),
        lambda record: replace(record, output_tokens=10**18),
        lambda record: replace(record, chunk_ns=(), chunk_tokens=()),
        lambda record: replace(record, end_ns=record.submit_ns - 1),
        lambda record: replace(record, output_ids=record.output_ids[1:]),
        lambda record: replace(record, turn=1),
        lambda record: replace(record, category="writing"),
        lambda record: replace(record, input_tokens=8),
    ],
    ids=["chunk", "tokens", "no chunks", "times", "ids", "turn", "category", "length"],
)
def test_records_that_make_no_sense_are_a_no_and_no_crash(
    good: GoodBundle, bundle: Path, change: Callable[[Record], Record]
) -> None:
    report = verify_run(good, bundle, alter_records(good.inputs.run, change))
    assert codes(report) <= {"recompute.records", "recompute.more"}
    assert not report.intact


# Bills of materials


SBOM = "env/engine.cdx.json"
_WHEEL = "the component pkg:pypi/wheel@1.0 is not as in environment.json"
_OTHER_HASH = {"alg": "SHA-256", "content": "0" * 64}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda bom: bom["components"].pop(), _WHEEL),
        (lambda bom: bom["components"][1].update(version="2"), _WHEEL),
        (lambda bom: bom["components"][1].update(name="left-pad"), _WHEEL),
        (lambda bom: bom["components"][1].update(purl="pkg:pypi/left-pad@0.0.1"), _WHEEL),
        (lambda bom: bom["components"][1].update(supplier={"name": "someone"}), _WHEEL),
        (lambda bom: bom["components"][1]["hashes"][0].update(content="5" * 64), _WHEEL),
        (lambda bom: bom["components"][1]["hashes"][0].update(alg="MD5"), _WHEEL),
        (lambda bom: bom["components"][1]["hashes"].append(_OTHER_HASH), _WHEEL),
        (lambda bom: bom["components"].append(bom["components"][1]), _WHEEL),
        (
            lambda bom: bom["components"].insert(0, {"type": "library", "name": "more"}),
            "the component more is not as in",
        ),
        (lambda bom: bom.update(components="none"), _WHEEL),
        (lambda bom: bom.update(components=[3]), "the component without a name is not as in"),
        (lambda bom: bom["dependencies"][0]["dependsOn"].pop(), "what depends on what is not"),
        (lambda bom: bom.update(vulnerabilities=[{"id": "made up"}]), "what else it says is not"),
        (lambda bom: bom.update(version=True), "what else it says is not"),
        (
            lambda bom: bom["metadata"]["component"].update(name="another program"),
            "what else it says is not",
        ),
    ],
    ids=[
        "missing", "version", "name", "purl", "further member", "digest", "kind of digest",
        "second digest", "twice", "one more", "no list", "no object", "dependency",
        "invented vulnerability", "true for 1", "program",
    ],
)  # fmt: skip
def test_bill_of_materials_that_is_not_the_environments_is_refused(
    good: GoodBundle, bundle: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    report = verify_edited(good, bundle, SBOM, change)
    assert codes(report) == {"schemas.sbom"}
    assert any(said in check.message for check in report.checks)


def test_bill_of_materials_that_is_missing_or_of_no_program_is_refused(
    good: GoodBundle, bundle: Path
) -> None:
    (bundle / "env/engine-2.cdx.json").write_bytes((bundle / SBOM).read_bytes())
    good.sign_again(bundle)
    assert codes(good.verify(bundle)) == {"schemas.sbom"}
    (bundle / "env/engine-2.cdx.json").unlink()
    good.sign_again(bundle)
    assert good.verify(bundle).intact
    (bundle / SBOM).unlink()
    good.sign_again(bundle)
    assert codes(good.verify(bundle)) == {"schemas.sbom"}


# The hardware


@pytest.mark.parametrize(("said", "took"), [("as_locked", "any"), ("any", "as_locked")])
def test_hardware_other_than_what_the_jobs_took_is_refused(
    good: GoodBundle, bundle: Path, said: str, took: str
) -> None:
    def change(environment: dict[str, Any]) -> None:
        environment["hardware"] = said
        environment["jobs"][0]["machine"] = {"inspection": {"hardware": took}}

    assert codes(verify_edited(good, bundle, "environment.json", change)) == {"recompute.jobs"}


@pytest.mark.parametrize(
    ("runtime", "isolation"),
    [
        ("native", "container"),
        ("native", "two containers, no network"),
        ("docker", "none"),
        ("another", "none"),
    ],
)
def test_runtime_that_is_said_to_isolate_otherwise_than_it_does_is_refused(
    good: GoodBundle, bundle: Path, runtime: str, isolation: str
) -> None:
    def change(environment: dict[str, Any]) -> None:
        environment |= {"runtime": runtime, "isolation": isolation}

    assert codes(verify_edited(good, bundle, "environment.json", change)) == {"schemas.environment"}


# The preparation steps


def test_lock_without_the_steps_that_its_spec_asks_for_is_found() -> None:
    asked = SPEC.replace(b"path: model.gguf}", b"path: model.gguf, first_layers: 8}")
    spec = parse_spec(asked, path="spec.yaml")
    lock = locks.make_lock(spec={"name": spec.name, "sha256": spec.digest})
    claims = {where: (said, found) for where, said, _, found in lock_against_spec(lock, spec)}
    assert claims["lock.json: model.steps"] == ([], ["first-layers"])


@pytest.mark.parametrize(
    ("asked", "steps"),
    [
        ({}, []),
        ({"first_layers": 8}, ["first-layers"]),
        ({"convert": "safetensors"}, ["gguf-to-safetensors"]),
        ({"first_layers": 8, "convert": "safetensors"}, ["first-layers", "gguf-to-safetensors"]),
    ],
)
def test_every_step_that_a_spec_asks_for_must_be_in_its_lock(
    asked: dict[str, Any], steps: list[str]
) -> None:
    plain = parse_spec(SPEC, path="spec.yaml")
    spec = replace(plain, model=replace(plain.model, **asked))
    lock = locks.make_lock(spec={"name": spec.name, "sha256": spec.digest})
    claims = {where: (said, found) for where, said, _, found in lock_against_spec(lock, spec)}
    assert claims["lock.json: model.steps"] == ([], steps)
    assert claims["lock.json: drafter.steps"] == ([], [])


# Versions


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("lock.json", "specseal/lock/1", "specseal/lock/9"),
        ("environment.json", "specseal/environment/1", "specseal/environment/9"),
        ("result.json", "specseal/result/2", "specseal/result/9"),
        ("counts.json", "specseal/counts/2", "specseal/counts/9.1"),
    ],
)
def test_document_of_another_major_version_is_refused_by_name(
    good: GoodBundle, bundle: Path, name: str, old: str, new: str
) -> None:
    def change(value: dict[str, Any]) -> None:
        assert value["schema"] == old
        value["schema"] = new

    report = verify_edited(good, bundle, name, change)
    assert codes(report) == {f"schemas.{name.removesuffix('.json')}"}
    assert f"; this version of specseal reads {old}" in report.to_text()
    assert new in report.to_text()


def test_documents_of_a_newer_minor_version_are_read(good: GoodBundle, bundle: Path) -> None:
    def add(value: dict[str, Any]) -> None:
        value["schema"] += ".1"
        value["news"] = {"of": ["a later version"]}

    edit(bundle / "environment.json", add)
    edit(bundle / "counts.json", add)
    good.sign_again(bundle)
    assert good.verify(bundle).intact
