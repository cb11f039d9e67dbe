"""What a spec may ask of the machine: a device of the table, how many, and which drivers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from specseal.hardware import ANY, CPU, accelerators
from specseal.spec.document import Document, Finding, Place
from specseal.spec.endpoint import is_endpoint
from specseal.spec.model import Hardware
from specseal.spec.schema import shown, suggestion

_ACCELERATOR: Place = ("hardware", "accelerator")
_COUNT: Place = ("hardware", "count")
_DRIVER: Place = ("hardware", "driver")


def _accelerator_is_known(document: Document) -> Iterator[Finding]:
    name = document.at("hardware", "accelerator")
    if not isinstance(name, str) or name in accelerators():
        return
    if name == ANY:
        if not is_endpoint(document):
            message = "any is for a running server: name a device, and run with --hardware any"
            yield document.at_value(_ACCELERATOR, message)
        return
    yield document.at_value(_ACCELERATOR, f"{shown(name)} is not in the table{_nearest(name)}")


def _nearest(name: str) -> str:
    models = [known for known in accelerators() if known.startswith(f"{name}-")]
    if models:
        return f": write {' or '.join(models)}"
    return suggestion(name, accelerators()) or f"; it has {', '.join(accelerators())}"


def _count_fits_parallel(document: Document) -> Iterator[Finding]:
    count = document.at("hardware", "count")
    if count is None:
        count = Hardware().count
    if not isinstance(count, int) or is_endpoint(document):
        return
    parallel = document.at("engine", "parallel")
    if document.at("hardware", "accelerator") in (None, CPU) and count != 1:
        yield document.at_value(_COUNT, f"{CPU} is one device, not {shown(count)}")
        return
    if not isinstance(parallel, dict):
        return
    tensor, data = parallel.get("tensor", count), parallel.get("data", 1)
    if isinstance(tensor, int) and isinstance(data, int) and tensor * data != count:
        left_out = "" if "tensor" in parallel else " (left out, so hardware.count)"
        message = (
            f"engine.parallel.tensor {tensor}{left_out} × engine.parallel.data {data} are "
            f"{tensor * data} devices, hardware.count is {count}: let them agree"
        )
        seat = document.at_value if _COUNT in document.values else document.at_key
        yield seat(_COUNT, message)


def _driver_is_a_specifier(document: Document) -> Iterator[Finding]:
    driver = document.at("hardware", "driver")
    if not isinstance(driver, str):
        return
    if is_endpoint(document):
        message = "the driver under a running server is not seen: leave it out"
        yield document.at_key(_DRIVER, message)
    elif document.at("hardware", "accelerator") in (None, CPU):
        yield document.at_key(_DRIVER, f"{CPU} has no driver: leave it out")
    else:
        try:
            SpecifierSet(driver)
        except InvalidSpecifier:
            message = f"{shown(driver)} names no versions: write it like '>=570, <600' (PEP 440)"
            yield document.at_value(_DRIVER, message)


HARDWARE_CHECKS: tuple[Callable[[Document], Iterator[Finding]], ...] = (
    _accelerator_is_known,
    _count_fits_parallel,
    _driver_is_a_specifier,
)
