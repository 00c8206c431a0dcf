"""The first tier runs part of Python, the same way each time, and has no way out."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from factory.steps.judging.sandbox.first import run_first
from factory.steps.judging.sandbox.program import Limits, Outcome, Program
from factory.steps.judging.sandbox.run import run_program

ROOMY = Limits(seconds=20.0, memory=64 << 20)
SHORT = Limits(seconds=0.3)


def run(code: str, tests: str = "", limits: Limits = ROOMY) -> Outcome:
    return run_first(Program(code, tests), limits)


def test_a_function_is_called_and_its_value_given_back() -> None:
    code = "import re\ndef f(text, n):\n    return (len(re.findall('[一-龥]', text)) <= n, text)"
    outcome = run_first(Program(code, call="f", arguments=("你好 ab", 2)), ROOMY)
    assert (outcome.verdict, outcome.value, outcome.tier) == ("passed", [True, "你好 ab"], "first")


@pytest.mark.parametrize(
    ("code", "tests", "verdict", "error"),
    [
        ("x = 2", "assert x == 2", "passed", ""),
        ("x = 1", "assert x == 2, 'no'", "failed", "AssertionError: no"),
        ("assert False", "", "raised", "AssertionError"),
        ("x =", "", "raised", "SyntaxError"),
        ("1 / 0", "", "raised", "ZeroDivisionError"),
        ("def f(): return f()\nf()", "", "raised", "RecursionError"),
        ("import nltk", "", "raised", "ModuleNotFoundError: No module named 'nltk'"),
        ("x = " + "(" * 9999, "", "raised", "SyntaxError"),
    ],
)
def test_what_came_of_it_is_told(code: str, tests: str, verdict: str, error: str) -> None:
    outcome = run(code, tests)
    assert outcome.verdict == verdict
    assert outcome.error.startswith(error)
    assert bool(outcome.error) == (verdict != "passed")


@pytest.mark.parametrize(
    ("code", "lacks"),
    [
        ("import string", "module string"),
        ("from enum import Enum", "module enum"),
        ("def f():\n    yield 1", "yield"),
        ("class A:\n    pass\nclass B(A):\n    pass", "inheritance"),
        ("x = 1\ndel x", "'del'"),
        ("globals()", "globals()"),
    ],
)
def test_what_its_part_of_python_lacks_is_refused_and_named(code: str, lacks: str) -> None:
    outcome = run(code)
    assert outcome.verdict == "refused"
    assert lacks in outcome.error


ESCAPES = [
    "open('/etc/passwd').read()",
    "open('/tmp/escaped-from-the-first-tier', 'w').write('x')",
    "from pathlib import Path\nPath('/etc/passwd').read_text()",
    "import os\nos.listdir('/')",
    "import os\nos.environ['PATH']",
    "import os\nos.getenv('PATH')",
    "import os\nos.system('true')",
    "import os\nos.fork()",
    "import os\nos.kill(os.getppid(), 9)",
    "import os\nos._exit(0)",
    "import sys\nsys.exit(0)",
    "import sys\nsys.modules",
    "raise SystemExit(0)",
    "exit(0)",
    "import socket",
    "import subprocess",
    "import ctypes",
    "import atexit",
    "import builtins",
    "import gc",
    "import inspect",
    "import signal",
    "__import__('os').system('true')",
    "().__class__.__bases__[0].__subclasses__()",
    "(lambda: 0).__globals__",
    "(lambda: 0).__code__",
]


@pytest.mark.parametrize("code", ESCAPES)
def test_there_is_no_way_out(code: str) -> None:
    outcome = run(code, "assert True")
    assert outcome.verdict in ("raised", "refused"), outcome
    assert outcome.value is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "s = 'a' * 1000000\nwhile True: s.replace('a', 'b')",
    ],
)
def test_what_does_not_end_is_ended_and_cannot_catch_it(code: str) -> None:
    assert run(code, limits=SHORT).verdict == "timeout"


def test_memory_is_bounded_and_the_bound_cannot_be_caught() -> None:
    assert run("x = []\nwhile True: x.append('a' * 1000000)").verdict == "memory"
    assert run("x = 'a' * 10 ** 12").verdict == "memory"
    assert run("x = 10 ** 10 ** 10").verdict == "memory"
    assert run("try:\n    x = 'a' * 10 ** 12\nexcept BaseException: pass").verdict == "memory"


@pytest.mark.slow
def test_output_beyond_the_cap_is_counted_and_a_flood_ends_it() -> None:
    limits = Limits(seconds=20.0, output=1000)
    outcome = run("print('x' * 1499)", limits=limits)
    assert (outcome.verdict, len(outcome.stdout), outcome.cut) == ("passed", 1000, 500)
    flood = run("while True: print('x' * 10000)", limits=Limits(seconds=0.4, output=1000))
    assert (flood.verdict, flood.error) == ("killed", "it printed more than 256,000 bytes")


def test_what_is_returned_is_json_or_the_call_has_failed() -> None:
    for code in ("def f(): return {1}", "def f(): return b'a'", "class A: pass\ndef f(): return A()"):
        outcome = run_first(Program(code, call="f"), ROOMY)
        assert outcome.verdict == "raised", code
        assert "which is no JSON" in outcome.error
    long = run_first(Program("def f(): return 'a' * 2000000", call="f"), ROOMY)
    assert "more than 1,048,576" in long.error


def test_clock_and_chance_are_the_same_each_time() -> None:
    code = "import random, time\nfrom datetime import datetime\ndef f():\n    time.sleep(5)\n"
    code += "    return [random.random(), time.time(), str(datetime.now())]"
    first, second = (run_first(Program(code, call="f"), ROOMY).value for _ in range(2))
    assert first == second
    assert first[2] == "2026-01-01 00:00:00"


def test_one_program_sees_nothing_of_another() -> None:
    run("leaked = 1")
    assert run("leaked").error == "NameError: name 'leaked' is not defined"


def test_text_of_any_kind_comes_through() -> None:
    for text in ("\ud800", "\0", "🦉", '"\\\n'):
        outcome = run_first(Program("def f(x): return len(x)", call="f", arguments=(text,)), ROOMY)
        assert outcome.value == 1 or len(text) > 1


@pytest.mark.slow
def test_many_run_at_once_without_a_loop_of_their_own() -> None:
    import asyncio

    async def many() -> list[Outcome]:
        program = Program("def f(n): return n + 1", call="f")
        jobs = (Program(program.code, call="f", arguments=(n,)) for n in range(40))
        return await asyncio.gather(*(run_program(job, "first", ROOMY) for job in jobs))

    for _ in range(2):  # in two event loops, one after the other
        assert [outcome.value for outcome in asyncio.run(many())] == list(range(1, 41))
    assert sum(thread.name.startswith("factory-sandbox") for thread in threading.enumerate()) >= 1


def test_a_call_has_the_name_of_a_function() -> None:
    with pytest.raises(ValueError, match="is no name of a function"):
        Program("", call="f(); g")


@pytest.mark.slow
def test_without_its_program_the_sandbox_is_one_sentence_and_no_fault_of_the_records(tmp_path: Path) -> None:
    ask = (
        "from factory.steps.judging.sandbox.first import run_first\n"
        "from factory.steps.judging.sandbox.program import Limits, Program\n"
        "from factory.errors import RunStopped\n"
        "try: run_first(Program('x = 1'), Limits())\n"
        "except RunStopped as stopped: print(stopped)\n"
    )
    lost = {**os.environ, "MONTY_BIN": str(tmp_path / "monty")}
    done = subprocess.run([sys.executable, "-c", ask], env=lost, capture_output=True, text=True, timeout=60)
    assert "the first tier of the sandbox does not start" in done.stdout, done.stderr
    assert "pip install --force-reinstall pydantic-monty" in done.stdout
