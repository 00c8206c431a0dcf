"""The second tier runs all of Python, and what tries to get out of it does not."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from factory.steps.judging.sandbox import second
from factory.steps.judging.sandbox.program import JSON, Limits, Outcome, Program
from factory.steps.judging.sandbox.second import refusal, run_second, why_not_second

needs_walls = pytest.mark.skipif(
    sys.platform != "linux" or bool(why_not_second()), reason=f"no second tier here: {why_not_second()}"
)
pytestmark = needs_walls

SHORT = Limits(seconds=0.4)
ROOMY = Limits(seconds=20.0, memory=256 << 20)


def run(code: str, tests: str = "", limits: Limits = ROOMY) -> Outcome:
    return run_second(Program(code, tests), limits)


def value(code: str, *arguments: JSON, limits: Limits = ROOMY) -> JSON:
    """What the code's function `f` returned."""
    outcome = run_second(Program(code, call="f", arguments=arguments), limits)
    assert outcome.passed, outcome
    return outcome.value


def attempt(does: str, imports: str = "os") -> str:
    """What an attempt came to: "done", or the name of the error."""
    code = f"import {imports}\ndef f():\n    try:\n        {does}\n    except BaseException as error:\n"
    return str(value(code + "        return type(error).__name__\n    return 'done'"))


def test_what_runs_to_its_end_has_passed() -> None:
    outcome = run("import string, heapq, enum\nprint('你好')", "assert string.digits == '0123456789'")
    assert (outcome.verdict, outcome.stdout, outcome.error, outcome.tier) == (
        "passed",
        "你好\n",
        "",
        "second",
    )


def test_a_function_is_called_and_its_value_given_back() -> None:
    assert value("def f(a, b):\n    yield_ = (a, {'b': b})\n    return yield_", 1, "é") == [1, {"b": "é"}]
    outcome = run_second(Program("def f(): return {1}", call="f"), ROOMY)
    assert outcome.verdict == "raised"
    assert "returned a set, which is no JSON" in outcome.error


@pytest.mark.parametrize(
    ("code", "tests", "verdict", "error"),
    [
        ("x = 1", "assert x == 2, 'no'", "failed", "AssertionError: no"),
        ("assert False", "", "raised", "AssertionError"),
        ("x =", "", "raised", "SyntaxError"),
        ("1 / 0", "", "raised", "ZeroDivisionError"),
        ("", "undefined", "raised", "NameError"),
        (
            "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
            "",
            "raised",
            "E: its message",
        ),
    ],
)
def test_what_does_not_pass_says_why(code: str, tests: str, verdict: str, error: str) -> None:
    outcome = run(code, tests)
    assert outcome.verdict == verdict
    assert outcome.error.startswith(error)


# Ways to end before the tests are run, or to have them look passed.
FORGERIES = {
    "exit of the system": "import sys\nsys.exit(0)",
    "exit": "raise SystemExit(0)",
    "exit of the process": "import os\nos._exit(0)",
    "at the end": "import atexit, os\natexit.register(lambda: print('passed'))\nos._exit(0)",
    "a printed verdict": 'print(\'{"verdict": "passed", "error": "", "value": null}\')\nimport os\nos._exit(0)',
    "a verdict in each descriptor": (
        "import os\nfor place in range(64):\n    try:\n"
        '        os.write(place, b\'{"verdict": "passed", "error": "", "value": null}\')\n'
        "    except OSError:\n        pass"
    ),
    "all descriptors closed": "import os\nos.closerange(0, 64)",
    "the other exit replaced": "import os, json\nos._exit = os.write = json.dumps = lambda *a: None",
    "built-ins replaced": "import builtins\nbuiltins.AssertionError = builtins.exec = lambda *a: None",
    "an end by signal": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
    "a kept frame": "import sys\nframe = sys._getframe(0)\nsys.settrace(lambda *a: None)",
    "the encoder replaced": (
        'import json\nforged = \'{"verdict": "passed", "error": "", "value": null}\'\n'
        "json.dumps = json.encoder.JSONEncoder.encode = lambda *a, **k: forged"
    ),
    "an error that is like none": "import builtins\nbuiltins.BaseException = ValueError",
}


@pytest.mark.slow
@pytest.mark.parametrize("code", FORGERIES.values(), ids=FORGERIES)
def test_code_that_fakes_its_result_has_not_passed(code: str) -> None:
    outcome = run(code, "assert 1 == 2")
    assert not outcome.passed, outcome


@pytest.mark.slow
def test_no_environment_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret")
    assert value("import os\ndef f(): return dict(os.environ)") == {}
    assert attempt("open('/proc/self/environ', 'rb').read()") == "PermissionError"
    assert attempt("open('/proc/1/environ', 'rb').read()") == "PermissionError"
    found = "[open(f'/proc/{p}/environ','rb').read() for p in os.listdir('/proc')]"
    assert attempt(found) == "PermissionError"


@pytest.mark.slow
def test_no_file_outside_is_read_or_changed(tmp_path: Path) -> None:
    secret = tmp_path / "journal.db"
    secret.write_text("secret")
    mode = secret.stat().st_mode
    for place in ("/etc/passwd", str(secret), str(Path(__file__)), "/dev/zero", "/proc/self/mem"):
        assert attempt(f"open({place!r}, 'rb').read(1)") == "PermissionError", place
    for place in (str(tmp_path), "/etc", "/proc", "/sys", "/", str(Path.home()), "/tmp"):
        assert attempt(f"os.listdir({place!r})") == "PermissionError", place
    path = str(secret)
    for does in (
        f"open({path!r}, 'w')",
        f"open({path + '-new'!r}, 'w')",
        f"os.truncate({path!r}, 0)",
        f"os.remove({path!r})",
        f"os.rename({path!r}, 'mine')",
        f"os.link({path!r}, 'mine')",
        f"os.chmod({path!r}, 0)",
        f"os.chown({path!r}, 0, 0)",
        f"os.utime({path!r})",
        f"os.setxattr({path!r}, 'user.a', b'b')",
        f"os.mkdir({str(tmp_path / 'new')!r})",
        f"os.symlink({path!r}, 'mine') or open('mine').read()",
    ):
        assert attempt(does) in ("PermissionError", "OSError"), does
    assert (secret.read_text(), secret.stat().st_mode, os.listdir(tmp_path)) == (
        "secret",
        mode,
        ["journal.db"],
    )


@pytest.mark.slow
def test_its_folder_is_empty_bounded_and_gone_afterwards() -> None:
    code = (
        "import os, tempfile\n"
        "def f():\n"
        "    found = os.listdir('.')\n"
        "    with tempfile.NamedTemporaryFile('w+') as file:\n"
        "        file.write('a'); file.flush()\n"
        "        return [os.getcwd(), found, os.path.getsize(file.name)]"
    )
    folder, found, size = value(code)
    assert (found, size) == ([], 1)
    assert not os.path.exists(folder)
    fill = "for i in range(100): open(str(i), 'wb').write(bytes(1 << 20))"
    assert attempt(fill) == "OSError"
    assert attempt("open('one', 'wb').write(bytes(17 << 20))") == "OSError"


@pytest.mark.slow
def test_no_socket_can_be_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as unix:
        port = server.getsockname()[1]
        unix.bind(str(tmp_path / "unix"))
        unix.listen()
        for does in (
            f"socket.create_connection(('127.0.0.1', {port}), 1)",
            f"socket.socket(socket.AF_UNIX).connect({str(tmp_path / 'unix')!r})",
            "socket.socket(socket.AF_UNIX).connect(b'\\0abstract')",
            "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
            "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
            "socket.socket(40, socket.SOCK_STREAM)",  # vsock
        ):
            assert attempt(does, "socket") == "PermissionError", does


@pytest.mark.slow
def test_no_process_and_no_program_can_be_started() -> None:
    assert attempt("os.fork()") == "PermissionError"
    assert attempt("[os.fork() for _ in range(10000)]") == "PermissionError"
    assert attempt("os.execv('/bin/sh', ['sh', '-c', 'true'])") == "PermissionError"
    assert attempt("subprocess.run(['/bin/true'])", "subprocess") == "PermissionError"
    assert attempt("os.posix_spawn('/bin/true', ['true'], {})") == "PermissionError"
    assert value("import os\ndef f(): return os.system('true')") != 0
    assert attempt("multiprocessing.Process(target=print).start()", "multiprocessing") == "PermissionError"


def test_threads_are_allowed_and_end_with_it() -> None:
    code = (
        "import threading, time\ndone = []\n"
        "def f():\n    t = threading.Thread(target=done.append, args=(1,)); t.start(); t.join()\n"
        "    threading.Thread(target=time.sleep, args=(1000,)).start()\n    return done"
    )
    assert value(code) == [1]


@pytest.mark.slow
def test_nobody_outside_can_be_signalled_or_traced() -> None:
    parent, group = os.getpid(), os.getpgrp()
    for target in (parent, -group):
        assert attempt(f"os.kill({target}, 9)") == "ProcessLookupError"
    assert value("import os\ndef f(): return os.getppid()") == 1
    # The watcher is the first process of its namespace, whom signals from within do not reach.
    watcher = "import os, time\ndef f():\n    try: os.kill(1, 9)\n    except OSError: pass\n    return 1"
    assert value(watcher) == 1
    lib = "ctypes.CDLL(None, use_errno=True)"
    for call in (
        "ptrace(16, 1, 0, 0)",
        "process_vm_readv(1, 0, 0, 0, 0, 0)",
        "unshare(0x10000000)",
        "mount(b'a', b'/tmp', b'tmpfs', 0, 0)",
        "setns(0, 0)",
        "syscall(425, 8, 0)",  # io_uring_setup
        "syscall(321, 0, 0, 0)" if os.uname().machine == "x86_64" else "syscall(280, 0, 0, 0)",  # bpf
    ):
        code = f"import ctypes\ndef f():\n    lib = {lib}\n    return [lib.{call}, ctypes.get_errno()]"
        assert value(code) == [-1, 1], call


@pytest.mark.slow
def test_no_rights_are_left() -> None:
    code = "import os\ndef f(): return [os.getuid(), os.geteuid(), os.getgroups()]"
    user, effective, groups = value(code)
    assert user == effective == 65534
    assert 0 not in groups
    assert attempt("os.setuid(0)") == "OSError"  # there is no such user in its namespace
    assert attempt("os.chroot('.')") == "PermissionError"
    assert attempt("resource.setrlimit(resource.RLIMIT_CPU, (1000, 1000))", "resource") in (
        "ValueError",
        "PermissionError",
    )


ENDLESS = {
    "a loop": "while True: pass",
    "a loop that ignores signals": (
        "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\nwhile True: pass"
    ),
    "a loop that holds the lock": "import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')",
    "a loop that catches all": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "a sleep": "import time\ntime.sleep(1000)",
    "a wait for input": "import signal\nsignal.pause()",
}


@pytest.mark.slow
@pytest.mark.parametrize("code", ENDLESS.values(), ids=ENDLESS)
def test_what_does_not_end_is_ended(code: str) -> None:
    assert run(code, limits=SHORT).verdict == "timeout"


def test_standard_input_is_empty() -> None:
    assert value("import sys\ndef f(): return sys.stdin.read()") == ""


@pytest.mark.slow
def test_memory_is_bounded() -> None:
    assert run("x = []\nwhile True: x.append(bytes(1 << 20))").verdict == "memory"
    assert run("x = bytes(1 << 40)").verdict == "memory"
    hidden = run("x = []\ntry:\n    while True: x.append(bytes(1 << 20))\nexcept MemoryError: x.clear()")
    assert hidden.passed
    assert attempt("os.memfd_create('a')") == "PermissionError"


def test_a_crash_is_told() -> None:
    outcome = run("import ctypes\nctypes.string_at(0)")
    assert (outcome.verdict, outcome.error) == ("killed", "signal SIGSEGV ended it")


def test_output_beyond_the_cap_is_counted_and_a_flood_ends_it() -> None:
    limits = Limits(seconds=20.0, output=1000)
    outcome = run("print('x' * 1499)", limits=limits)
    assert (outcome.verdict, len(outcome.stdout), outcome.cut) == ("passed", 1000, 500)
    flood = run("while True: print('x' * 10000)", limits=limits)
    assert flood.verdict == "killed"
    assert flood.error == "it printed more than 256,000 bytes"


def test_a_report_beyond_its_cap_is_read_no_further_and_ends_it() -> None:
    output, report = os.pipe(), os.pipe()
    os.close(output[1])
    ended = threading.Event()

    def flood() -> None:
        with contextlib.suppress(BrokenPipeError):
            for _ in range(1000):
                os.write(report[1], bytes(1 << 16))
        ended.set()

    threading.Thread(target=flood, daemon=True).start()
    heard = second._hear(output[0], report[0], SHORT, time.monotonic() + 20)
    assert not ended.is_set(), "62 MiB were on their way"
    assert len(heard.report) <= second._MOST_REPORT + (1 << 16)
    outcome = second._outcome(heard, SHORT, 1.0)
    assert (outcome.verdict, outcome.error) == ("killed", "it reported more than 4,194,304 bytes")
    os.close(report[0])
    os.close(output[0])


@pytest.fixture
def marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A path of the sandbox's files by which this test's processes are told from all others."""
    place = tmp_path / "sandbox"
    place.symlink_to(Path(second.__file__).parent)
    monkeypatch.setattr(second, "__file__", str(place / "second.py"))
    return place


def _running(mark: Path) -> int:
    """How many processes have this path among their arguments."""
    found = 0
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += os.fsencode(mark) in place.read_bytes().split(b"\0")
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_nothing_is_left_running(marked: Path) -> None:
    run(ENDLESS["a loop that ignores signals"], limits=SHORT)
    run("import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()", limits=SHORT)
    assert _running(marked) == 0


@pytest.mark.slow
def test_it_ends_with_the_program_that_started_it(marked: Path) -> None:
    """Killed by a signal that cannot be caught, factory leaves no code running behind it."""
    code = (
        "from factory.steps.judging.sandbox import second\n"
        "from factory.steps.judging.sandbox.program import Limits, Program\n"
        f"second.__file__ = {str(marked / 'second.py')!r}\n"
        "second.run_second(Program('while True: pass'), Limits(seconds=60.0))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as program:
        while _running(marked) < 3:
            assert program.poll() is None
            time.sleep(0.02)
        program.send_signal(signal.SIGKILL)
        program.wait()
    while _running(marked):  # the kernel ends them one after the other; pytest's own limit is the clock
        time.sleep(0.02)


def test_where_it_cannot_be_set_up_it_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second, "_probed", lambda: "the kernel has no Landlock")
    outcome = run("print(1)")
    assert (outcome.verdict, outcome.stdout) == ("refused", "")
    assert outcome.error == refusal("the kernel has no Landlock")
    assert "`sandbox: first`" in outcome.error


def test_what_a_wall_says_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = second._START.replace("main()", "w._LIBC = None; main()").replace(
        "import main", "import main; from inside import walls as w"
    )
    monkeypatch.setattr(second, "_START", broken)
    outcome = run("print(1)")
    assert outcome.verdict == "refused"
