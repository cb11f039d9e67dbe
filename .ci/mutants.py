"""A pytest plugin that runs the tests on mutants of the verifier: see .ci/mutate.

mutmut makes the mutants of functions; those of a module's constants are made here. They are run
in forks of one process that has collected the tests, set up what they share and taken the time of
each, so that a mutant costs no more than the tests that it takes to notice it. Only tests that
reach the changed function are run, those first that noticed another change to it.

Environment: MUTATE_MODULES, names of runner/specseal/*/*.py (`bundle/verify`); MUTATE_ONLY, a
regular expression for names of mutants; MUTATE_SECONDS, how much of the tests is run on one mutant;
MUTATE_CRUDE=no, leave out what makes nearly every call fail (see `_is_crude`); MUTATE_RESULTS, a
file of JSON lines, to be gone on with.
"""

from __future__ import annotations

import ast
import difflib
import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from _pytest.runner import runtestprotocol
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state

PACKAGE = Path("runner/specseal")
MODULES = os.environ["MUTATE_MODULES"].split()
ONLY = re.compile(os.environ.get("MUTATE_ONLY", ""))
SECONDS = float(os.environ.get("MUTATE_SECONDS", "inf"))
CRUDE = os.environ.get("MUTATE_CRUDE", "yes") == "yes"
RESULTS = Path(os.environ.get("MUTATE_RESULTS", "results.jsonl"))

# A decorated function is not mutated; so a property is turned into one that calls a method.
_PROPERTY = re.compile(r"^    @property\n    def (\w+)\(self\)", re.MULTILINE)
_PLAIN = r"    \1 = property(lambda self: self._get_\1())\n\n    def _get_\1(self)"
_NUMBER = re.compile(r"__mutmut_(\d+|orig)$")
_CONSTANT = re.compile(r"^(_?[A-Z][A-Z0-9_]+)(?:: .*)? = ", re.MULTILINE)
# How many of their first arguments are more than words: of a finding, its code.
_MEANT = {"Finding": 1, "broken": 1, "complain": 1, "stop": 0}
_MEANT |= dict.fromkeys(("InputError", "MachineLacks", "Problem", "ValueError"), 0)
_SENTENCE_SECOND = {"record", "run"}
_WORDS = {"among", "message", "more", "place", "reason", "sentence", "text", "where", "whose"}

# A failure is not looked at, so it need not be made small.
hypothesis.settings.register_profile(
    "mutants",
    deadline=None,
    database=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)


@dataclass(kw_only=True)
class Mutants:
    """The mutants of the chosen modules, by the name that selects them."""

    diffs: dict[str, str] = field(default_factory=dict)
    words: Counter[str] = field(default_factory=Counter)
    """How many of a module change nothing but words for people, or case; these are not run."""
    crude: set[str] = field(default_factory=set)
    named: dict[str, set[str]] = field(default_factory=dict)
    """The constants of a module."""
    constants: dict[str, tuple[str, Any, Any]] = field(default_factory=dict)
    """Of those that are of a constant: its name, its value, and the value that it has instead."""


MUTANTS = Mutants()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Put the mutants into the modules before anything imports them."""
    for module in MODULES:
        path = PACKAGE / f"{module}.py"
        code = _PROPERTY.sub(_PLAIN, path.read_text("utf-8"))
        MUTANTS.named[module] = set(_CONSTANT.findall(code))
        mutated = mutate_file_contents(str(path), code).code
        path.write_text(mutated, "utf-8")
        for function in _functions(ast.parse(mutated)):
            original = next(one for one in function if one.name.endswith("_orig"))
            for mutant in function:
                if mutant is original:
                    continue
                if _meaning(mutant) == _meaning(original):
                    MUTANTS.words[module] += 1
                else:
                    name = f"{_dotted(module)}.{mutant.name}"
                    MUTANTS.diffs[name] = _diff(original, mutant)
                    if _is_crude(original, mutant):
                        MUTANTS.crude.add(name)


def _dotted(module: str) -> str:
    return f"specseal.{module.replace('/', '.')}"


def _functions(module: ast.Module) -> Iterator[list[ast.FunctionDef]]:
    """Yield, a function, its original and its mutants."""
    found: dict[str, list[ast.FunctionDef]] = defaultdict(list)
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef) and _NUMBER.search(node.name):
            found[_NUMBER.sub("", node.name)].append(node)
    yield from found.values()


class _Unsaid(ast.NodeTransformer):
    """Takes out what only people read (messages of findings and errors, sentences), and case.

    mutmut spells each text in three other ways, of which one is enough.
    """

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in _MEANT:
            node.args, node.keywords = node.args[: _MEANT[name]], []
        elif name in _SENTENCE_SECOND:
            node.args[1:2] = [ast.Constant("")]
        node.keywords = [one for one in node.keywords if one.arg != "mend"]
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if getattr(node.targets[0], "id", "") in _WORDS:
            node.value = ast.Constant("")
        return self.generic_visit(node)

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        # Of what is compared, the name goes before it: (name, found, expected).
        if not all(isinstance(one, ast.Constant) for one in node.elts):
            node.elts = [one for one in node.elts if not _is_text(one)]
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not _is_text(node):
            return node
        return ast.Constant("" if " " in node.value else node.value.casefold())


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _meaning(function: ast.FunctionDef) -> str:
    copy: Any = ast.parse(ast.unparse(function)).body[0]
    copy.name, copy.decorator_list = "", []
    return ast.dump(_Unsaid().visit(copy))


def _is_crude(original: ast.FunctionDef, mutant: ast.FunctionDef) -> bool:
    """Say whether a value becomes None, an argument is left out, or a key is one that is nowhere.

    Nearly every test of the function notices that: it tells little of what the tests hold.
    """
    return _crude_parts(original) != _crude_parts(mutant)


def _crude_parts(function: ast.FunctionDef) -> Counter[str]:
    parts: Counter[str] = Counter()
    for node in ast.walk(function):
        match node:
            case ast.Constant(value=None):
                parts["None"] += 1
            case ast.Call(args=args, keywords=keywords):
                parts["arguments"] += len(args) + len(keywords)
            case ast.Subscript(slice=ast.Constant(value=str(key))):
                parts[key] += 1
    return parts


def _diff(original: ast.FunctionDef, mutant: ast.FunctionDef) -> str:
    before, after = (ast.unparse(one).splitlines()[1:] for one in (original, mutant))
    lines = difflib.unified_diff(before, after, lineterm="", n=0)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


def _add_constants() -> None:
    for module in MODULES:
        full = _dotted(module)
        for constant, value in vars(sys.modules[full]).items():
            if constant not in MUTANTS.named[module]:
                continue  # it is another module's, or none
            for number, (said, changed) in enumerate(_changed(value), 1):
                name = f"{full}.{constant}__constant_{number}"
                MUTANTS.constants[name] = constant, value, changed
                MUTANTS.diffs[name] = f"{constant}: {said}"


def _changed(value: object) -> Iterator[tuple[str, Any]]:
    match value:
        case int() | float():
            yield "one more", value + 1
        case timedelta():
            yield "twice as long", 2 * value
        case str():
            yield "another text", f"XX{value}"
        case re.Pattern():
            yield "the other way about case", re.compile(value.pattern, value.flags ^ re.IGNORECASE)
            yield "matches anything", re.compile(r"(.*)" + "()" * (value.groups - 1), re.DOTALL)
        case tuple() | frozenset():
            for one in list(value)[:12]:
                yield f"without {one!r}", type(value)(other for other in value if other != one)
        case dict():
            for key in list(value)[:20]:
                yield f"without {key!r}", {one: of for one, of in value.items() if one != key}


def _forget() -> None:
    """Forget what functions remember that were called before there was a mutant."""
    for name, module in list(sys.modules.items()):
        if name.startswith("specseal."):
            for value in list(vars(module).values()):
                if callable(clear := getattr(value, "cache_clear", None)):
                    clear()


def _set_constant(constant: str, value: object, changed: object) -> None:
    """Set it wherever it was imported to."""
    for name, module in list(sys.modules.items()):
        if name.startswith("specseal.") and vars(module).get(constant) is value:
            setattr(module, constant, changed)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    """Run the tests once as they are, then on each mutant."""
    say = session.config.get_terminal_writer().line
    _add_constants()
    started = time.monotonic()
    tests = _Tests(session)
    say(f"{len(tests.seconds)} tests in {time.monotonic() - started:.0f} s")
    known = RESULTS.read_text("utf-8").splitlines() if RESULTS.exists() else []
    outcomes = {one["mutant"]: one["outcome"] for one in map(json.loads, known)}
    for name, diff in MUTANTS.diffs.items():
        if name in outcomes or not ONLY.search(name) or (name in MUTANTS.crude and not CRUDE):
            continue
        started = time.monotonic()
        outcome = outcomes[name] = tests.run_on(name)
        one = {"mutant": name, "outcome": outcome, "seconds": time.monotonic() - started}
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(one | {"diff": diff}) + "\n")
        if outcome in ("survived", "no tests"):
            say(f"{name}: {outcome}\n{diff}")
    for module in MODULES:
        prefix = f"{_dotted(module)}."
        for kind, names in (("", MUTANTS.diffs.keys() - MUTANTS.crude), ("crude ", MUTANTS.crude)):
            of = [outcomes.get(name, "not run") for name in names if name.startswith(prefix)]
            counts = ", ".join(f"{count} {outcome}" for outcome, count in Counter(of).items())
            say(f"{module}: {len(of)} {kind}changes ({counts})")
        say(f"{module}: {MUTANTS.words[module]} changes of words left out")
    return True


class _Tests:
    """The tests, with the functions that each reaches and the time that it takes."""

    def __init__(self, session: pytest.Session) -> None:
        self.session = session
        self.seconds: dict[pytest.Item, float] = {}
        self.reaching: dict[str, list[pytest.Item]] = defaultdict(list)
        self.noticed: dict[str, Counter[str]] = defaultdict(Counter)
        self.variant: dict[pytest.Item, int] = {}
        variants: Counter[str] = Counter()
        set_mutant_under_test("stats")
        following = [*session.items[1:], session]
        for item, after in zip(session.items, following, strict=True):
            state()._stats.clear()
            started = time.monotonic()
            reports = runtestprotocol(item, log=False, nextitem=after)
            if all(report.passed for report in reports):
                self.seconds[item] = time.monotonic() - started
                self.variant[item] = variants[item.nodeid.partition("[")[0]]
                variants[item.nodeid.partition("[")[0]] += 1
                modules = {name.rpartition(".")[0] for name in state()._stats}
                for place in {*state()._stats, *modules}:
                    self.reaching[place].append(item)
            elif any(report.failed for report in reports):
                session.config.get_terminal_writer().line(f"left out, it fails: {item.nodeid}")
        set_mutant_under_test("")

    def run_on(self, name: str) -> str:
        """Return what became of a mutant: survived, killed, "did not end" or "no tests"."""
        is_constant = name in MUTANTS.constants
        place = name.rpartition(".")[0] if is_constant else _NUMBER.sub("", name)
        wins = self.noticed[place]

        def order(item: pytest.Item) -> tuple[Any, ...]:
            seconds = self.seconds[item]
            # Those that cost nothing first; then one variant of each test, then another.
            turn = 1 + self.variant[item] if seconds > 0.03 else 0
            return -wins[item.nodeid], seconds > 1, turn, seconds

        chosen, total = list[pytest.Item](), 0.0
        for item in sorted(self.reaching[place], key=order):
            total += self.seconds[item]
            if total > SECONDS and chosen:
                break
            chosen.append(item)
        if not chosen:
            return "no tests"
        number = self._fork(name, chosen)
        if number < 0:
            return "survived"
        if number < len(chosen):
            wins[chosen[number].nodeid] += 1
            return "killed"
        return "did not end"

    def _fork(self, name: str, items: list[pytest.Item]) -> int:
        """Run tests on a mutant; return which failed first, -1 for none, or a number too large."""
        reader, writer = os.pipe()
        folder = tempfile.mkdtemp(prefix="mutant-")
        pid = os.fork()
        if not pid:
            try:
                number = self._first_failure(name, items, Path(folder))
                os.write(writer, str(number).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with open(reader, "rb") as file:  # noqa: PTH123  (a descriptor, no path)
            said = file.read()
        os.waitpid(pid, 0)
        shutil.rmtree(folder, ignore_errors=True)
        return int(said) if said else len(items)

    def _first_failure(self, name: str, items: list[pytest.Item], folder: Path) -> int:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        self.session.config._tmp_path_factory._basetemp = folder  # type: ignore[attr-defined]
        resource.setrlimit(resource.RLIMIT_DATA, (6 * 2**30, 6 * 2**30))
        for number in (signal.SIGALRM, signal.SIGVTALRM):
            signal.signal(number, signal.SIG_DFL)
        if name in MUTANTS.constants:
            _set_constant(*MUTANTS.constants[name])
        else:
            set_mutant_under_test(name)
        _forget()
        self.session._setupstate.teardown_exact(items[0])
        for number, item in enumerate(items):
            # Of its own time, but where it only waits: how busy the machine is decides nothing.
            signal.setitimer(signal.ITIMER_VIRTUAL, 10 + 5 * self.seconds[item])
            signal.setitimer(signal.ITIMER_REAL, 30 + 20 * self.seconds[item])
            after = items[number + 1] if number + 1 < len(items) else self.session
            reports = runtestprotocol(item, log=False, nextitem=after)
            if any(report.failed for report in reports):
                return number
        return -1
