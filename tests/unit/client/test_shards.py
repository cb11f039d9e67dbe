"""A load spread over real processes, each with a few streams only."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import psutil
import pytest

from specseal.client.hand import Meeting
from specseal.client.offer import Share
from specseal.client.phases import Phase
from specseal.client.shards import RemoteHand, line_of
from specseal.records import JobStatus, Record, read_records
from unit.client.fake_llamacpp import EOS, Die, FakeLlamaCpp, answer, refuse, sse, token
from unit.client.jobs import COUNTS, job, load, metrics, phase, prompt, write_folder

RunJob = Callable[..., JobStatus]
NAMES = [f"p{number}" for number in range(11)]
PROMPTS = [prompt(name, 100 + number, between=[[EOS, 8]]) for number, name in enumerate(NAMES)]
SINGLE = [prompt(name, 100 + number) for number, name in enumerate(NAMES)]


def shards_of(pid: int) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(pid).children()
        if any("specseal.client.shard" in part for part in child.cmdline())
    ]


def records_of(out: Path) -> tuple[Record, ...]:
    return read_records(out / "records.jsonl")


def test_processes_together_hold_the_whole_concurrency_and_send_everything_once(
    run: RunJob, out: Path
) -> None:
    fake = FakeLlamaCpp(
        hold_until=5, script=lambda ids: answer(ids, [50, EOS], stop_type="eos", drafted=(4, 1))
    )
    fake.metrics = lambda read: metrics(drafts=len(fake.prompts))
    measured = phase(*NAMES, concurrency=5)
    status = run(fake, job(measured, counts=COUNTS), prompts=PROMPTS, streams_a_process=2)
    assert (status.outcome, status.reason) == ("done", "")
    records = records_of(out)
    assert sorted((record.conversation, record.turn) for record in records) == (
        sorted((name, turn) for name in NAMES for turn in (0, 1))
    )
    assert fake.most_in_flight == 5
    times = [record.submit_ns for record in records]
    assert times == sorted(times)
    (seen,) = status.phases
    assert (seen.client_processes, seen.requests, seen.failed) == (3, 22, 0)
    assert seen.client_memory_bytes > 3 * 5_000_000, "no Python is smaller than that"
    assert 0 < seen.client_cpu_share < seen.client_cpu_total, "three processes have worked"
    assert seen.client_cpus == len(os.sched_getaffinity(0))
    progress = json.loads((out / "progress.json").read_text())
    assert (progress["done"], progress["total"]) == (22, 22)
    assert (progress["output_tokens"], progress["draft_tokens"]) == (44, 88)
    counts = (out / "counts.jsonl").read_text().splitlines()
    assert [json.loads(line)["drafts"] for line in counts] == [0, 22], "one process reads them"


def test_all_processes_begin_at_one_instant(run: RunJob, out: Path) -> None:
    run(FakeLlamaCpp(), job(phase(*NAMES, concurrency=6)), prompts=SINGLE, streams_a_process=2)
    assert max(Counter(record.due_ns for record in records_of(out)).values()) == 6


def test_smaller_phase_is_held_by_fewer_of_the_same_processes(run: RunJob, out: Path) -> None:
    phases = [phase(*NAMES, concurrency=level) for level in (6, 1, 4)]
    status = run(FakeLlamaCpp(), job(*phases), prompts=SINGLE, streams_a_process=2)
    assert [each.client_processes for each in status.phases] == [3, 1, 2]
    assert [each.requests for each in status.phases] == [11, 11, 11]


def test_bursts_begin_together_in_all_processes(run: RunJob, out: Path) -> None:
    bursts = phase(*NAMES, load=load("burst", concurrency=4))
    status = run(FakeLlamaCpp(), job(bursts), prompts=PROMPTS, streams_a_process=1)
    assert status.phases[0].client_processes == 4
    groups: dict[int, list[Record]] = {}
    for record in records_of(out):
        if record.turn == 0:
            groups.setdefault(record.due_ns or 0, []).append(record)
    assert [len(groups[due_ns]) for due_ns in sorted(groups)] == [4, 4, 3]
    assert [
        sorted(record.conversation for record in groups[due_ns]) for due_ns in sorted(groups)
    ] == [sorted(NAMES[:4]), sorted(NAMES[4:8]), sorted(NAMES[8:])]
    ends = [record.end_ns for record in records_of(out) if record.turn == 1]
    assert set(sorted(groups)[1:]) <= set(ends), "a burst is due when the last answer has ended"


def test_open_load_shares_its_instants(run: RunJob, out: Path) -> None:
    instants = [number * 1_000_000 for number in range(len(NAMES))]
    timed = phase(*NAMES, load=load("open", rate=1000, arrival="constant"), offsets_ns=instants)
    status = run(FakeLlamaCpp(), job(timed), prompts=SINGLE, streams_a_process=4)
    assert status.phases[0].client_processes == 3
    due = sorted(record.due_ns or 0 for record in records_of(out))
    assert [each - due[0] for each in due] == instants


def test_server_that_dies_ends_the_phase_in_every_process(run: RunJob) -> None:
    def die(ids: list[int]) -> Iterator[bytes]:
        yield sse(token(50, 1))
        raise Die

    fake = FakeLlamaCpp(
        script=lambda ids: die(ids) if ids[0] == 103 else answer(ids, [50, EOS], stop_type="eos")
    )
    bursts = phase(*NAMES, load=load("burst", concurrency=3))
    status = run(fake, job(bursts), prompts=SINGLE, streams_a_process=1)
    assert status.outcome == "failed"
    assert status.reason.startswith("phase c1: the server is gone: no connection")
    assert shards_of(psutil.Process().pid) == []


def test_phase_in_which_all_fails_is_told_of_as_one(run: RunJob) -> None:
    measured = phase(*NAMES, concurrency=4)
    status = run(FakeLlamaCpp(script=refuse), job(measured), prompts=SINGLE, streams_a_process=2)
    assert status.reason == ("phase c4: all 11 requests failed; the first with: HTTP 500: no slot")


def test_process_that_dies_fails_the_job_and_leaves_no_other(run: RunJob) -> None:
    killed: list[psutil.Process] = []

    def kill_one(ids: list[int]) -> Iterator[bytes]:
        if not killed:  # else each request kills one more, and any of them may be the one named
            killed.append(shards_of(psutil.Process().pid)[0])
            killed[0].kill()
        return answer(ids, [50, EOS], stop_type="eos")

    measured = phase(*NAMES, concurrency=6)
    status = run(FakeLlamaCpp(script=kill_one), job(measured), prompts=SINGLE, streams_a_process=2)
    assert status.outcome == "failed"
    assert status.reason == "client process 2 was killed by signal 9 in the middle of its work"
    assert shards_of(psutil.Process().pid) == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_outlives_the_first_one(tmp_path: Path, out: Path, how: signal.Signals) -> None:
    folder = write_folder(
        tmp_path / "in",
        job(phase(*NAMES, concurrency=300)),
        prompts=SINGLE,
    )

    async def kill_the_first() -> list[psutil.Process]:
        async with FakeLlamaCpp(hold_until=1000).running() as fake:
            arguments = ["--in", folder, "--out", out, "--port", fake.port]
            command = [sys.executable, "-m", "specseal.client", *map(str, arguments)]
            with subprocess.Popen(command) as first:
                while len(fake.prompts) < len(NAMES):
                    await asyncio.sleep(0.01)
                shards = shards_of(first.pid)
                first.send_signal(how)
                await asyncio.to_thread(first.wait)
            _, left = await asyncio.to_thread(psutil.wait_procs, shards, 60)
            assert len(shards) == 1
            return left

    assert asyncio.run(kill_the_first()) == []


def test_meeting_lets_all_go_at_the_latest_end_and_can_be_held_again() -> None:
    async def meet() -> list[list[int]]:
        meeting = Meeting(3)
        return [
            await asyncio.gather(*(meeting.arrive(each) for each in ends))
            for ends in ((3, 9, 4), (12, 11, 10))
        ]

    assert asyncio.run(meet()) == [[9, 9, 9], [12, 12, 12]]


def test_there_are_no_more_processes_than_cpus(run: RunJob, out: Path) -> None:
    fake = FakeLlamaCpp(script=lambda ids: answer(ids, [50, EOS], stop_type="eos"))
    measured = phase(*NAMES, concurrency=6)
    status = run(fake, job(measured), prompts=SINGLE, streams_a_process=2, cpus=1)
    assert (status.phases[0].client_processes, len(records_of(out))) == (1, len(NAMES))


class _Pipe(asyncio.StreamReader):
    """A client process that says what it is given to say, and notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[str] = []
        self.stdout = self.stdin = self

    def say(self, report: str, **what: object) -> None:
        self.feed_data(line_of("report", report, **what))

    def write(self, line: bytes) -> None:
        self.orders.append(json.loads(line)["order"])

    async def drain(self) -> None:
        return


def test_process_whose_burst_ended_just_before_it_is_given_up_is_not_waited_for() -> None:
    async def give_up() -> tuple[str, list[str]]:
        pipe, meeting = _Pipe(), Meeting(2)
        hand = RemoteHand(process=cast(Process, pipe), number=2)
        pipe.say("ready")
        await hand.prepare(
            cast(Phase, SimpleNamespace(name="c1")), Share(index=0, of=2), meeting.arrive
        )
        running = asyncio.create_task(hand.run(1))
        await hand.give_up("the server is gone")
        pipe.say("ended", end_ns=7)
        pipe.say("over", stopped="the server is gone")
        async with asyncio.timeout(30):
            return await running, pipe.orders

    stopped, orders = asyncio.run(give_up())
    assert stopped == "the server is gone"
    assert "together" not in orders


def test_one_that_is_called_off_a_meeting_does_not_call_off_the_others() -> None:
    async def meet() -> int:
        meeting = Meeting(3)
        leaves = asyncio.create_task(meeting.arrive(1))
        stays = asyncio.create_task(meeting.arrive(2))
        await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
        await meeting.arrive(3)
        return await stays

    assert asyncio.run(meet()) == 3
