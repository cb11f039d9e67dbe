"""From somebody's bundle to a verdict: take its lock, run the same thing here, compare.

In: a bundle, or where one can be pulled from. Out: a bundle of this machine's own, what differs
between the two, a verdict a figure, and on request a signed statement for the original's owner.

    <runs_dir>/reproductions/<identity, 12 digits>/
        spec.yaml, spec.lock.json   as the original has them
        <name>/<started>-<recipe>/  the run, as every other
        statement/                  what `--attest` signs

Runs lie in a folder of their own, so that nothing that was measured for the original is taken over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import specseal
from specseal.atomic import write_atomically
from specseal.bench import Clock, Watcher, run_spec
from specseal.bundle import (
    Attestation,
    Contents,
    Trust,
    attest_reproduction,
    demand_outcome,
    load_signer,
)
from specseal.compare import SetupDifferences, judge_pair, not_judged, setup_differences
from specseal.delivery import InFolder, parse_place
from specseal.digests import sha256_bytes
from specseal.errors import InputError, MachineLacks
from specseal.image_inputs import describe_client_source
from specseal.pull import Site, pull
from specseal.spec.locked import lock_path
from specseal.verdicts import Judged, side_of

_DIGITS = 12
REPRODUCTIONS = "reproductions"
_ROLES = ("engine", "client")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduced:
    """What running a bundle's lock again came to."""

    original: Contents
    original_folder: Path
    """Where the original is on this machine: as it was named, or where it was pulled to."""
    again: Contents
    bundle: Path
    """The second run's own."""
    setups: SetupDifferences
    images: tuple[str, ...]
    """How each image came to be here, and whether its files are the original's; sentences."""
    judged: Judged
    """A verdict on each figure of the original."""
    not_judged: tuple[str, ...]
    """Of which acceptance lengths the original has no figure that can be trusted, and why."""
    attestation: Path | None
    """The folder of the signed statement and the key it needs, where one was asked for."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "original": self.original.manifest,
            "reproduction": self.again.manifest,
            "path": str(self.bundle),
            "attestation": None if self.attestation is None else str(self.attestation),
            "images": list(self.images),
            "setups": self.setups.to_dict(),
            "not_judged": list(self.not_judged),
            **{key: value for key, value in self.judged.to_document().items() if key != "bundle"},
        }


def reproduce(
    source: str,
    *,
    runtime: str | None,
    any_hardware: bool,
    attest: bool,
    beside: Path | None,
    site: Site,
    trust: Trust,
    watcher: Watcher,
    clock: Clock,
) -> Reproduced:
    """Run what a bundle is of again, here, and compare.

    1. The original is pulled where it is elsewhere, and verified.
    2. What can't be the same thing here is refused before anything runs.
    3. Its spec and its lock are laid out as they were signed.
    4. They are run as every spec is: images pulled by the locked digest or built from locked
       inputs, measured anew, sealed with this site's key, verified. A run that was interrupted
       goes on. Where a job failed there is no verdict.
    5. The two are compared: what differs, and a verdict a figure.
    6. If asked, the verdict is signed, for the original's owner to add.

    Args:
        source: a folder, a zip file, or `oci://…`.
        runtime: `docker` or `native`; None takes the original's.
        any_hardware: run on other accelerators, too.
        attest: whether to sign a statement.
        beside: the folder that the spec's `path:` sources are in, which no bundle holds.
        site: this machine's settings, and how it reaches registries.
        trust: what makes the original good enough.
        watcher: is told how it goes.
        clock: counts where the time goes.

    Raises:
        VerificationFailed: the original does not hold, or is not trusted.
        InputError: it measured a server that was running somewhere.
        MachineLacks: this machine, or this specseal, can't run the same thing.
        LockError, RunFailed: as `run_spec`; what was measured is kept.
    """
    root = site.settings.runs_dir / REPRODUCTIONS
    # (1)
    with clock.stage("getting the original"):
        folder = _folder_of(source, root, site, trust, watcher)
        original = trust.verify(folder).demand(trust=trust.required)
    # (2)
    refuse_what_cannot_be_the_same(original, any_hardware=any_hardware, beside=beside)
    # (3)
    home = root / original.manifest[:_DIGITS]
    spec_path = home / "spec.yaml"
    home.mkdir(parents=True, exist_ok=True)
    write_atomically(spec_path, original.spec_text.encode())
    write_atomically(lock_path(spec_path), original.lock.to_bytes())
    # (4)
    done = run_spec(
        spec_path,
        runtime=runtime or str(original.environment["runtime"]),
        settings=replace(site.settings, runs_dir=home),
        watcher=watcher,
        clock=clock,
        any_hardware=any_hardware,
        beside=beside,
    )
    # What was not measured is no answer about the original. Run again, only that is run again.
    demand_outcome(done.contents.result, strict=False)
    # (5)
    first = replace(side_of(original), name="original")
    second = replace(side_of(done.contents), name="here")
    judged = Judged(name=first.name, bundle=original.manifest, verdicts=judge_pair(first, second))
    # (6)
    attestation = None
    if attest:
        signed = attest_reproduction(
            original=original,
            reproduction=done.contents,
            verdict=judged.answer,
            version=specseal.__version__,
            signer=load_signer(site.settings.signing_key),
            now=datetime.now(UTC),
        )
        attestation = _write_statement(signed, home)
    return Reproduced(
        original=original,
        original_folder=folder,
        again=done.contents,
        bundle=done.bundle,
        setups=setup_differences(first, second),
        images=tuple(image_sentences(original.environment, done.contents.environment)),
        judged=judged,
        not_judged=not_judged(first),
        attestation=attestation,
    )


def _folder_of(source: str, root: Path, site: Site, trust: Trust, watcher: Watcher) -> Path:
    """Return the folder of the bundle that is to be reproduced, pulled if it is elsewhere."""
    place = parse_place(source)
    if isinstance(place, InFolder):
        return place.path
    # By where it came from: one that an earlier attempt has pulled is verified again, not sent.
    folder = root / "pulled" / sha256_bytes(source.encode())[:_DIGITS]
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        pull(source, folder, site=site, trust=trust, say=watcher.say)
    return folder


def refuse_what_cannot_be_the_same(
    original: Contents, *, any_hardware: bool, beside: Path | None
) -> None:
    """Refuse what no run on this machine can repeat, before anything runs.

    Whether the accelerators are there is looked at by the run itself, before anything expensive.

    Raises:
        InputError: a server was measured that was running somewhere; or the spec names files by
            path, and nobody says where they are.
        MachineLacks: another load generator would send the requests; or the original ran on other
            accelerators than its own spec names.
    """
    locks = [variant.lock for variant in original.lock.variants_in_full()]
    if any(lock.spec["url"] is not None for lock in locks):
        raise InputError(
            f"bundle {original.manifest[:_DIGITS]} measured a server that was running: nothing in "
            "it says how to start one like it",
            mend="run its spec.yaml against a server of your own, and `specseal compare` the two",
        )
    named = [lock.spec[part] or {} for lock in locks for part in ("model", "drafter", "dataset")]
    paths = sorted({source["path"] for source in named if source.get("kind") == "path"})
    if paths and beside is None:
        raise InputError(
            f"the spec names files by path, and a bundle holds only their digests: "
            f"{', '.join(paths)}",
            mend="write --beside FOLDER, the folder that has them; they are held to the digests",
        )
    here = dict(describe_client_source(Path(specseal.__file__).parent))
    if any(lock.client["source"] != here for lock in locks):
        version = original.environment["specseal_version"]
        raise MachineLacks(
            f"the lock pins another load generator than that of this specseal "
            f"({specseal.__version__}): the bundle was made with {version}",
            mend=f"install specseal {version} from the sources it was made with; or lock its "
            "spec.yaml anew, run that, and `specseal compare` the two",
        )
    if original.environment.get("hardware") == "any" and not any_hardware:
        raise MachineLacks(
            "the original ran on other accelerators than its spec names (--hardware any), so that "
            "its spec does not say which to use here",
            mend="write --hardware any: acceptance and outputs are judged, figures of time are not",
        )


def image_sentences(original: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    """Say of each image how it came to be here, and whether its files are the original's.

    Args:
        original: the environment of the bundle that was reproduced.
        here: the environment of the second run.
    """
    if not original["runtime"] == here["runtime"] == "docker":
        yield (
            f"images: the original ran with runtime {original['runtime']}, this one with "
            f"{here['runtime']}, so that there are no two images to compare"
        )
        return
    facts = [one["images"] for one in (original, here)]
    # An environment lists variants only where their images are not all the same.
    count = max(len(one.get("variants", (one,))) for one in facts)
    pairs = list(zip(*(one.get("variants", [one] * count) for one in facts), strict=True))
    for role in _ROLES:
        yield from dict.fromkeys(_image_sentence(role, one[role], two[role]) for one, two in pairs)


def _image_sentence(role: str, original: dict[str, Any], here: dict[str, Any]) -> str:
    came = "pulled by its digest" if here["repository_digest"] else "built here from locked inputs"
    files = [one["rootfs_sha256"] for one in (original, here)]
    same = (
        "the original's" if files[0] == files[1] else f"NOT the original's ({files[0][:_DIGITS]})"
    )
    return f"{role} image: {came}; its files are {same} (root file system {files[1][:_DIGITS]})"


def _write_statement(signed: Attestation, home: Path) -> Path:
    """Write the statement and its key where they can be sent from, and return the folder."""
    folder = home / "statement"
    folder.mkdir(exist_ok=True)
    for path, data in signed.files.items():
        write_atomically(folder / Path(path).name, data)
    return folder
