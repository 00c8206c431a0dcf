"""A vLLM server on this machine, as a child process: started, waited for, stopped, never left behind."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import orjson

from factory.data.text import shorten
from factory.errors import MissingDependency, OutputError, RunStopped
from factory.models.installed import is_installed
from factory.models.llama.weights import check_model_folder
from factory.models.refusal_reply import read_error
from factory.models.vllm import guard

HOST = "127.0.0.1"
KEY = "VLLM_API_KEY"
"""The environment variable from which a vLLM server takes the key that it asks its clients for."""
START_SECONDS = 3600.0
"""How long a server may take to answer: it may have to fetch its weights first."""
_POLL_SECONDS = 0.5
_FAILING_SECONDS = 30.0
_REQUEST_SECONDS = 300.0  # the first request of all compiles kernels on some machines
_FLAGS = ("--enable-prefix-caching",)

# "(EngineCore pid=9) ERROR 11-22 10:00:00 [core.py:708] " in front of what a line of vLLM's log says.
_PREFIX = re.compile(r"^(?:\([^)]*\)\s*)?(?:[A-Z]+ \d\d-\d\d [\d:]+ \[[^\]]*\]\s*)?")
_REASON = re.compile(
    r"^(?:[\w.]*(?:Error|Exception|Interrupt|Exit)|[\w. ]*error): \S|^Value error, |^\S+: No module"
)
# What is said of every failure, wherever its cause lies.
_EMPTY_WORDS = re.compile(
    r"root cause|validation errors? for |initialization failed|EngineDeadError", re.IGNORECASE
)
_MENDS = {
    "CPU Generator does not use offset": "on a processor vLLM cannot draw samples with a seed while it reads a prompt "
    "in pieces: start it with --no-enable-chunked-prefill and with --max-num-batched-tokens at the --max-model-len",
}
"""What to do about faults of vLLM that do not say it."""


def require_vllm(what: str, model: str) -> None:
    """Tell at once that `what` cannot be done here: vLLM or the model's folder is not there.

    Raises:
        MissingDependency: vLLM is not installed.
        RecipeError: the model is written as a folder, and there is none.
    """
    if not is_installed("vllm"):
        raise MissingDependency(
            f"{what} needs vLLM: pip install 'sft-factory[vllm]' in an environment for your hardware"
        )
    check_model_folder(model)


class LocalServer:
    """A vLLM server for one model, on the loopback interface, for as long as a block lasts.

        with LocalServer("Qwen/Qwen2.5-7B-Instruct") as server:
            ... server.base_url ...

    Prefix caching is on, since the prompts of a step begin alike. `arguments` are vLLM's own, and win. The
    server is started with this process's Python and environment and ends with this process, even where that
    is killed. Its log is deleted when it is stopped without having failed, unless its file was named.

    Raises:
        MissingDependency: vLLM is not installed.
        OutputError: the log cannot be written.
        RunStopped: the server ended, or refuses a request, before it ever answered one.
    """

    def __init__(
        self, model: str, *, port: int = 0, arguments: Sequence[str] = (), log: Path | None = None
    ) -> None:
        self.model = model
        self.port = port
        self.log = log
        self._keep_log = log is not None
        self._arguments = tuple(arguments)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopping = False

    @property
    def base_url(self) -> str:
        """What a recipe names."""
        return f"http://{HOST}:{self.port}/v1"

    def start(self) -> None:
        """Start the server and wait until it has answered a request; at once where that was done before.

        Health is not enough to wait for: a server can turn healthy and die of its first request.
        """
        with self._lock:
            if self._process is None and not self._stopping:
                self._launch()
                try:
                    self._wait()
                except BaseException:
                    self._end()
                    raise

    def check(self) -> None:
        """Raise RunStopped where the server has ended, with the reason its log gives."""
        process = self._process
        if process is not None and process.poll() is not None and not self._stopping:
            self._keep_log = True
            raise RunStopped(f"the vLLM server for {self.model} ended: {self._reason()}")

    def wait(self) -> None:
        """Wait until the server ends by itself, which is a failure. Raises RunStopped."""
        while not self._stopping:
            self.check()
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """End the server, started or just starting, and all it started itself."""
        # A start in another thread holds the lock: it is told to give up, and its server to end, before.
        self._stopping = True
        if self._process is not None:
            _close_input(self._process)
        with self._lock:
            self._end()

    def __enter__(self) -> LocalServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def command(self) -> list[str]:
        """The command line of the server."""
        entry = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
        named = ["--model", self.model, "--served-model-name", self.model]
        return [*entry, *named, "--host", HOST, "--port", str(self.port), *_FLAGS, *self._arguments]

    def _launch(self) -> None:
        require_vllm("serving a model", self.model)
        self.port = _free_port(self.port)
        try:
            if self.log is None:
                self.log = temporary_log("vllm-server")
            self.log.parent.mkdir(parents=True, exist_ok=True)
            with self.log.open("wb") as log:
                # The guard leads a session of its own: Ctrl-C reaches us and not the server, which still has
                # calls to finish. Closing its standard input, or dying, ends it.
                self._process = subprocess.Popen(
                    [sys.executable, "-I", guard.__file__, *self.command()],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise OutputError(
                f"the server's log {self.log} cannot be written ({error.strerror or error})"
            ) from None

    def _wait(self) -> None:
        began = time.monotonic()
        failing_since: float | None = None
        while not self._stopping:
            self.check()
            problem, final = self._try()
            if problem is None:
                return
            now = time.monotonic()
            if problem:  # a server whose engine dies answers with 500 and then ends: its log says more
                failing_since = failing_since or now
                final = final or now - failing_since > _FAILING_SECONDS
            if final or now - began > START_SECONDS:
                self._keep_log = True
                why = problem or f"nothing came within {START_SECONDS:,.0f} s"
                raise RunStopped(
                    f"the vLLM server for {self.model} does not answer: {why}; its log: {self.log}"
                )
            time.sleep(_POLL_SECONDS)
        raise RunStopped(f"the vLLM server for {self.model} was stopped before it answered")

    def _try(self) -> tuple[str | None, bool]:
        """Have one token generated: None where one came, else what was said ("" for nothing) and if for good."""
        body = orjson.dumps({"model": self.model, "prompt": "Hello", "max_tokens": 1})
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {os.environ.get(KEY) or 'none'}",
        }
        request = Request(f"{self.base_url}/completions", body, headers)
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=_REQUEST_SECONDS) as response:
                response.read()
        except HTTPError as error:
            words = shorten(f"HTTP {error.code}: {read_error(error.read()).message}", 200)
            return ("" if error.code == 503 else words), error.code < 500
        except OSError:  # URLError among them: nobody listens yet
            return "", False
        return None, False

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _close_input(process)
        try:
            process.wait(guard.GRACE_SECONDS + 5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if not self._keep_log and self.log is not None:
            self.log.unlink(missing_ok=True)

    def _reason(self) -> str:
        assert self.log is not None
        return f"{last_words(self.log)}; its log: {self.log}"


def temporary_log(name: str) -> Path:
    """An empty file of this process's own, in the folder for temporary files."""
    handle, path = tempfile.mkstemp(prefix=f"factory-{name}-", suffix=".log")
    os.close(handle)
    return Path(path)


def last_words(log: Path) -> str:
    """The line of a vLLM log that says why it ended: its last error with a cause in it, or else its last line."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 200_000))
        text = file.read().decode("utf-8", "replace")
    lines = [line for raw in text.splitlines() if (line := _PREFIX.sub("", raw).strip())]
    errors = [line for line in lines if _REASON.search(line)]
    telling = [line for line in errors if not _EMPTY_WORDS.search(line)]
    said = (telling or errors or lines or ["it said nothing"])[-1]
    mends = [mend for words, mend in _MENDS.items() if words in said]
    return "; ".join([shorten(said.removeprefix("Value error, "), 300), *mends])


def _close_input(guarded: subprocess.Popen[bytes]) -> None:
    assert guarded.stdin is not None
    with contextlib.suppress(OSError):
        guarded.stdin.close()


def _free_port(wanted: int) -> int:
    """The port wanted, or any free one for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            raise RunStopped(
                f"port {wanted} cannot be used ({error.strerror}): name another, or none"
            ) from None
        return int(probe.getsockname()[1])
