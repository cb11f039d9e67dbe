"""Runtimes: where a job runs. Two containers on one loopback, or two native processes."""

from specseal.runtimes.base import (
    JobRun,
    NetworkAccess,
    ProgramRun,
    ProgramRuntime,
    Progress,
    Runtime,
)
from specseal.runtimes.containers import ContainerRuntime, connect, describe_container_engine
from specseal.runtimes.devices import Address
from specseal.runtimes.machine import describe_machine
from specseal.runtimes.native import NativeRuntime
from specseal.runtimes.passing import container_problem
from specseal.runtimes.preflight import Inspection, Preflight, devices_here

__all__ = [
    "Address",
    "ContainerRuntime",
    "Inspection",
    "JobRun",
    "NativeRuntime",
    "NetworkAccess",
    "Preflight",
    "ProgramRun",
    "ProgramRuntime",
    "Progress",
    "Runtime",
    "connect",
    "container_problem",
    "describe_container_engine",
    "describe_machine",
    "devices_here",
]
