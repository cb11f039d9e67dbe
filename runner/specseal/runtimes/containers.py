"""Two containers on one loopback: the engine's has no network, the client's joins its namespace.

Both: read-only root, no capabilities, no new privileges, not root, limits on processes and memory.
The engine sees its model read-only, one writable scratch folder and the job's accelerators; the
client sees `in/` read-only, can write only to `out/`, and has no device.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import psutil
import requests
from docker.errors import APIError, DockerException, NotFound
from docker.types import Mount, Ulimit

from specseal import owner
from specseal.engines import filled
from specseal.errors import MachineLacks, RunFailed
from specseal.records import JobStatus, write_json_atomically
from specseal.runtimes.base import (
    POLL_S,
    JobRun,
    NetworkAccess,
    ProgramRun,
    Watch,
    conclude,
    supervise,
)
from specseal.runtimes.machine import split_cpus, usable_cpus
from specseal.runtimes.passing import NO_NVIDIA, container_settings
from specseal.settings import Settings

PORT = 8080
NOBODY = 65532
PROCESSES = 4096
_TIMEOUT_S = 30
_CLIENT_MEMORY_BYTES = 2 << 30
_CACHES = (
    "XDG_CACHE_HOME", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "VLLM_CACHE_ROOT",
    "FLASHINFER_WORKSPACE_BASE", "CUDA_CACHE_PATH",
)  # fmt: skip


def connect(settings: Settings, *, timeout_s: int = _TIMEOUT_S) -> docker.DockerClient:
    """Connect to the container engine, and see that it answers.

    Raises:
        MachineLacks: none answers; why is in the message.
    """
    client = None
    try:
        if settings.docker_host:
            client = docker.DockerClient(base_url=settings.docker_host, timeout=timeout_s)
        else:
            client = docker.from_env(timeout=timeout_s)
        client.ping()
    except (DockerException, requests.RequestException) as error:
        if client is not None:
            client.close()
        where = settings.docker_host or os.environ.get("DOCKER_HOST") or "the default socket"
        raise MachineLacks(
            f"no container engine answers at {where} ({_cause(error)})",
            mend="start a Docker Engine, name its address as docker_host in specseal.toml, or use "
            "--runtime native",
        ) from error
    return client


def describe_container_engine(settings: Settings) -> dict[str, Any]:
    """Return what the container engine says of itself. Raises: MachineLacks, RunFailed."""
    with closing(connect(settings)) as client, _answering():
        told: dict[str, Any] = client.info()
    return told


def _cause(error: BaseException) -> str:
    """Return the innermost cause in few words; docker-py wraps it several times."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error)


class ContainerRuntime:
    """Runs jobs as pairs of containers."""

    name = "docker"
    isolation = "container"

    def __init__(
        self, client: docker.DockerClient, *, engine_image: str, client_image: str
    ) -> None:
        """Take a connection and the ids of the images that `specseal.images` made ready."""
        self._docker = client
        self._engine_image, self._client_image = engine_image, client_image

    def clean(self) -> int:
        """Remove containers whose specseal has died."""
        with _answering():
            found = self._docker.containers.list(all=True, filters={"label": owner.LABEL})
            left = [one for one in found if owner.is_dead(one.labels[owner.LABEL])]
            for container in left:
                _remove(container)
        return len(left)

    def run(self, job: JobRun, watch: Watch) -> JobStatus:
        """Run one job; see `Runtime.run`."""
        if job.launch.url is not None:
            raise MachineLacks(
                f"{job.name}: a running server is out of reach of the client's container, which "
                "has no network",
                mend="use --runtime native",
            )
        out, scratch = job.folder / "out", job.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        user = _give_away([out, scratch])
        _open_to_others(job.folder / "in")
        engine_cpus, client_cpus = split_cpus(usable_cpus(), job.streams)
        with _answering():
            # Only where it matters: it takes time.
            told = self._docker.info() if job.devices else {}
        with (
            _answering(),
            self._started(
                self._engine_image,
                _engine_settings(job, user, scratch, engine_cpus, told),
                log=out / "engine.log",
            ) as engine,
            self._started(
                self._client_image,
                _client_settings(job, user, client_cpus, engine.id),
                log=out / "client.log",
            ) as client,
        ):
            write_json_atomically(
                out / "environment.json",
                {
                    "runtime": self.name,
                    "isolation": self.isolation,
                    "launch": list(job.launch.args),
                    "threads": len(engine_cpus),
                    "engine_cpus": engine_cpus,
                    "client_cpus": client_cpus,
                    "devices": [device.shown() for device in job.devices],
                    "containers": {"engine": engine.settings(), "client": client.settings()},
                },
            )
            supervise(job, engine, client, watch)
            code, said, engine_said = client.exit_code() or 0, client.log(), engine.log()
        shutil.rmtree(scratch, ignore_errors=True)
        return conclude(job, engine_log=engine_said, client_log=said, client_code=code)

    def run_alone(self, run: ProgramRun) -> None:
        """Run the engine's program to its end; see `ProgramRuntime.run_alone`."""
        with tempfile.TemporaryDirectory(prefix="specseal-program-", dir=run.out.parent) as folder:
            scratch = Path(folder)
            user = _give_away([run.out, scratch])
            settings = _program_settings(run, user, scratch)
            with (
                _answering(),
                self._started(
                    self._engine_image,
                    settings,
                    log=scratch / "log",
                    proxied=run.network is not None,
                ) as program,
            ):
                while (code := program.exit_code()) is None:
                    time.sleep(POLL_S)
                if code != 0:
                    raise run.refuse(code, program.log())

    @contextmanager
    def _started(
        self, image: str, settings: dict[str, Any], *, log: Path, proxied: bool = False
    ) -> Iterator[_Container]:
        container = self._docker.containers.create(
            image,
            labels={owner.LABEL: owner.this_owner()},
            # A proxy's address, and its password, are this host's alone where nothing needs them.
            use_config_proxy=proxied,
            **settings,
        )
        try:
            container.start()
            yield _Container(container)
        finally:
            with suppress(DockerException, requests.RequestException, OSError):
                log.write_bytes(container.logs())
            _remove(container)


class _Container:
    """A started container."""

    def __init__(self, container: Any) -> None:
        self._container = container
        self._pid: int | None = None

    @property
    def id(self) -> str:
        return str(self._container.id)

    def exit_code(self) -> int | None:
        self._container.reload()
        state = self._container.attrs["State"]
        return None if state["Running"] else int(state["ExitCode"])

    def pid(self) -> int | None:
        # A container engine of another host has processes that can't be seen from here.
        if self._pid is None:
            pid = self._container.attrs["State"].get("Pid") or 0
            self._pid = pid if pid and psutil.pid_exists(pid) else 0
        return self._pid or None

    def log(self) -> str:
        return str(self._container.logs().decode("utf-8", errors="replace"))

    def settings(self) -> dict[str, Any]:
        """Return the settings that the container engine says are in force."""
        self._container.reload()
        host = self._container.attrs["HostConfig"]
        kept = (
            "ReadonlyRootfs", "CapDrop", "SecurityOpt", "PidsLimit", "Memory", "CpusetCpus",
            "ShmSize", "Privileged",
        )  # fmt: skip
        network = str(host["NetworkMode"])
        return {key: host[key] for key in kept} | {
            "Image": self._container.attrs["Image"],
            "User": self._container.attrs["Config"]["User"],
            # By number, not by the serial numbers that they may be named by.
            "DeviceRequests": [
                {"Driver": request["Driver"], "Devices": len(request["DeviceIDs"] or ())}
                for request in host.get("DeviceRequests") or ()
            ],
            "Devices": sorted(one["PathInContainer"] for one in host.get("Devices") or ()),
            "GroupAdd": sorted(host.get("GroupAdd") or ()),
            "NetworkMode": "container:engine" if network.startswith("container:") else network,
            "Mounts": sorted(
                f"{mount['Destination']}:{'rw' if mount['RW'] else 'ro'}"
                for mount in self._container.attrs["Mounts"]
            ),
        }


def _engine_settings(
    job: JobRun, user: str, scratch: Path, cpus: list[int], container_engine: Mapping[str, Any]
) -> dict[str, Any]:
    values = {
        "model": _inside("/model", job.model_file),
        "drafter": _inside("/drafter", job.drafter_file),
        "config": "/config",
        "port": str(PORT),
        "threads": str(len(cpus)),
    }
    job.write_config(values)
    folders = {
        "model": job.model_folder(),
        "drafter": job.drafter,
        "config": job.config if job.launch.config else None,
    }
    entrypoint = {"entrypoint": list(job.launch.entrypoint)} if job.launch.entrypoint else {}
    devices = container_settings(job.devices, container_engine)
    own = {**job.environment(values), **devices["environment"]}
    return (
        _alone(user, cpus, scratch, folders)
        | entrypoint
        | devices
        | {
            "command": filled(job.launch.args, values),
            "environment": _engine_environment(own),
            "shm_size": job.launch.shm_bytes,
            "ulimits": [Ulimit(name="memlock", soft=-1, hard=-1)]
            if job.launch.locks_memory
            else [],
        }
    )


def _program_settings(run: ProgramRun, user: str, scratch: Path) -> dict[str, Any]:
    settings = _alone(user, usable_cpus(), scratch, {"model": run.model})
    settings["mounts"].append(Mount("/made", str(run.out), type="bind"))
    reaching = _reaching(run.network) if run.network else {}
    settings["mounts"] += reaching.pop("mounts", [])
    environment = {**NO_NVIDIA, **reaching.pop("environment", {})}
    return (
        settings
        | reaching
        | {
            "command": run.arguments(model="/model", out="/made"),
            "environment": _engine_environment(environment),
        }
    )


def _reaching(network: NetworkAccess) -> dict[str, Any]:
    """Return what gives a container the network that this machine has."""
    environment = {**network.environment, "HF_HUB_OFFLINE": "0"}
    mounts = []
    if network.ca_bundle:
        inside = "/ca-bundle.pem"
        mounts.append(Mount(inside, str(network.ca_bundle), type="bind", read_only=True))
        environment |= {"SSL_CERT_FILE": inside, "REQUESTS_CA_BUNDLE": inside}
    return {"network_mode": "bridge", "mounts": mounts, "environment": environment}


def _alone(
    user: str, cpus: list[int], scratch: Path, folders: Mapping[str, Path | None]
) -> dict[str, Any]:
    """Return settings of a container without a network, with folders of its own to read."""
    return _both(user, cpus) | {
        "network_mode": "none",
        "hostname": "engine",
        "extra_hosts": {"engine": "127.0.0.1"},
        "mounts": [
            Mount("/scratch", str(scratch), type="bind"),
            *(
                Mount(f"/{name}", str(folder), type="bind", read_only=True)
                for name, folder in folders.items()
                if folder is not None
            ),
        ],
        "mem_limit": psutil.virtual_memory().total,
    }


def _inside(folder: str, file: str) -> str:
    return folder if file in ("", ".") else f"{folder}/{file}"


def _client_settings(job: JobRun, user: str, cpus: list[int], engine: str) -> dict[str, Any]:
    return _both(user, cpus) | {
        "command": ["--in", "/in", "--out", "/out", "--port", str(PORT)],
        "environment": dict(NO_NVIDIA),
        "network_mode": f"container:{engine}",
        "ipc_mode": "none",  # no /dev/shm: the client writes to /out and nowhere else
        "mounts": [
            Mount("/in", str(job.folder / "in"), type="bind", read_only=True),
            Mount("/out", str(job.folder / "out"), type="bind"),
        ],
        "mem_limit": _CLIENT_MEMORY_BYTES,
    }


def _both(user: str, cpus: list[int]) -> dict[str, Any]:
    return {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "user": user,
        "pids_limit": PROCESSES,
        "cpuset_cpus": ",".join(map(str, cpus)),
    }


def _engine_environment(own: Mapping[str, str]) -> dict[str, str]:
    writable = {name: f"/scratch/{name.lower()}" for name in _CACHES}
    fixed = {
        "HOME": "/scratch",
        "TMPDIR": "/scratch",
        "HF_HUB_OFFLINE": "1",
        "NCCL_SOCKET_IFNAME": "lo",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    return writable | fixed | dict(own)


def _give_away(folders: list[Path]) -> str:
    """Return the user that containers run as: the one who called, or nobody when that is root."""
    if os.getuid() != 0:
        return f"{os.getuid()}:{os.getgid()}"
    for folder in folders:
        os.chown(folder, NOBODY, NOBODY)
    return f"{NOBODY}:{NOBODY}"


def _open_to_others(folder: Path) -> None:
    """Let the containers' user read the client's input, whatever this user's umask is."""
    for path in (folder.parent, folder):
        path.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what docker-py raises when the container engine goes away into one message."""
    try:
        yield
    except APIError as error:
        raise RunFailed(f"the container engine refused: {error.explanation or error}") from error
    except (DockerException, requests.RequestException) as error:
        raise RunFailed(
            f"the container engine stopped answering ({_cause(error)})",
            mend="start it and run the same command again: finished jobs are kept",
        ) from error


def _remove(container: Any) -> None:
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return
    except (DockerException, requests.RequestException):
        return  # the engine is gone; the next run finds the container by its label
