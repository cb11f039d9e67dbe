"""DuckDB, shut off: SQL over tables in memory, one SELECT at a time.

In: Arrow tables by name. Out: an answer's columns and rows, and which columns it is made of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from specseal.errors import InputError, MachineLacks


class Engine:
    """A DuckDB that sees nothing but the tables that it is given: no file, no network."""

    def __init__(self, *, mend: str) -> None:
        """Take what to advise where SQL can't be run. Raises: MachineLacks."""
        try:
            import duckdb  # an extra: 20 MB that nothing else needs
        except ImportError as error:
            raise MachineLacks(
                "asking in SQL needs DuckDB, which is not installed",
                mend="pip install 'specseal[query]'",
            ) from error
        self._duckdb, self._mend = duckdb, mend
        self._tables: dict[str, pa.Table] = {}
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "enable_external_access": "false",
                "python_enable_replacements": "false",
                "lock_configuration": "true",
            },
        )

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def give(self, tables: Mapping[str, pa.Table]) -> None:
        """Let questions be about these."""
        for name, table in tables.items():
            self._connection.register(name, table)
        self._tables.update(tables)

    def ask(self, sql: str) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]:
        """Return the columns and rows of an answer. Raises: InputError."""
        try:
            statements = self._duckdb.extract_statements(sql)
            if [one.type for one in statements] != [self._duckdb.StatementType.SELECT]:
                raise InputError("expected one SELECT", mend=self._mend)
            result = self._connection.execute(statements[0])
            rows = tuple(result.fetchall())
            return tuple(column[0] for column in result.description), rows
        except self._duckdb.Error as error:
            raise InputError(f"the SQL can't be run: {error}", mend=self._mend) from error

    def needed(self, sql: str) -> frozenset[str] | None:
        """Return the columns that an answer is made of, by DuckDB's own plan; None: all there are.

        Raises: InputError where the SQL can't be run.
        """
        self.ask(sql)
        names = frozenset(_projected(self._plan(sql)))
        whole = dict(self._tables)
        self.give({name: _of_columns(table, names) for name, table in whole.items()})
        try:
            self.ask(sql)
        except InputError:  # a column that the plan could do without, and the SQL names
            self.give(whole)
            return None
        return names

    def _plan(self, sql: str) -> Any:
        ((_, plan),) = self._connection.execute(f"EXPLAIN (FORMAT json) {sql}").fetchall()
        return json.loads(plan)


def _projected(plan: Any) -> Iterator[str]:
    """Yield the columns that the scans of a plan read."""
    for step in plan if isinstance(plan, list) else [plan]:
        read = step.get("extra_info", {}).get("Projections", [])
        if "SCAN" in step.get("name", ""):
            yield from [read] if isinstance(read, str) else read
        yield from _projected(step.get("children", []))


def _of_columns(table: pa.Table, names: frozenset[str]) -> pa.Table:
    return table.select([name for name in table.column_names if name in names | {"bundle"}])
