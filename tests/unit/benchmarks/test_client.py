"""The benchmark of clients: its table, and what it sees of a command's processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from benchmarks.client.clients import Figures
from benchmarks.client.points import POINTS
from benchmarks.client.table import BEGIN, END, Measurement, engine_line, put, table
from benchmarks.client.watch import CommandFailed, Taken, watch

README = Path(__file__).parents[3] / "benchmarks" / "README.md"


def measurement() -> Measurement:
    truth = Figures(requests=1600, mean_ttft_s=0.05, p99_ttft_s=0.052, mean_step_s=0.01)
    said = Figures(requests=1600, mean_ttft_s=0.0512, p99_ttft_s=0.0515, mean_step_s=0.0101)
    return Measurement(
        client="specseal",
        point=POINTS[0],
        said=said,
        truth=truth,
        taken=Taken(wall_s=70, cpu_s=3.0, peak_bytes=80_000_000),
        start_cpu_s=0.5,
        lateness_p99_s=0.0014,
        engine_cpu_share=0.42,
    )


def test_table_tells_errors_against_the_truth_and_cost_a_million_chunks() -> None:
    row = table([measurement()]).splitlines()[-1]
    # 1600 × 64 chunks: 3.0 s ÷ 0.1024, and 2.5 s ÷ 0.1024 without start-up.
    assert row == "| 16 | specseal | +1.20 | -0.50 | +0.100 | 29 | 24 | 80 |"


def test_engine_line_tells_the_latest_run() -> None:
    assert "1.4 ms after their time" in engine_line([measurement()])
    assert "42% of its core" in engine_line([measurement()])


def test_table_is_put_between_the_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    put(readme, "new")
    assert readme.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"


def test_readme_without_marks_is_refused(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before")
    with pytest.raises(ValueError, match="is not there"):
        put(readme, "new")


def test_readme_of_the_benchmarks_has_a_place_for_the_table() -> None:
    assert BEGIN in README.read_text()
    assert END in README.read_text()


def run(tmp_path: Path, program: str) -> Taken:
    core = min(os.sched_getaffinity(0))
    return watch(
        [sys.executable, "-c", program],
        core=core,
        log=tmp_path / "log",
        timeout_s=60,
        environment=os.environ,
        folder=tmp_path,
    )


def test_what_children_of_a_command_take_is_counted(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    taken = run(
        tmp_path, f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])"
    )
    assert taken.cpu_s >= 0.3


def test_command_that_fails_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"exit code 3(.|\n)*no such model"):
        run(tmp_path, "import sys\nprint('no such model')\nsys.exit(3)")
