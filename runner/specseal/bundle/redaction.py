"""What must not get out in a bundle: paths of the machine, by value, and quoted prompts, by line.

In: what a bundle is to be made of. Out: the same with stand-ins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from specseal.analysis import PhaseData
from specseal.bundle.contents import SealInputs
from specseal.bundle.withheld import Outputs, Quotes
from specseal.record_columns import Texts
from specseal.record_table import table_of


class Redaction:
    """Replaces what must not get out."""

    def __init__(
        self,
        stand_ins: Mapping[str, str],
        prompts: Iterable[Path],
        outputs: Outputs | None = None,
    ) -> None:
        """Take what must not get out.

        Args:
            stand_ins: {what must not get out: what stands for it}.
            prompts: files of prompts.
            outputs: what was generated, where it may not be passed on.

        Raises:
            OSError: a file can't be read.
        """
        self._stand_ins = stand_ins
        # The longest first, so that a folder's stand-in does not hide that of a folder within.
        longest_first = sorted(stand_ins, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if stand_ins else None
        self._quotes = Quotes(prompts, outputs)

    def quotes_a_prompt(self, text: str) -> bool:
        """Say whether a text quotes one of the prompts."""
        return self._quotes.withhold(text) != text

    def lines(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield the lines of a log."""
        return map(self._without_paths, self._quotes.withhold_lines(lines))

    def of_inputs(self, inputs: SealInputs) -> SealInputs:
        """Return what a bundle is made of, but for the logs, which are large."""
        jobs = (
            replace(
                job,
                failure=self._of(job.failure),
                # As in the environment, which tells of the same finds, and is held against these.
                engine_version_found=self._of(job.engine_version_found),
                method_found=self._of(job.method_found),
                accelerators_found=job.accelerators_found
                and tuple(map(self._of, job.accelerators_found)),
                telemetry=tuple(map(self._of, job.telemetry)),
                phases=tuple(map(self._of_errors, job.phases)),
            )
            for job in inputs.run.jobs
        )
        return replace(
            inputs,
            environment=self._of(inputs.environment),
            run=replace(inputs.run, jobs=tuple(jobs)),
        )

    def _of_errors(self, phase: PhaseData) -> PhaseData:
        table = table_of(phase.records)
        errors = table.texts["error"]
        told = Texts(codes=errors.codes, texts=tuple(map(self._of, errors.texts)))
        return replace(phase, records=replace(table, texts={**table.texts, "error": told}))

    def _of(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._without_paths(self._quotes.withhold(value))
        if isinstance(value, dict):
            return self._of_members(value)
        if isinstance(value, list | tuple):
            return [self._of(item) for item in value]
        return value

    def _of_members(self, value: Mapping[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for key, item in value.items():
            stand_in = name = self._of(key)
            number = 1
            # Two keys with one stand-in are still two members.
            while name in told:
                number += 1
                name = f"{stand_in} {number}"
            told[name] = self._of(item)
        return told

    def _without_paths(self, text: str) -> str:
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._stand_ins[match[0]], text)
