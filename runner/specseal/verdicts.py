"""Claims held against a bundle: from its folder to a verdict each, and to a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specseal.bundle import Contents, open_bundle
from specseal.compare import ANSWERS, Answer, Side, Verdict, judge_claims, overall
from specseal.digests import Digest, sha256_value
from specseal.drawing import Fact, Summary
from specseal.engines import CAPABILITIES
from specseal.errors import AnswerIsNo, InputError
from specseal.spec import Spec, load_spec
from specseal.words import ABSENT, printable, said

_HEADERS = ("#", "metric", "of", "claimed", "measured", "90% interval", "tolerance", "answer")
_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The verdicts on all claims of a spec, and on whose result."""

    name: str
    bundle: Digest
    verdicts: tuple[Verdict, ...]

    @property
    def answer(self) -> Answer:
        """Return the answer to all claims together: the worst."""
        return overall(self.verdicts)

    def to_document(self) -> dict[str, Any]:
        """Return what programs are shown, as JSON types."""
        verdicts = [verdict.to_dict() for verdict in self.verdicts]
        return {"bundle": self.bundle, "answer": self.answer, "verdicts": verdicts}

    def demand(self) -> None:
        """Raise AnswerIsNo unless every claim is reproduced."""
        if not self.verdicts:
            raise AnswerIsNo(
                f"{self.name}: there is no figure to judge",
                mend="take a result with acceptance lengths that are valid, or with outputs at "
                "concurrency 1 and temperature 0",
            )
        if self.answer != "reproduced":
            raise AnswerIsNo(f"not every claim is reproduced: {_counted(self.verdicts)}")


def side_of(contents: Contents) -> Side:
    """Return a bundle as one of those compared, under its spec's name."""
    return Side(
        name=str(contents.lock.spec["name"]),
        manifest=contents.manifest,
        spec=contents.spec,
        lock=contents.lock,
        environment=contents.environment,
        result=contents.result,
        run=contents.run,
    )


def judged(contents: Contents, of: Spec | None = None) -> Judged:
    """Hold the claims of a spec against a bundle.

    Args:
        contents: of the bundle, proven intact.
        of: the spec; None: the bundle's own.
    """
    spec = of or contents.spec
    side = side_of(contents)
    return Judged(name=side.name, bundle=side.manifest, verdicts=judge_claims(spec, side))


def check_claims(bundle: Path, *, of: Path | None = None) -> Judged:
    """Read a bundle, and hold the claims of its own spec, or of another, against it.

    Args:
        bundle: its folder; it must be intact, and who signed it is not asked.
        of: the spec whose claims they are.

    Raises:
        VerificationFailed: the bundle is not intact.
        InputError: the spec is not valid, or has no claims.
    """
    spec = None if of is None else load_spec(of, capabilities=CAPABILITIES)
    contents = open_bundle(bundle)
    if not (spec or contents.spec).claims:
        raise InputError(
            f"{of or bundle}: the spec has no claims",
            mend="name a spec that has with --of, or make one with `specseal claims from BUNDLE`",
        )
    return judged(contents, spec)


def verdict_table(about: Judged) -> Summary:
    """Return verdicts as a table: a row a claim, and below it why, by the rows' numbers."""
    numbered = list(enumerate(about.verdicts, 1))
    return Summary(
        setting=printable(f"claims against {about.name}: {_counted(about.verdicts)}"),
        headers=_HEADERS,
        rows=tuple((str(number), *_row(verdict)) for number, verdict in numbered),
        sentences=_by_rows((number, why) for number, one in numbered for why in _why(one)),
        notes=(
            *_by_rows((number, one.over) for number, one in numbered if one.over),
            *_assumed(about.verdicts),
        ),
        records=tuple(_records(about)),
        title=f"Claims against {about.name}",
        reading="Intervals are of 90%; ! marks a figure that is not valid",
        label=f"specseal-claims-{about.name}-{about.bundle[:_DIGITS]}-{_digest(about)[:_DIGITS]}",
    )


def _digest(about: Judged) -> Digest:
    """Return what tells claims apart that are held against one bundle."""
    return sha256_value([one.to_dict()["claim"] for one in about.verdicts])


def _records(about: Judged) -> Iterator[dict[str, Fact]]:
    """Yield what a program gets of each verdict: its numbers as they are, its words as printed."""
    keys = tuple(dict.fromkeys(key for one in about.verdicts for key in one.claim.where))
    for one in about.verdicts:
        where = {key: one.claim.where.get(key) for key in keys}
        yield {
            "bundle": about.bundle,
            "metric": printable(one.claim.metric),
            **{
                printable(key): printable(value) if isinstance(value, str) else value
                for key, value in where.items()
            },
            "claimed": one.claim.value,
            "claimed_sha256": one.claim.sha256,
            "measured": one.measured,
            "low": one.low,
            "high": one.high,
            "tolerance": one.tolerance,
            "valid": not one.codes,
            "answer": one.answer,
            "differs": printable("; ".join(one.differs)),
            "reasons": printable("; ".join(one.reasons)),
            "over": printable(one.over),
            "more_launches": one.more_launches,
            "more_requests": one.more_requests,
        }


def _counted(verdicts: Sequence[Verdict]) -> str:
    answers = [verdict.answer for verdict in verdicts]
    return ", ".join(f"{answers.count(answer)} {answer}" for answer in ANSWERS if answer in answers)


def _row(verdict: Verdict) -> tuple[str, ...]:
    claim = verdict.claim
    claimed = _number(claim.value) if claim.sha256 is None else claim.sha256[:_DIGITS]
    if claim.value is not None and claim.decimals is not None:
        claimed = f"{claim.value:.{claim.decimals}f}"
    ends = ABSENT
    if verdict.low is not None and verdict.high is not None:
        ends = f"[{_number(verdict.low)}, {_number(verdict.high)}]"
    tolerance = ABSENT if verdict.tolerance is None else f"± {verdict.tolerance:.2g}"
    return (
        printable(claim.metric),
        _where(verdict),
        claimed,
        _number(verdict.measured) + (" !" if verdict.codes else ""),
        ends,
        tolerance,
        verdict.answer,
    )


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.4g}"


def _where(verdict: Verdict) -> str:
    where = verdict.claim.where
    told = (
        said(value) if key in ("category", "speculation") else f"{key} {said(value)}"
        for key, value in where.items()
    )
    return printable(", ".join(told)) or "all"


def _why(verdict: Verdict) -> Iterator[str]:
    """Yield all that is said of one verdict."""
    yield from verdict.differs
    yield from verdict.reasons
    for more, unit, path in (
        (verdict.more_launches, "launches", "workload.repeats"),
        (verdict.more_requests, "conversations", "workload.load.requests"),
    ):
        if more is not None:
            of_one = "category" in verdict.claim.where and unit == "conversations"
            whose = f"{unit} of this category" if of_one else unit
            yield f"for an answer it would take so many more {whose} (`{path}`): {more}"


def _by_rows(told: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    """Return each sentence once, with the numbers of the rows that it is about before it."""
    rows: dict[str, list[int]] = {}
    for number, sentence in told:
        rows.setdefault(sentence, []).append(number)
    return tuple(f"{_ranges(numbers)}: {printable(sentence)}" for sentence, numbers in rows.items())


def _ranges(numbers: Sequence[int]) -> str:
    """Return sorted numbers, runs of more than two as their ends: `1-4, 7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    told = (f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
    return ", ".join(told)


def _assumed(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    told = dict.fromkeys(pair for verdict in verdicts for pair in verdict.assumptions)
    return tuple(printable(f"assumed, {path}: {why}") for path, why in told)
