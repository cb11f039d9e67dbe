"""Which part of a run a metric is of: every combination of method, setting, load and category.

A `Selection` is all that an estimator sees. Left-out keys of `where` mean over all of it; inputs
and the settings that a sweep varies are never pooled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from specseal.analysis.clusters import Clusters, clusters_of
from specseal.analysis.columns import Requests, joined
from specseal.analysis.data import Objectives, RunData
from specseal.analysis.facts import DRAFTER
from specseal.analysis.partners import with_partners
from specseal.analysis.phases import Measured, MeasuredPhase, Setting, measured_phases
from specseal.analysis.validity import BASELINE, Needs
from specseal.digests import canonical
from specseal.records import Load

Where = dict[str, str | int | float | bool]
_LEVELS = ("concurrency", "rate")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """One method's phases and requests at one load level and in one category, or at all."""

    where: Where
    objectives: Objectives
    vocabulary_is_reduced: bool
    """Whether there are tokens of the target that the drafter can't draft."""
    categories: tuple[str, ...]
    """Names of all categories of the run; `requests.category` holds their places."""
    conversations: tuple[str, ...]
    """Names of all conversations of the run; `requests.conversation` holds their places."""
    phases: tuple[MeasuredPhase, ...]
    """At least one; sorted by repeat and load."""
    baseline_phases: tuple[MeasuredPhase, ...]
    """The baseline at the same input, setting and load levels; for the baseline itself, none."""
    requests: Requests
    clusters: Clusters

    @property
    def is_baseline(self) -> bool:
        """Whether this is decoding without speculation."""
        return self.phases[0].is_baseline

    @property
    def draft_length(self) -> int:
        """Most tokens in one draft; 0 for the baseline."""
        return self.phases[0].job.draft_length

    @property
    def one_chunk_a_step(self) -> bool:
        """Whether a streamed chunk is one verify step."""
        return all(phase.job.one_chunk_a_step for phase in self.phases)

    @property
    def is_greedy(self) -> bool:
        """Whether every output is determined by its input."""
        return all(phase.data.temperature == 0 for phase in self.phases)

    @property
    def is_whole_phase(self) -> bool:
        """Whether all categories are in, so that what is told only by phase applies."""
        return "category" not in self.where

    @property
    def pools_levels(self) -> bool:
        """Whether it is over all load levels."""
        return not any(key in self.where for key in _LEVELS)

    def launches(self) -> dict[int, tuple[MeasuredPhase, ...]]:
        """Return the phases of each launch, by repeat."""
        return by_launch(self.phases)

    def clustered(self) -> tuple[str, ...]:
        """Return the names of the conversations, in the order of the clusters."""
        return tuple(self.conversations[rank] for rank in np.unique(self.requests.conversation))

    def of_launch(self, repeat: int) -> Selection:
        """Return what one launch had of it, and its baseline."""
        requests = self.requests.take(self.requests.repeat == repeat)
        return replace(
            self,
            phases=by_launch(self.phases)[repeat],
            baseline_phases=by_launch(self.baseline_phases).get(repeat, ()),
            requests=requests,
            clusters=clusters_of(requests),
        )

    def codes(self, needs: Needs) -> tuple[str, ...]:
        """Return the codes of what is wrong with what a metric needs, sorted."""
        if not self.is_whole_phase:
            needs &= ~Needs.COUNTERS  # counters know no categories: requests tell instead
        phases = self.phases
        if Needs.BASELINE in needs:
            phases += self.baseline_phases
        found = {
            code for phase in phases for code, spoils in phase.spoilt.items() if spoils & needs
        }
        if needs and self.pools_levels and _lack_levels(phases):
            found.add("load_levels_missing")
        return tuple(sorted(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """What phases must share to be pooled."""

    speculation: str
    draft_length: int
    input: str
    setting: bytes
    """Canonical JSON."""


def by_launch(phases: Iterable[MeasuredPhase]) -> dict[int, tuple[MeasuredPhase, ...]]:
    """Return the phases of each launch, by repeat, in the order in which they are given."""
    launches: dict[int, tuple[MeasuredPhase, ...]] = {}
    for phase in phases:
        launches[phase.repeat] = (*launches.get(phase.repeat, ()), phase)
    return launches


def _lack_levels(phases: Sequence[MeasuredPhase]) -> bool:
    """Say whether a job that failed measured less than others did: its pace is of other loads."""
    places: dict[str, set[tuple[int, str]]] = {}
    for phase in phases:
        places.setdefault(phase.job.key, set()).add((phase.level, phase.data.input))
    everything = set[tuple[int, str]]().union(*places.values())
    failed = {phase.job.key for phase in phases if phase.job.failure}
    return any(places[key] != everything for key in failed)


def whole_selections(run: RunData) -> tuple[Selection, ...]:
    """Return, for each method, input and setting, the selection of all its load levels.

    The baseline comes first; then by method, draft length, input and setting.
    """
    measured = measured_phases(run)
    groups: dict[_Group, list[MeasuredPhase]] = {}
    for phase in measured.phases:
        groups.setdefault(_group(phase, phase.setting), []).append(phase)
    return tuple(
        _whole(run, measured, phases, groups.get(_baseline_group(phases[0]), []))
        for phases in sorted(groups.values(), key=lambda phases: _order(phases[0]))
    )


def selections(whole: Sequence[Selection]) -> Iterator[Selection]:
    """Yield every selection within whole ones: all before each load, all before each category."""
    for of_all_levels in whole:
        for level in levels(of_all_levels):
            yield level
            yield from _categories(level)


def across_inputs(whole: Sequence[Selection]) -> Iterator[Selection]:
    """Yield what ran on both inputs, all and each load level, with the phases of both.

    `where` has no input. There are no requests: those of different inputs are never pooled.
    """
    of_input = {(one.where["input"], _but_for_input(one)): one for one in whole}
    for (given, rest), dataset in of_input.items():
        random = of_input.get(("random", rest))
        if given == "random" or random is None:
            continue
        nothing = dataset.requests.take(np.zeros(len(dataset.requests), dtype=np.bool_))
        yield from levels(
            replace(
                dataset,
                where={k: v for k, v in dataset.where.items() if k != "input"},
                phases=(*dataset.phases, *random.phases),
                baseline_phases=(),
                requests=nothing,
                clusters=clusters_of(nothing),
            )
        )


def levels(whole: Selection) -> Iterator[Selection]:
    """Yield a whole selection, then each of its load levels."""
    yield whole
    for level in sorted({phase.level for phase in whole.phases}):
        phases = _at(whole.phases, level)
        requests = whole.requests.take(whole.requests.level == level)
        yield replace(
            whole,
            where={**whole.where, **load_where(phases[0].data.load)},
            phases=phases,
            baseline_phases=_at(whole.baseline_phases, level),
            requests=requests,
            clusters=clusters_of(requests),
        )


def _group(phase: MeasuredPhase, setting: Setting) -> _Group:
    return _Group(
        speculation=phase.job.speculation,
        draft_length=phase.job.draft_length,
        input=phase.data.input,
        setting=canonical(setting),
    )


def _baseline_group(phase: MeasuredPhase) -> _Group:
    setting = {k: v for k, v in phase.setting.items() if k.split(".")[0] != DRAFTER}
    return replace(_group(phase, setting), speculation=BASELINE, draft_length=0)


def _order(phase: MeasuredPhase) -> tuple[object, ...]:
    setting = sorted((k, isinstance(v, str), v) for k, v in phase.setting.items())
    job = phase.job
    return (not phase.is_baseline, job.speculation, job.draft_length, phase.data.input, setting)


def _whole(
    run: RunData,
    measured: Measured,
    phases: Sequence[MeasuredPhase],
    baseline: Sequence[MeasuredPhase],
) -> Selection:
    first = phases[0]
    where: Where = {"speculation": first.job.speculation}
    if not first.is_baseline:
        where["draft_length"] = first.job.draft_length
    where |= {"input": first.data.input, **dict(sorted(first.setting.items()))}
    requests = joined([_with_partners(phase, baseline) for phase in phases])
    return Selection(
        where=where,
        objectives=run.objectives,
        vocabulary_is_reduced=run.draftable is not None,
        categories=measured.categories,
        conversations=measured.conversations,
        phases=tuple(phases),
        baseline_phases=() if first.is_baseline else tuple(baseline),
        requests=requests,
        clusters=clusters_of(requests),
    )


def _with_partners(phase: MeasuredPhase, baseline: Sequence[MeasuredPhase]) -> Requests:
    """Pair a phase with the baseline's of the same repeat and load.

    A phase of the baseline itself is paired with that of the first launch: by how much they differ
    is by how much speculation may, too.
    """
    repeat = phase.repeat
    if phase.is_baseline:
        repeat = min((one.repeat for one in baseline), default=repeat)
        if repeat == phase.repeat:
            return phase.requests
    partners = [one.records for one in baseline if (one.repeat, one.level) == (repeat, phase.level)]
    return with_partners(phase.requests, phase.records, partners)


def load_where(load: Load) -> Where:
    """Return the load level as it stands in `where`."""
    level = {"concurrency": load.concurrency, "rate": load.rate}
    return {name: value for name, value in level.items() if value is not None}


def _at(phases: tuple[MeasuredPhase, ...], level: int) -> tuple[MeasuredPhase, ...]:
    return tuple(phase for phase in phases if phase.level == level)


def _but_for_input(selection: Selection) -> bytes:
    return canonical({k: v for k, v in selection.where.items() if k != "input"})


def _categories(level: Selection) -> Iterator[Selection]:
    for rank in np.unique(level.requests.category).tolist():
        requests = level.requests.take(level.requests.category == rank)
        yield replace(
            level,
            where={**level.where, "category": level.categories[rank]},
            requests=requests,
            clusters=clusters_of(requests),
        )
