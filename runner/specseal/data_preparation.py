"""Prepare SPEED-Bench: its official step in a container with a network, then the import.

The step is the one thing that specseal runs with a network, on the machine and under the acceptance
of the user who asks for it. What it leaves is believed no more than what anybody hands over: it can
fail in silence, so its files go through the same checks, and nothing is kept of a half of them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from specseal import owner
from specseal.errors import InputError, LockError, MachineLacks, ProgramFailed, RunFailed
from specseal.image_inputs import describe_image
from specseal.images import build_program
from specseal.lock import (
    CONFIGS,
    ImportedCopy,
    NotCounted,
    TokenCounter,
    find_official,
    import_files,
)
from specseal.programs import Say
from specseal.runtimes import ContainerRuntime, NetworkAccess, ProgramRun, ProgramRuntime, connect
from specseal.settings import Settings, images_folder

REPOSITORY = "https://github.com/NVIDIA/Model-Optimizer.git"
CODE_COMMIT = "43fee0cd70fa9e5f85782d52a4bd8ad9c8b88446"
DATA_REVISION = "487aa718444e816458d1a0a52bfce7a454285cf4"
"""A pair that all configurations were prepared with in public: later revisions of the data have
other `src_id`s, which other code resolves."""
TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
Program = Callable[[Settings, Say], AbstractContextManager[ProgramRuntime]]
_IMAGE = "speed-bench"
_PREFIX, _OWNER = "speed-bench-", "owner"
_NAME = "SPEED-Bench's prepare step"
_OF_THE_STEP = (
    "a gated source needs its terms accepted at the hub and a token in HF_TOKEN; check the network "
    "and run it again"
)
_OF_THE_ENGINE = "see what the container engine lacks and run it again"
_ELSEWHERE = (
    "or prepare it where it can be prepared, and take it in with `specseal data import PATH`"
)


def prepare_speed_bench(
    configs: Sequence[str],
    *,
    settings: Settings,
    environ: Mapping[str, str],
    counter: TokenCounter | NotCounted,
    now: datetime,
    say: Say,
    program: Program | None = None,
) -> list[ImportedCopy]:
    """Run the official prepare step for some configurations and import what it makes.

    Args:
        configs: names of `CONFIGS`; none means all.
        settings: site settings.
        environ: where the hub's token is, if there is one.
        counter: counts tokens, or says why nothing does.
        now: the time, with its zone.
        say: shows a line.
        program: makes ready what runs the step; None: a container.

    Raises:
        MachineLacks: no container engine answers, or its image can't be built here.
        RunFailed: the step failed, or what it left is not whole; nothing was imported.
    """
    wanted = tuple(dict.fromkeys(configs)) or tuple(CONFIGS)
    settings.cache_dir.mkdir(parents=True, exist_ok=True)
    _remove_left(settings.cache_dir)
    with tempfile.TemporaryDirectory(dir=settings.cache_dir, prefix=_PREFIX) as folder:
        (Path(folder) / _OWNER).write_text(owner.this_owner(), encoding="utf-8")
        out = Path(folder) / "out"
        out.mkdir()
        run = step_run(wanted, out, settings=settings, environ=environ)
        with (program or _container)(settings, say) as runtime:
            _run(run, runtime, say)
        try:
            files = [file for config in wanted for file in find_official(out, config)]
            return import_files(
                files, settings=settings, counter=counter, now=now, prepared_by=_note(out)
            )
        except LockError:
            raise  # of what was imported earlier
        except InputError as error:
            raise RunFailed(
                f"{_NAME} ended well, and what it left is not whole; nothing was imported:\n"
                f"{error.message}",
                mend=f"a source may have moved or not have answered: run it again, {_ELSEWHERE}",
            ) from error


def _remove_left(cache_dir: Path) -> None:
    """Remove what steps left whose specseal was killed: prompts that nothing else would name."""
    for folder in cache_dir.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if owner.is_dead((folder / _OWNER).read_text(encoding="utf-8")):
                shutil.rmtree(folder)


def step_run(
    configs: Sequence[str], out: Path, *, settings: Settings, environ: Mapping[str, str]
) -> ProgramRun:
    """Return how the step is run.

    Args:
        configs: what it is to prepare.
        out: the empty folder for that.
        settings: whose certificates are believed.
        environ: where the hub's token is, if there is one.
    """
    asked = [word for config in configs for word in ("--config", config)]
    # Out of a file it may end in a new line, without which it appears in messages.
    token = next(filter(None, (environ.get(name, "").strip() for name in TOKEN_VARIABLES)), None)
    return ProgramRun(
        args=(
            "--repository", REPOSITORY, "--commit", CODE_COMMIT, "--revision", DATA_REVISION,
            *asked, "--out", "{out}",
        ),
        model=None,
        out=out,
        name=_NAME,
        network=NetworkAccess(
            environment={"HF_TOKEN": token} if token else {}, ca_bundle=settings.ca_bundle
        ),
    )  # fmt: skip


@contextmanager
def _container(settings: Settings, say: Say) -> Iterator[ProgramRuntime]:
    try:
        client = connect(settings)
    except MachineLacks as error:
        raise MachineLacks(
            error.message,
            mend="start a Docker Engine, or name its address as docker_host in specseal.toml; "
            + _ELSEWHERE,
        ) from error
    with closing(client):
        pinned = describe_image(images_folder(), _IMAGE, "requirements.txt")
        image = build_program(pinned, client=client, settings=settings, say=say)
        runtime = ContainerRuntime(client, engine_image=image, client_image="")
        runtime.clean()  # a step whose specseal was killed goes on, with a network and a token
        yield runtime


def _run(run: ProgramRun, program: ProgramRuntime, say: Say) -> None:
    say(
        f"running {_NAME} at {CODE_COMMIT[:12]}, in a container with a network: it downloads "
        "several gigabytes and takes long"
    )
    try:
        program.run_alone(run)
    except RunFailed as error:
        message = error.message
        for secret in run.network.environment.values() if run.network else ():
            message = message.replace(secret, "(token)")
        # Only the step's own words can be about a source.
        mend = _OF_THE_STEP if isinstance(error, ProgramFailed) else _OF_THE_ENGINE
        raise RunFailed(f"{message}\nnothing was imported", mend=f"{mend}, {_ELSEWHERE}") from None


def _note(out: Path) -> dict[str, Any]:
    """Return what the step's container notes of what it fetched."""
    try:
        sources = json.loads((out / "prepared.json").read_bytes())["sources"]
        commits = {str(name): [str(one) for one in found] for name, found in sources.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"it left no note of what it fetched: {error}") from error
    return {
        "repository": REPOSITORY,
        "commit": CODE_COMMIT,
        "data_revision": DATA_REVISION,
        "sources": commits,
    }
