"""Runtimes: where a job runs. Two containers on one loopback, or two native processes."""

from specseal.runtimes.base import JobRun, ProgramRun, ProgramRuntime, Progress, Runtime
from specseal.runtimes.containers import ContainerRuntime, connect
from specseal.runtimes.machine import describe_machine
from specseal.runtimes.native import NativeRuntime

__all__ = [
    "ContainerRuntime",
    "JobRun",
    "NativeRuntime",
    "ProgramRun",
    "ProgramRuntime",
    "Progress",
    "Runtime",
    "connect",
    "describe_machine",
]
