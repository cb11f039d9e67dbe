"""While a job runs in containers: what the container engine says of them, and what they can do.

A job is stopped in the middle by the first sign of progress; in that moment both containers are
inspected, and `hermetic_probe.py` is run inside each.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import needed
from smalljob import write_job
from specseal import owner
from specseal.lock import Draft
from specseal.programs import Programs, make_ready
from specseal.runtimes import Progress
from specseal.settings import Settings

pytestmark = [pytest.mark.docker, pytest.mark.engine, pytest.mark.slow]

PROBE = (Path(__file__).parent / "hermetic_probe.py").read_text()
WRITABLE = {"engine": "/scratch", "client": "/out"}
READ_ONLY = {"engine": ("/", "/model", "/opt", "/tmp"), "client": ("/", "/in", "/opt", "/tmp")}


class SeenEnough(Exception):
    """Ends the job."""


@dataclass(frozen=True)
class Seen:
    """What was found of the containers, by role."""

    attributes: dict[str, dict[str, Any]]
    reports: dict[str, dict[str, Any]]
    reached: int
    """Connections that the host's loopback server got."""


@contextmanager
def counting_server() -> Iterator[tuple[int, list[str]]]:
    """Listen on the host's loopback; yields the port and a list that grows with each connection."""
    visits: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, (host, _) = server.accept()
                except OSError:
                    return  # closed
                connection.close()
                visits.append(host)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], visits
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def probe(container: Any, host_port: int, folders: tuple[str, ...]) -> dict[str, Any]:
    done = container.exec_run(["python3", "-c", PROBE, str(host_port), *folders])
    assert done.exit_code == 0, done.output
    report: dict[str, Any] = json.loads(done.output)
    return report


@pytest.fixture(scope="module")
def programs(docker_client: object, quickstart_draft: Draft, site: Settings) -> Programs:
    with needed():
        return make_ready("docker", quickstart_draft.lock, site, print)


@pytest.fixture(scope="module")
def seen(
    programs: Programs,
    docker_client: Any,
    quickstart_draft: Draft,
    model_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Seen:
    job = write_job(
        tmp_path_factory.mktemp("hermetic") / "job",
        model=model_folder,
        model_file=quickstart_draft.lock.model["load"],
        conversations=400,
    )
    attributes: dict[str, dict[str, Any]] = {}
    reports: dict[str, dict[str, Any]] = {}

    with counting_server() as (port, visits):

        def look(progress: Progress) -> None:
            mine = {"label": f"{owner.LABEL}={owner.this_owner()}"}
            for container in docker_client.containers.list(filters=mine):
                engine = container.attrs["HostConfig"]["NetworkMode"] == "none"
                role = "engine" if engine else "client"
                attributes[role] = container.attrs
                reports[role] = probe(container, port, (*READ_ONLY[role], WRITABLE[role]))
            raise SeenEnough

        with pytest.raises(SeenEnough):
            programs.runtime.run(job, look)
    assert set(attributes) == {"engine", "client"}
    return Seen(attributes=attributes, reports=reports, reached=len(visits))


@pytest.fixture(params=["engine", "client"])
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_engine_has_no_network_and_the_client_joins_it(seen: Seen) -> None:
    engine, client = seen.attributes["engine"], seen.attributes["client"]
    assert engine["HostConfig"]["NetworkMode"] == "none"
    assert client["HostConfig"]["NetworkMode"] == f"container:{engine['Id']}"


def test_privileges_are_dropped_and_resources_limited(seen: Seen, role: str) -> None:
    host = seen.attributes[role]["HostConfig"]
    assert host["Privileged"] is False
    assert host["CapDrop"] == ["ALL"]
    assert not host["CapAdd"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    user, _, group = seen.attributes[role]["Config"]["User"].partition(":")
    assert "0" not in (user, group)
    assert 0 < host["PidsLimit"] <= 4096
    assert 0 < host["Memory"] <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_nothing_of_the_host_is_shared_but_the_mounts(seen: Seen, role: str) -> None:
    host = seen.attributes[role]["HostConfig"]
    for shared in ("Devices", "DeviceRequests", "DeviceCgroupRules", "Binds", "VolumesFrom"):
        assert not host[shared], shared
    for namespace in ("PidMode", "UTSMode", "IpcMode", "UsernsMode"):
        assert host[namespace] != "host", namespace
    assert not host["PortBindings"]
    assert host["PublishAllPorts"] is False


def test_only_one_mount_can_be_written(seen: Seen, role: str) -> None:
    attributes = seen.attributes[role]
    assert attributes["HostConfig"]["ReadonlyRootfs"] is True
    mounts = {mount["Destination"]: (mount["Type"], mount["RW"]) for mount in attributes["Mounts"]}
    assert mounts == {
        {"engine": "/model", "client": "/in"}[role]: ("bind", False),
        WRITABLE[role]: ("bind", True),
    }


def test_nothing_outside_can_be_reached_from_inside(seen: Seen, role: str) -> None:
    report = seen.reports[role]
    assert report["interfaces"] == ["lo"]
    assert report["public address"] == "ENETUNREACH"
    assert report["name"] in {f"gaierror {socket.EAI_NONAME}", f"gaierror {socket.EAI_AGAIN}"}
    assert report["host's loopback"] == "ECONNREFUSED"
    assert seen.reached == 0


def test_engine_and_client_share_a_loopback(seen: Seen, role: str) -> None:
    assert seen.reports[role]["engine"] == "ok"


def test_nothing_can_be_written_but_the_one_folder(seen: Seen, role: str) -> None:
    report = seen.reports[role]
    refused = dict.fromkeys(READ_ONLY[role], "EROFS")
    assert report["write"] == {**refused, WRITABLE[role]: "ok"}
    elsewhere = {path for path in report["writable"] if not path.startswith(WRITABLE[role])}
    # Neither lies on a disk: message queues and the shared memory that engines need are the
    # container's own and end with it.
    assert elsewhere == {"engine": {"/dev/shm", "/dev/mqueue"}, "client": {"/dev/mqueue"}}[role]


def test_no_privilege_can_be_raised(seen: Seen, role: str) -> None:
    report = seen.reports[role]
    assert report["user"] != 0
    assert report["root"] == "EPERM"
    assert report["capabilities"] == 0
    assert report["no_new_privileges"] == "1"
    assert report["devices"] == []


def test_in_an_ordinary_container_the_same_probe_succeeds(
    programs: Programs, docker_client: Any
) -> None:
    container = docker_client.containers.create(
        programs.facts["client"]["id"],
        entrypoint=["python3", "-c", "import time; time.sleep(600)"],
        user="0:0",
        network_mode="host",
        labels={owner.LABEL: owner.this_owner()},
    )
    try:
        container.start()
        with counting_server() as (port, visits):
            report = probe(container, port, ("/", "/opt", "/tmp"))
    finally:
        container.remove(force=True)
    assert report["write"] == {"/": "ok", "/opt": "ok", "/tmp": "ok"}
    assert report["host's loopback"] == "ok"
    assert visits == ["127.0.0.1"]
    assert report["interfaces"] == sorted(name for _, name in socket.if_nameindex())
    assert report["root"] == "ok"
    assert report["capabilities"] != 0
    assert report["no_new_privileges"] == "0"
