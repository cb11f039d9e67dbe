"""Ask many bundles at once, in SQL: tables of what they hold, made of the bytes that were signed.

In: bundles, or folders with bundles somewhere below. Out: the answer's columns and rows. Only the
files that a question is about are read; each is held against the bundle's manifest, and that
against its signature. Whether a result comes out of its records again is not asked here: that is
`verify`, and takes a thousand times as long. Nor is who signed: that is a column.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.json as pj

from specseal.bundle.envelope import unwrap_by_one_of
from specseal.bundle.findings import BundleBroken, broken
from specseal.bundle.index import bundles_below
from specseal.bundle.keys import PublicKey, parse_public_key
from specseal.bundle.layout import KEYS, MAX_PARSED_BYTES, RESULT_ATTESTATION
from specseal.bundle.manifest import MANIFEST, parse_manifest
from specseal.bundle.parquet import Table, open_table
from specseal.bundle.sql import Engine
from specseal.bundle.statement import ResultStatement, read_result_statement
from specseal.bundle.tables import (
    RECORDS,
    TELEMETRY,
    refuse_other_records,
    refuse_other_telemetry,
)
from specseal.digests import Digest, sha256_bytes
from specseal.errors import InputError, VerificationFailed
from specseal.spec.locked import Lock

_IDENTITY = pa.field("bundle", pa.string())
_PLACES = (
    "speculation",
    "draft_length",
    "input",
    "concurrency",
    "rate",
    "category",
    "tier",
    "turn",
)
"""What a metric is of, beside the paths that a sweep varies."""
_METRIC_COLUMNS = pa.schema(
    [
        ("name", pa.string()),
        ("value", pa.float64()),
        ("unit", pa.string()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
        ("valid", pa.bool_()),
        ("reasons", pa.list_(pa.string())),
        ("speculation", pa.string()),
        ("draft_length", pa.int64()),
        ("input", pa.string()),
        ("concurrency", pa.int64()),
        ("rate", pa.float64()),
        ("category", pa.string()),
        ("tier", pa.string()),
        ("turn", pa.int64()),
        ("setting", pa.string()),
    ]
)
_BUNDLE_COLUMNS = pa.schema(
    [
        ("path", pa.string()),
        ("name", pa.string()),
        ("created", pa.timestamp("us", "UTC")),
        *(
            (name, pa.string())
            for name in (
                "supersedes", "signer", "recipe", "lock", "engine", "engine_version",
                "accelerator", "method", "runtime", "isolation", "pinned", "specseal_version",
            )
        ),
    ]
)  # fmt: skip
_OF_ENVIRONMENT = ("runtime", "isolation", "pinned", "specseal_version")
_MAX_KEY_BYTES = 4096
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a question gives."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    bundles: int
    """How many were asked."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; what JSON has no type for (a time) as its text."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return plain


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealed:
    """The files of a bundle that a question is about, as they were signed."""

    path: Path
    identity: Digest
    signer: Digest
    statement: ResultStatement
    files: Mapping[str, bytes]
    tables: dict[str, Table] = field(default_factory=dict)
    """Its Parquet files that were looked into."""

    def table(self, name: str) -> Table:
        """Open a Parquet file, or return it opened. Raises: BundleBroken."""
        if name not in self.tables:
            self.tables[name] = open_table(self.files[name], name)
        return self.tables[name]


def query(sql: str, places: Sequence[Path], *, now: datetime | None = None) -> Answer:
    """Answer one SQL question over all bundles at `places`.

    Args:
        sql: one SELECT over the tables `bundles`, `metrics`, `records` and `telemetry`.
        places: bundles, or folders that have bundles below them; one that is there twice counts
            once, and two copies that are signed differently are refused.
        now: the time of asking; a statement of the future is refused.

    Raises:
        InputError: no such place, no bundle there, or the SQL is not one SELECT that can be run.
        VerificationFailed: a file that is asked about is not what was signed.
        MachineLacks: DuckDB is not installed.
    """
    words = set(re.findall(r"\w+", sql.lower()))
    asked = [table for table in _TABLES if table in words]
    paths = {path for table in asked for path in _TABLES[table].files}
    moment = now or datetime.now(UTC)
    # Hashing, checking signatures and decoding let go of the interpreter: threads share the work.
    with Engine(mend=_MEND) as engine, ThreadPoolExecutor(os.cpu_count()) as threads:
        found = [path for place in places for path in bundles_below(place)]
        opened = threads.map(lambda path: _open(path, paths, moment), found)
        bundles = _each_once(opened)
        # Without rows DuckDB plans the same: then only what the answer is made of is decoded.
        engine.give({name: _shape(_TABLES[name], bundles, threads) for name in asked})
        needed = engine.needed(sql)
        engine.give({name: _rows(_TABLES[name], bundles, needed, threads) for name in asked})
        columns, rows = engine.ask(sql)
    return Answer(columns=columns, rows=rows, bundles=len(bundles))


def _each_once(opened: Iterable[_Sealed]) -> list[_Sealed]:
    """Return the bundles, each once.

    Raises: VerificationFailed where two are one but for who signed, or what the signer says.
    """
    found: dict[Digest, _Sealed] = {}
    for bundle in opened:
        other = found.setdefault(bundle.identity, bundle)
        if (bundle.signer, bundle.statement) != (other.signer, other.statement):
            raise VerificationFailed(
                f"{bundle.path}: the same contents as {other.path}, signed by another key or as "
                "something else",
                mend="leave out the one that you do not believe",
            )
    return list(found.values())


def _shape(table: _Table, bundles: Sequence[_Sealed], threads: Executor) -> pa.Table:
    """Return every column that a table has, without rows."""
    schemas = list(threads.map(lambda one: _made(one, lambda: table.shape(one)), bundles))
    return _fitting(bundles, schemas).insert(0, _IDENTITY).empty_table()


def _rows(
    table: _Table, bundles: Sequence[_Sealed], columns: frozenset[str] | None, threads: Executor
) -> pa.Table:
    def of(bundle: _Sealed) -> pa.Table:
        found = _made(bundle, lambda: table.rows(bundle, columns))
        identity = pa.repeat(pa.scalar(bundle.identity, pa.string()), found.num_rows)
        return found.add_column(0, _IDENTITY, identity)

    made = list(threads.map(of, bundles))
    _fitting(bundles, [table.schema for table in made])
    return pa.concat_tables(made, promote_options="permissive")


def _fitting(bundles: Sequence[_Sealed], schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return the columns of all bundles. Raises: VerificationFailed where two do not fit."""
    schema = schemas[0]
    for bundle, other in zip(bundles, schemas, strict=True):
        if other.equals(schema):
            continue
        try:
            schema = pa.unify_schemas([schema, other], promote_options="permissive")
        except pa.ArrowException as error:
            raise VerificationFailed(
                f"{bundle.path}: its columns do not fit those of {bundles[0].path} and of what is "
                f"between them: {error}",
                mend="ask about one of them at a time, or name other columns",
            ) from error
    return schema


def _made(bundle: _Sealed, make: Callable[[], _T]) -> _T:
    try:
        return make()
    # Signed, but by anyone, and held to no schema here.
    except (
        AttributeError, LookupError, TypeError, ValueError, pa.ArrowException, BundleBroken,
    ) as error:  # fmt: skip
        raise VerificationFailed(
            f"{bundle.path}: not what a bundle holds: {error}",
            mend="`specseal verify` says more",
        ) from error


def _open(path: Path, wanted: set[str], now: datetime) -> _Sealed:
    """Read what is wanted of a bundle. Raises: VerificationFailed."""
    try:
        manifest = _read(path, MANIFEST)
        listed = parse_manifest(manifest)
        signed = _read(path, RESULT_ATTESTATION)
        signer, payload = unwrap_by_one_of(signed, path=RESULT_ATTESTATION, keys=_keys(path))
        identity = sha256_bytes(manifest)
        statement = read_result_statement(payload, manifest=identity, now=now)
        files = {name: _read(path, name) for name in sorted(wanted)}
        for name, data in files.items():
            if listed.get(name) != sha256_bytes(data):
                raise broken("manifest.altered", f"{name}: not what the manifest says")
        for name, said in (("lock.json", statement.lock), ("result.json", statement.result)):
            if listed.get(name) != said:
                raise broken("schemas.disagree", f"{name}: not the one that the statement names")
    except (BundleBroken, InputError) as error:
        raise VerificationFailed(
            f"{path}: not intact: {error.message}",
            mend="leave it out, or get it again; `specseal verify` says more",
        ) from error
    return _Sealed(
        path=path, identity=identity, signer=signer.digest, statement=statement, files=files
    )


def _keys(bundle: Path) -> list[PublicKey]:
    names = sorted(f"{KEYS}/{path.name}" for path in (bundle / KEYS).glob("*.pem"))
    if not names:
        raise broken("signature.key", f"{KEYS}: no public key")
    return [parse_public_key(_read(bundle, name), path=name) for name in names]


def _read(folder: Path, name: str) -> bytes:
    limit = MAX_PARSED_BYTES.get(name, _MAX_KEY_BYTES)
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:  # noqa: PTH123  (a descriptor, no path)
            # Not simply the limit, for which memory would be set aside.
            data = file.read(min(limit, os.fstat(descriptor).st_size) + 1)
    except OSError as error:
        raise broken("read.unreadable", f"{name}: can't be read: {error.strerror}") from error
    if len(data) > limit:
        raise broken("read.size", f"{name}: is larger than {limit:,} bytes")
    return data


def _bundles(bundle: _Sealed, columns: frozenset[str] | None) -> pa.Table:
    """Return the one row of a bundle; what the variants of a sweep differ in, joined by commas."""
    lock = json.loads(bundle.files["lock.json"])
    wholes = [lock, *({**lock, **one["sections"]} for one in lock["variants"][1:])]
    said = bundle.statement
    if said.name != lock["spec"]["name"]:
        raise ValueError(f"the statement's name is {said.name!r}, the lock's another")
    # Only where they are asked about: each takes as long as all the rest, or longer.
    environment = {}
    if columns is None or columns.intersection(_OF_ENVIRONMENT):
        whole = json.loads(bundle.files["environment.json"])
        environment = {key: whole[key] for key in _OF_ENVIRONMENT}
    if (columns is None or "recipe" in columns) and said.recipe != Lock(**lock).recipe:
        raise ValueError("the statement's recipe is not the lock's")

    def each(section: str, key: str) -> str:
        values = (str(one[section][key]) for one in wholes)
        return ", ".join(dict.fromkeys(values))

    row = {
        "path": str(bundle.path),
        "name": bundle.statement.name,
        "created": bundle.statement.created,
        "supersedes": bundle.statement.supersedes,
        "signer": bundle.signer,
        "recipe": bundle.statement.recipe,
        "lock": bundle.statement.lock,
        "engine": each("engine", "name"),
        "engine_version": each("engine", "version"),
        "accelerator": each("hardware", "accelerator"),
        "method": each("drafter", "method"),
        **environment,
    }
    return pa.Table.from_pylist([row], schema=_BUNDLE_COLUMNS)


def _metrics(bundle: _Sealed, columns: frozenset[str] | None) -> pa.Table:
    """Return a row a metric, with what it is of as columns; a sweep's setting as JSON."""
    wanted = [one for one in _METRIC_COLUMNS if columns is None or one.name in columns]
    # What a sweep varies is known by name only when all has been read.
    explicit = None if "setting" in {one.name for one in wanted} else _as_nested(wanted)
    metrics = _parsed_metrics(bundle.files["result.json"], explicit)
    where = metrics.field("where")
    kinds = {field.name for field in where.type}

    def told(column: pa.Field) -> pa.Array:
        if column.name == "setting":
            return _settings(where, sorted(kinds.difference(_PLACES)))
        if column.name not in _PLACES:
            return metrics.field(column.name).cast(column.type)
        if column.name not in kinds:
            return pa.nulls(len(metrics), column.type)
        return where.field(column.name).cast(column.type)

    return pa.table([told(one) for one in wanted], schema=pa.schema(wanted))


def _as_nested(columns: Sequence[pa.Field]) -> pa.Schema:
    """Return some columns as `result.json` has them; the name always, so that there are rows."""
    own = [one for one in columns if one.name not in _PLACES and one.name != "name"]
    places = pa.struct([one for one in columns if one.name in _PLACES])
    metric = pa.struct([("name", pa.string()), *own, ("where", places)])
    return pa.schema([("metrics", pa.list_(metric))])


def _parsed_metrics(data: bytes, schema: pa.Schema | None) -> pa.StructArray:
    """Return the metrics of a result: those fields that a schema names, or all."""
    document = pj.read_json(
        pa.BufferReader(data),
        read_options=pj.ReadOptions(block_size=len(data) + 1, use_threads=False),
        parse_options=None
        if schema is None
        else pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    return document.column("metrics").combine_chunks().flatten()


def _settings(where: pa.StructArray, swept: Sequence[str]) -> pa.Array:
    if not swept:
        return pa.repeat(pa.scalar("{}", pa.string()), len(where))
    return pa.array([json.dumps({name: row[name] for name in swept}) for row in where.to_pylist()])


def _parquet(name: str) -> _Table:
    def rows(bundle: _Sealed, columns: frozenset[str] | None) -> pa.Table:
        table = _well_formed(bundle.table(name))
        wanted = None if columns is None else [one for one in table.schema.names if one in columns]
        return table.whole(wanted)

    def shape(bundle: _Sealed) -> pa.Schema:
        return _well_formed(bundle.table(name)).schema

    return _Table(files=(name,), rows=rows, shape=shape)


def _well_formed(table: Table) -> Table:
    """Return a Parquet file whose columns are a bundle's. Raises: BundleBroken."""
    (refuse_other_records if table.name == RECORDS else refuse_other_telemetry)(table)
    return table


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    files: tuple[str, ...]
    """Of a bundle, that the table is made of."""
    rows: Callable[[_Sealed, frozenset[str] | None], pa.Table]
    """A bundle's part, of some columns only where that is less work."""
    shape: Callable[[_Sealed], pa.Schema]
    """Every column that it has."""


_TABLES = {
    "bundles": _Table(
        files=("lock.json", "environment.json"), rows=_bundles, shape=lambda _: _BUNDLE_COLUMNS
    ),
    "metrics": _Table(files=("result.json",), rows=_metrics, shape=lambda _: _METRIC_COLUMNS),
    "records": _parquet(RECORDS),
    "telemetry": _parquet(TELEMETRY),
}
TABLES = tuple(_TABLES)
_MEND = f"ask with one SELECT over {', '.join(TABLES)}"
