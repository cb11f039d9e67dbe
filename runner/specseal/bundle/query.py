"""Ask many bundles at once, in SQL: tables of what they hold, made of the bytes that were signed.

In: bundles, or folders with bundles somewhere below. Out: the answer's columns and rows. Only the
files that a question is about are read; each is held against the bundle's manifest, and that
against its signature. Whether a result comes out of its records again is not asked here: that is
`verify`, and takes a thousand times as long. Nor is who signed: that is a column.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.json as pj

from specseal.bundle.envelope import unwrap_by_one_of
from specseal.bundle.findings import BundleBroken, broken
from specseal.bundle.index import bundles_below
from specseal.bundle.keys import PublicKey, parse_public_key
from specseal.bundle.layout import KEYS, MAX_PARSED_BYTES, RESULT_ATTESTATION
from specseal.bundle.manifest import MANIFEST, parse_manifest
from specseal.bundle.parquet import open_table
from specseal.bundle.statement import ResultStatement, read_result_statement
from specseal.bundle.tables import RECORDS, TELEMETRY
from specseal.digests import Digest, sha256_bytes
from specseal.errors import InputError, MachineLacks, VerificationFailed

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
_MAX_KEY_BYTES = 4096


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


def query(sql: str, places: Sequence[Path], *, now: datetime | None = None) -> Answer:
    """Answer one SQL question over all bundles at `places`.

    Args:
        sql: one SELECT over the tables `bundles`, `metrics`, `records` and `telemetry`.
        places: bundles, or folders that have bundles below them; one that is there twice counts
            once.
        now: the time of asking; a statement of the future is refused.

    Raises:
        InputError: no such place, no bundle there, or the SQL is not one SELECT that can be run.
        VerificationFailed: a file that is asked about is not what was signed.
        MachineLacks: DuckDB is not installed.
    """
    duckdb = _duckdb()
    words = set(re.findall(r"\w+", sql.lower()))
    asked = [table for table in _TABLES if table in words]
    paths = {path for table in asked for path in _TABLES[table].files}
    moment = now or datetime.now(UTC)
    opened = (_open(path, paths, moment) for place in places for path in bundles_below(place))
    bundles = {bundle.identity: bundle for bundle in opened}.values()
    tables = {
        table: pa.concat_tables(
            [_rows(table, bundle) for bundle in bundles], promote_options="permissive"
        )
        for table in asked
    }
    columns, rows = _answer(duckdb, sql, tables)
    return Answer(columns=columns, rows=rows, bundles=len(bundles))


def _duckdb() -> ModuleType:
    try:
        import duckdb  # an extra: 20 MB that nothing else needs
    except ImportError as error:
        raise MachineLacks(
            "asking in SQL needs DuckDB, which is not installed",
            mend="pip install 'specseal[query]'",
        ) from error
    return duckdb


def _answer(
    duckdb: ModuleType, sql: str, tables: Mapping[str, pa.Table]
) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]:
    # Nothing but the tables: no file, no extension, no network, whatever the SQL says.
    closed = {"enable_external_access": "false", "python_enable_replacements": "false"}
    with duckdb.connect(":memory:", config=closed) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        connection.execute("SET lock_configuration = true")
        try:
            statements = duckdb.extract_statements(sql)
            if [one.type for one in statements] != [duckdb.StatementType.SELECT]:
                raise InputError("expected one SELECT", mend=_MEND)
            result = connection.execute(statements[0])
            rows = tuple(result.fetchall())
            return tuple(column[0] for column in result.description), rows
        except duckdb.Error as error:
            raise InputError(f"the SQL can't be run: {error}", mend=_MEND) from error


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
            data = file.read(limit + 1)
    except OSError as error:
        raise broken("read.unreadable", f"{name}: can't be read: {error.strerror}") from error
    if len(data) > limit:
        raise broken("read.size", f"{name}: is larger than {limit:,} bytes")
    return data


def _rows(table: str, bundle: _Sealed) -> pa.Table:
    try:
        return _TABLES[table].rows(bundle)
    # Signed, but by anyone, and held to no schema here.
    except (
        AttributeError, LookupError, TypeError, ValueError, pa.ArrowException, BundleBroken,
    ) as error:  # fmt: skip
        raise VerificationFailed(
            f"{bundle.path}: not what a bundle holds: {error}", mend="`specseal verify` says more"
        ) from error


def _bundles(bundle: _Sealed) -> pa.Table:
    """Return the one row of a bundle; what the variants of a sweep differ in, joined by commas."""
    lock, environment = (
        json.loads(bundle.files[name]) for name in ("lock.json", "environment.json")
    )
    wholes = [lock, *({**lock, **one["sections"]} for one in lock["variants"][1:])]

    def each(section: str, key: str) -> str:
        values = (str(whole[section][key]) for whole in wholes)
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
        **{key: environment[key] for key in ("runtime", "isolation", "pinned")},
        "specseal_version": environment["specseal_version"],
    }
    return _of(bundle, pa.Table.from_pylist([row]))


def _metrics(bundle: _Sealed) -> pa.Table:
    """Return a row a metric, with what it is of as columns; a sweep's setting as JSON."""
    data = bundle.files["result.json"]
    document = pj.read_json(io.BytesIO(data), read_options=pj.ReadOptions(block_size=len(data) + 1))
    metrics = document.column("metrics").combine_chunks().flatten()
    where = metrics.field("where")
    kinds = {field.name: index for index, field in enumerate(where.type)}
    columns = {
        name: metrics.field(name)
        for name in ("name", "value", "unit", "low", "high", "n", "valid", "reasons")
    }
    columns |= {name: where.field(name) for name in _PLACES if name in kinds}
    swept = [name for name in kinds if name not in _PLACES]
    columns["setting"] = pa.array(
        [json.dumps({name: row[name] for name in swept}) for row in where.to_pylist()]
        if swept
        else ["{}"] * len(metrics)
    )
    return _of(bundle, pa.table(columns))


def _table_of(name: str) -> Callable[[_Sealed], pa.Table]:
    def rows(bundle: _Sealed) -> pa.Table:
        return _of(bundle, open_table(bundle.files[name], name).whole())

    return rows


def _of(bundle: _Sealed, table: pa.Table) -> pa.Table:
    identity = pa.array([bundle.identity] * table.num_rows, pa.string())
    return table.add_column(0, "bundle", identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    files: tuple[str, ...]
    """Of a bundle, that the table is made of."""
    rows: Callable[[_Sealed], pa.Table]


_TABLES = {
    "bundles": _Table(files=("lock.json", "environment.json"), rows=_bundles),
    "metrics": _Table(files=("result.json",), rows=_metrics),
    "records": _Table(files=(RECORDS,), rows=_table_of(RECORDS)),
    "telemetry": _Table(files=(TELEMETRY,), rows=_table_of(TELEMETRY)),
}
TABLES = tuple(_TABLES)
_MEND = f"ask with one SELECT over {', '.join(TABLES)}"
