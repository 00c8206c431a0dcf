"""The local vLLM server: started, waited for, watched, stopped. A small program stands in for vLLM."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from asking import chat_request
from pydantic import ValidationError

from factory.errors import MissingDependency, RunStopped
from factory.models.failures import TransientFailure
from factory.models.openai.chat import OpenAIChat
from factory.models.options import OpenAIOptions
from factory.models.providers import Servers, chat_provider
from factory.models.vllm import server as serve
from factory.models.vllm.engine_arguments import changing_arguments, read_flags
from factory.models.vllm.server import LocalServer, last_words

HELLO = chat_request("hello")

STAND_IN = """
import argparse, http.server, json, os, pathlib, subprocess, sys, time
parser = argparse.ArgumentParser()
for name in ("model", "served-model-name", "host", "mood"):
    parser.add_argument("--" + name)
parser.add_argument("--port", type=int)
parser.add_argument("--enable-prefix-caching", action="store_true")
parser.add_argument("--pids")
args = parser.parse_args()
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
if args.pids:
    with open(args.pids, "a") as pids:
        pids.write(f"{os.getpid()} {helper.pid}\\n")
if args.mood == "broken":
    print("(EngineCore pid=7) ERROR 11-22 10:00:00 [core.py:9] ValueError: no room for the KV cache", flush=True)
    print("RuntimeError: Engine core initialization failed. See root cause above.", flush=True)
    sys.exit(1)
if args.mood == "slow":
    time.sleep(600)

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if args.mood == "fragile" or "die" in json.dumps(body):
            print("EngineDeadError: see above\\nIllegalInstructionError: AVX-512 is missing", flush=True)
            helper.kill()
            os._exit(1)
        status = 400 if args.mood == "stubborn" else 200
        reply = {"choices": [{"message": {"content": "hi"}, "text": "hi", "finish_reason": "stop"}]}
        if status == 400:
            reply = {"error": {"message": "this model does not generate"}}
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *words):
        pass

http.server.ThreadingHTTPServer((args.host, args.port), Handler).serve_forever()
"""


@pytest.fixture
def pids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file into which a stand-in for vLLM, installed for this test, writes what it started."""
    package = tmp_path / "site" / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True)
    for folder in (package, package.parent, package.parent.parent):
        (folder / "__init__.py").touch()
    (package / "api_server.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(serve, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    file = tmp_path / "pids"
    yield file
    assert not living(file), "a server was left running"


def started(pids: Path) -> list[int]:
    """The processes in the file."""
    return [int(pid) for pid in pids.read_text().split()] if pids.exists() else []


def living(pids: Path) -> list[int]:
    """Which of the processes in the file still run, after a moment's patience."""
    until = time.monotonic() + 10
    while True:
        alive = [pid for pid in started(pids) if runs(pid)]
        if not alive or time.monotonic() > until:
            return alive
        time.sleep(0.05)


def runs(pid: int) -> bool:
    """A process that ended and was not waited for yet (a zombie) does not run."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def server(pids: Path, mood: str = "well", **options: object) -> LocalServer:
    return LocalServer("tiny", arguments=["--mood", mood, "--pids", str(pids)], **options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_server_answers_inside_the_block_and_nothing_of_it_is_left_after_it(pids: Path) -> None:
    with server(pids) as running:
        assert running.base_url.startswith("http://127.0.0.1:")
        assert len(started(pids)) == 2
        assert all(runs(pid) for pid in started(pids))
        log = running.log
        assert log is not None
        assert log.exists()
    assert not living(pids)
    assert not log.exists()


def test_a_server_listens_on_loopback_alone_with_prefix_caching() -> None:
    command = LocalServer("org/model", port=81, arguments=["--dtype", "half"]).command()
    said = " ".join(command[1:])
    assert said.startswith(
        "-m vllm.entrypoints.openai.api_server --model org/model --served-model-name org/model "
    )
    assert "--host 127.0.0.1 --port 81 --enable-prefix-caching" in said
    assert command[-2:] == ["--dtype", "half"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mood", "words"),
    [
        ("broken", r"ended: ValueError: no room for the KV cache; its log: "),
        ("fragile", r"ended: IllegalInstructionError: AVX-512 is missing; its log: "),
        ("stubborn", r"does not answer: HTTP 400: this model does not generate; its log: "),
    ],
)
def test_a_server_that_never_answers_is_one_sentence_that_names_its_log(
    pids: Path, tmp_path: Path, mood: str, words: str
) -> None:
    log = tmp_path / "logs" / "vllm.log"
    with pytest.raises(RunStopped, match=words) as caught, server(pids, mood, log=log):
        pass
    assert str(log) in str(caught.value)
    assert log.exists()


def test_a_server_that_is_still_starting_can_be_stopped(pids: Path) -> None:
    starting = server(pids, "slow")
    errors: list[BaseException] = []

    def start() -> None:
        try:
            starting.start()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    while not started(pids):
        time.sleep(0.02)
    starting.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert isinstance(errors[0], RunStopped)


@pytest.mark.slow
def test_a_server_ends_with_its_starter_even_where_that_is_killed(pids: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from factory.models.vllm.server import LocalServer\n"
        "server = LocalServer('tiny', arguments=['--pids', sys.argv[1]]); server.start()\n"
        "print('up', flush=True); server.wait()"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(pids)], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    assert starter.stdout.readline() == b"up\n"
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    assert not living(pids)


def test_a_port_that_is_taken_is_said_before_anything_is_started(pids: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(RunStopped, match=f"port {port} cannot be used"):
            server(pids, port=port).start()
    assert not pids.exists()


def test_vllm_that_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"sft-factory\[vllm\]"):
        LocalServer("tiny").start()
    with pytest.raises(MissingDependency, match=r"sft-factory\[vllm\]"):  # before a first request
        chat_provider(OpenAIOptions(model="tiny", serve=True))


@pytest.mark.anyio
async def test_a_recipes_model_is_served_from_its_first_request_to_the_end(pids: Path) -> None:
    options = OpenAIOptions(model="tiny", serve=True, serve_arguments=("--pids", str(pids)))
    chat = chat_provider(options)
    assert not started(pids)
    assert (await chat.send(HELLO)).text == "hi"
    assert len(started(pids)) == 2
    await chat.close()
    assert not living(pids)


@pytest.mark.anyio
async def test_entries_that_want_the_same_server_share_it(pids: Path) -> None:
    servers: Servers = {}
    entries = [
        OpenAIOptions(model="tiny", serve=True, serve_arguments=("--pids", str(pids)), temperature=heat)
        for heat in (0.0, 1.0)
    ]
    chats = [chat_provider(options, servers) for options in entries]
    for chat in chats:
        await chat.send(HELLO)
    assert len(started(pids)) == 2
    for chat in chats:
        await chat.close()


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_server_that_dies_in_a_run_stops_it_with_the_reason(
    pids: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = OpenAIOptions(model="tiny", serve=True, serve_arguments=("--pids", str(pids)))
    chat = chat_provider(options)
    await chat.send(HELLO)
    fatal = chat_request("die")

    async def until_it_stops() -> None:
        while True:
            with suppress(TransientFailure):  # the connection breaks before the server is gone
                await chat.send(fatal)
            await asyncio.sleep(0.05)

    with pytest.raises(RunStopped, match="ended: IllegalInstructionError: AVX-512 is missing; its log: "):
        await until_it_stops()
    await chat.close()


def test_a_served_model_is_the_same_model_as_behind_a_server_started_by_hand(pids: Path) -> None:
    by_hand = OpenAIChat(OpenAIOptions(model="tiny", base_url="http://127.0.0.1:9/v1")).identity

    def served(*arguments: str) -> str:
        options = OpenAIOptions(model="tiny", serve=True, serve_arguments=arguments)
        return chat_provider(options).identity

    assert served() == served("--max-num-seqs", "8", "--enforce-eager") == by_hand
    assert served("--quantization", "fp8") != by_hand
    assert served("--quantization", "fp8") == served("--quantization=fp8", "--gpu-memory-utilization=0.5")


def test_serve_goes_with_no_address_and_its_arguments_with_serve() -> None:
    with pytest.raises(ValidationError, match="leave `base_url` out"):
        OpenAIOptions(model="m", serve=True, base_url="http://127.0.0.1:8000/v1")
    with pytest.raises(ValidationError, match="are for `serve: true`"):
        OpenAIOptions(model="m", base_url="http://127.0.0.1:8000/v1", serve_arguments=("--dtype", "half"))


def test_flags_are_read_as_a_command_line_has_them() -> None:
    flags = read_flags(
        ["--dtype", "half", "--enforce-eager", "--max-num-seqs=8", "--lora-modules", "a=b", "c=d"]
    )
    assert flags == {
        "dtype": ["half"],
        "enforce_eager": [],
        "max_num_seqs": ["8"],
        "lora_modules": ["a=b", "c=d"],
    }
    assert set(changing_arguments(flags)) == {"dtype", "lora_modules"}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            ["INFO x", "api_server.py: error: unrecognized arguments: --nope"],
            "api_server.py: error: unrecognized",
        ),
        (
            [
                "(APIServer pid=1) pydantic_core.ValidationError: 1 validation error for ModelConfig",
                "(APIServer pid=1)   Value error, Invalid repository ID or local directory specified: 'x'",
                "  For further information visit https://errors.pydantic.dev",
            ],
            "Invalid repository ID or local directory",
        ),
        (
            ["RuntimeError: CPU Generator does not use offset"],
            "RuntimeError: CPU Generator does not use offset; on a processor vLLM cannot draw",
        ),
        (["it went", "and went"], "and went"),
        ([], "it said nothing"),
    ],
)
def test_the_telling_line_of_a_log_is_found(tmp_path: Path, lines: list[str], words: str) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(lines))
    assert last_words(log).startswith(words)
