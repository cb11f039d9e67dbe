"""Hold load generators against an engine that knows the truth: `make bench-client`.

Engine and this program on core 0, the client on core 1, one client and one load after the other.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
from benchmarks.client.clients import CLIENTS, Call, Client, Figures, figures
from benchmarks.client.points import POINTS, START, Point
from benchmarks.client.table import Measurement, engine_line, put, table
from benchmarks.client.watch import CommandFailed, Taken, adopt_orphans, watch

from specseal.settings import load_settings
from truth.running import TruthEngine, running

ENGINE_CORE, CLIENT_CORE = 0, 1
README = Path(__file__).parents[1] / "README.md"
_REPOSITORY = Path(__file__).parents[2]
_TIMEOUT_S = 600.0


def main() -> int:
    """Measure, print the table, and write it where that is asked for."""
    options = _options()
    if (os.cpu_count() or 1) < 2:
        sys.stderr.write("two CPU cores are needed: one for the engine, one for the client\n")
        return 3
    # Told to end, it ends its engine and its client first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    os.sched_setaffinity(0, {ENGINE_CORE})
    adopt_orphans()
    cache = load_settings(os.environ, _REPOSITORY).cache_dir
    measurements = []
    try:
        chosen = [client for client in CLIENTS if client.name in options.clients]
        with tempfile.TemporaryDirectory() as folder:
            for client in chosen:
                measurements += _measure_all(client, options.concurrency, Path(folder), cache)
    except CommandFailed as failure:
        sys.stderr.write(f"{failure}\n")
        return 4
    measurements.sort(key=lambda one: one.point.concurrency)
    text = f"{_machine()}\n\n{table(measurements)}\n\n{engine_line(measurements)}"
    print(text)
    if options.write:
        put(README, text)
    return 0


def _options() -> argparse.Namespace:
    names = [client.name for client in CLIENTS]
    levels = [point.concurrency for point in POINTS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client", description=__doc__)
    parser.add_argument("--clients", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--concurrency", nargs="+", type=int, choices=levels, default=levels)
    parser.add_argument("--write", action="store_true", help=f"put the table into {README.name}")
    return parser.parse_args()


def _measure_all(
    client: Client, levels: Sequence[int], folder: Path, cache: Path
) -> list[Measurement]:
    # Twice, because the first start also fills the page cache and compiles modules.
    for attempt in ("first", "start"):
        _, _, start, _ = _run(client, START, folder / f"{client.name}-{attempt}", cache)
    measured = []
    for point in POINTS:
        if point.concurrency not in levels:
            continue
        sys.stderr.write(f"{client.name}, concurrency {point.concurrency}\n")
        said, entries, taken, engine_cpu_s = _run(
            client, point, folder / f"{client.name}-{point.concurrency}", cache
        )
        late = np.concatenate(
            [np.subtract(entry["chunk_ns"], entry["due_ns"]) for entry in entries]
        )
        measured.append(
            Measurement(
                client=client.name,
                point=point,
                said=said,
                truth=_truth(entries),
                taken=taken,
                start_cpu_s=start.cpu_s,
                lateness_p99_s=float(np.percentile(late, 99)) / 1e9,
                engine_cpu_share=engine_cpu_s / taken.wall_s,
            )
        )
    return measured


def _run(
    client: Client, point: Point, folder: Path, cache: Path
) -> tuple[Figures, list[dict[str, list[int]]], Taken, float]:
    folder.mkdir()
    with running(cores=[ENGINE_CORE], usual=point.behaviour()) as engine:
        call = Call(point=point, port=engine.port, folder=folder, cache=cache)
        taken = watch(
            client.command(call),
            core=CLIENT_CORE,
            log=folder / "log",
            timeout_s=_TIMEOUT_S,
            environment=os.environ,
            folder=_REPOSITORY,
        )
        entries, engine_cpu_s = engine.requests(), _cpu_s(engine)
    said = client.read(call)
    complete = [entry for entry in entries if entry["outcome"] == "length"]
    if not said.requests == len(complete) == len(entries) == point.requests:
        raise CommandFailed(
            f"{client.name}: {point.requests} requests asked for, {len(entries)} came, "
            f"{len(complete)} were answered, {said.requests} are reported"
        )
    return said, complete, taken, engine_cpu_s


def _truth(entries: list[dict[str, list[int]]]) -> Figures:
    return figures(
        [(entry["chunk_ns"][0] - entry["received_ns"]) / 1e9 for entry in entries],
        [
            (entry["chunk_ns"][-1] - entry["chunk_ns"][0]) / 1e9 / (len(entry["chunk_ns"]) - 1)
            for entry in entries
        ],
    )


def _cpu_s(engine: TruthEngine) -> float:
    times = psutil.Process(engine.process.pid).cpu_times()
    return float(times.user + times.system)


def _machine() -> str:
    cores, gigabytes = os.cpu_count(), psutil.virtual_memory().total / 1e9
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return (
        f"{today}; {_cpu_model()}, {cores} cores, {gigabytes:.0f} GB, "
        f"Linux {platform.release()}, Python {platform.python_version()}."
    )


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    sys.exit(main())
