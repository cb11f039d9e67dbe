"""Prompts whose answers copy them: lists to be sorted, tables and settings to be rewritten."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from specseal.data.draws import Draws
from specseal.data.prompt import Maker, Prompt
from specseal.data.texts import names, person


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    """A kind of list: how it is headed, what its lines are, what is to be done with it."""

    opening: str
    """With the prompt's number in it."""
    line: Callable[[Draws, int], str]
    """Takes choices and the line's number, from 0."""
    closing: str

    def prompt(self, draws: Draws, number: int) -> Prompt:
        return Prompt(
            opening=self.opening.format(number=number + 1),
            units=self._lines(draws),
            closing=self.closing,
        )

    def _lines(self, draws: Draws) -> Iterator[str]:
        count = 0
        while True:
            yield self.line(draws, count)
            count += 1


def _date(draws: Draws) -> str:
    return f"2031-{draws.between(1, 12):02}-{draws.between(1, 28):02}"


def _time(draws: Draws) -> str:
    return f"{draws.between(0, 23):02}:{draws.between(0, 59):02}:{draws.between(0, 59):02}"


def _access(draws: Draws, count: int) -> str:
    path = draws.one(("orders", "customers", "invoices", "stock", "carriers", "returns"))
    return (
        f"{_date(draws)}T{_time(draws)}Z web-{draws.between(1, 6)} "
        f"{draws.one(('GET', 'GET', 'PUT', 'POST'))} /{path}/{draws.between(1000, 99999)} "
        f"{draws.one((200, 200, 201, 304, 404, 503))} {draws.between(2, 1900)}ms "
        f"{person(draws).lower().replace(' ', '.')}"
    )


def _stock(draws: Draws, count: int) -> str:
    return (
        f"SK-{draws.between(10000, 99999)},{draws.one(names()['object'])},"
        f"{draws.one('ABCDEFGH')}{draws.between(1, 40)},{draws.between(0, 400)},"
        f"{draws.between(1, 180)}.{draws.between(0, 99):02}"
    )


def _reading(draws: Draws, count: int) -> str:
    reading = {
        "sensor": f"{draws.one(names()['town']).split()[0].lower()}-{draws.between(1, 99)}",
        "at": f"{_date(draws)} {_time(draws)}",
        "level_cm": draws.between(20, 640),
        "battery": draws.between(3, 100),
    }
    return json.dumps(reading)


def _function(draws: Draws, count: int) -> str:
    goods, unit = draws.one(names()["goods"]).replace(" ", "_"), draws.one(("crate", "sack", "ton"))
    name = f"{goods}_per_{unit}_{draws.between(100, 999)}"
    return (
        f"def {name}(count):\n    return count * {draws.between(2, 90)} + {draws.between(1, 400)}\n"
    )


def _setting(draws: Draws, count: int) -> str:
    ship = draws.one(names()["ship"]).lower().replace(" ", "_")
    return (
        f"[{ship}.{draws.between(100, 999)}]\n"
        f"berth = {draws.between(1, 60)}\n"
        f"cargo = {draws.one(names()['goods'])}\n"
        f"master = {person(draws)}\n"
    )


def _booking(draws: Draws, count: int) -> str:
    return (
        f"| {_date(draws)} | {person(draws)} | {draws.one(names()['street'])} | "
        f"{draws.between(1, 9)} | {draws.between(30, 900)} |"
    )


_LISTS: dict[str, _List] = {
    "access_log": _List(
        opening="access-{number}.log",
        line=_access,
        closing="Sort these lines by time, oldest first. Print every line, each exactly as it is, "
        "and nothing else.",
    ),
    "stock_table": _List(
        opening="stock-{number}.csv: sku,article,shelf,quantity,price",
        line=_stock,
        closing="Sort this table by shelf, then by sku. Print the whole table as CSV with its "
        "header, no row left out and no value changed.",
    ),
    "sensor_readings": _List(
        opening="gauges-{number}.jsonl",
        line=_reading,
        closing="Rewrite these readings as CSV with the columns at, sensor, level_cm and battery, "
        "in the order in which they stand. Print nothing but the CSV.",
    ),
    "functions": _List(
        opening="# rates_{number}.py",
        line=_function,
        closing="Give every function of this module the type hints `count: int` and `-> int`, and "
        "change nothing else. Print the whole module.",
    ),
    "settings": _List(
        opening="; berths-{number}.ini",
        line=_setting,
        closing="Rewrite this file as YAML, one mapping a section, in the same order and with the "
        "same values. Print the whole of it.",
    ),
    "bookings": _List(
        opening="Bookings {number}, with the columns date, guest, address, nights, paid",
        line=_booking,
        closing="Sort this table by date, then by guest, and print it again as a Markdown table "
        "with all of its rows.",
    ),
}

KINDS: dict[str, Maker] = {name: kind.prompt for name, kind in _LISTS.items()}
"""By sub-category, what makes a prompt of it."""
