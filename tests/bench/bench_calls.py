"""What a model call costs: a mock server that answers after 50 ms, asked by each client in the same run.

    python tests/bench/bench_calls.py [--records 5000] [--in-flight 256] [--peers FOLDER]

Rows: a bare aiohttp loop (the limit), the same loop with factory's client, AsyncOpenAI (its default and its
aiohttp transport), factory with everything on (journal, schema check, progress, manifest, files), and peers where
they are installed, each in an environment of its own below FOLDER (peers/ unless told), because what they depend
on does not go together:

    for peer in distilabel curator data-designer; do python -m venv peers/$peer; done
    peers/distilabel/bin/pip install 'distilabel[openai]==1.5.3' requests
    peers/curator/bin/pip install bespokelabs-curator
    peers/data-designer/bin/pip install data-designer

Each client runs in a process of its own; the server runs in another. Columns: seconds from process start to the
first request, requests a second between first and last reply, CPU milliseconds a request (user and system of
the client's process tree), most memory. Compare ratios within one run: machines differ.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

BARE = """
import asyncio, sys, aiohttp, json
url, records, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
async def main():
    gate = asyncio.Semaphore(in_flight)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        async def one(n):
            body = {"model": "scripted", "max_tokens": 64, "messages": [{"role": "user", "content": f"question {n}"}]}
            async with gate, session.post(url + "/chat/completions", json=body) as reply:
                return (await reply.json())["choices"][0]["message"]["content"]
        await asyncio.gather(*(one(n) for n in range(records)))
asyncio.run(main())
"""

CLIENT = """
import asyncio, sys
from factory.models.openai.endpoint import Endpoint
from factory.models.options import OpenAIOptions
url, records, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
async def main():
    gate = asyncio.Semaphore(in_flight)
    endpoint = Endpoint(url, model="scripted", options=OpenAIOptions(base_url=url, model="scripted"))
    async def one(n):
        body = {"model": "scripted", "max_tokens": 64, "messages": [{"role": "user", "content": f"question {n}"}]}
        async with gate:
            return (await endpoint.post("/chat/completions", body))["choices"][0]["message"]["content"]
    await asyncio.gather(*(one(n) for n in range(records)))
    await endpoint.close()
asyncio.run(main())
"""

OPENAI = """
import asyncio, sys, openai
url, records, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
http = openai.DefaultAioHttpClient() if sys.argv[4] == "aiohttp" else None
async def main():
    gate = asyncio.Semaphore(in_flight)
    client = openai.AsyncOpenAI(base_url=url, api_key="none", http_client=http)
    async def one(n):
        async with gate:
            reply = await client.chat.completions.create(
                model="scripted", max_tokens=64, messages=[{"role": "user", "content": f"question {n}"}])
            return reply.choices[0].message.content
    await asyncio.gather(*(one(n) for n in range(records)))
asyncio.run(main())
"""

DISTILABEL = """
import sys
from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration
url, records, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if __name__ == "__main__":
    with Pipeline(name="bench") as pipeline:
        load = LoadDataFromDicts(data=[{"instruction": f"question {n}"} for n in range(records)])
        llm = OpenAILLM(base_url=url, api_key="none", model="scripted")
        load >> TextGeneration(llm=llm, input_batch_size=in_flight)
    pipeline.run(use_cache=False)
"""

# curator counts tokens with a table that is fetched from the network; words are counted where there is none.
CURATOR = """
import sys
import tiktoken
class Words:
    def encode(self, text, **options): return text.split()
try:
    tiktoken.get_encoding("cl100k_base")
except Exception:
    tiktoken.get_encoding = tiktoken.encoding_for_model = lambda name: Words()
from bespokelabs import curator
url, records, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
class Ask(curator.LLM):
    def prompt(self, row): return row["q"]
    def parse(self, row, response): return {"a": response}
llm = Ask(model_name="scripted", backend="openai", backend_params={
    "base_url": url, "api_key": "none", "max_concurrent_requests": in_flight,
    "max_requests_per_minute": 10**7, "max_tokens_per_minute": 10**9})
llm([{"q": f"question {n}"} for n in range(records)])
"""

DESIGNER = """
import os, sys
import data_designer.config as dd
from data_designer.interface import DataDesigner
url, records, in_flight = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.environ["BENCH_KEY"] = "none"
provider = dd.ModelProvider(name="mock", endpoint=url, provider_type="openai", api_key="BENCH_KEY")
model = dd.ModelConfig(alias="m", model="scripted", provider="mock", skip_health_check=True,
    inference_parameters=dd.ChatCompletionInferenceParams(max_tokens=64, max_parallel_requests=in_flight))
config = dd.DataDesignerConfigBuilder(model_configs=[model])
config.add_column(dd.SamplerColumnConfig(name="q", sampler_type=dd.SamplerType.UUID, params=dd.UUIDSamplerParams()))
config.add_column(dd.LLMTextColumnConfig(name="a", model_alias="m", prompt="question {{ q }}"))
designer = DataDesigner(model_providers=[provider], artifact_path="designer")
designer.create(config, num_records=records, dataset_name="bench")
"""

PEERS = {"distilabel": DISTILABEL, "curator": CURATOR, "data-designer": DESIGNER}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", type=Path, default=Path("peers"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [sys.executable, str(HERE / "mock_server.py")], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            run(url, arguments, Path(folder))
        finally:
            server.kill()


def run(url: str, arguments: argparse.Namespace, folder: Path) -> None:
    records, in_flight = arguments.records, arguments.in_flight
    common = [url, str(records), str(in_flight)]
    rows = folder / "rows.jsonl"
    rows.write_text("\n".join(json.dumps({"instruction": f"question {n}"}) for n in range(records)))
    answered = folder / "answered.jsonl"
    answered.write_text(
        "\n".join(json.dumps({"instruction": f"question {n}", "output": "yes"}) for n in range(records))
    )
    recipe = folder / "recipe.json"
    teacher = {"provider": "openai", "base_url": url, "model": "scripted", "concurrency": in_flight}
    steps = [{"read": {"path": str(rows)}}, {"respond": {"system": False, "max_tokens": 64}}, {"export": {}}]
    recipe.write_text(json.dumps({"name": "bench", "models": {"teacher": teacher}, "steps": steps}))
    schema = folder / "schema.json"
    steps = [{"read": {"path": str(answered)}}, {"tag": {"max_tokens": 64}}, {"export": {}}]
    schema.write_text(json.dumps({"name": "bench", "models": {"teacher": teacher}, "steps": steps}))
    clients: dict[str, list[str]] = {
        "bare aiohttp": [sys.executable, "-c", BARE, *common],
        "factory's client alone": [sys.executable, "-c", CLIENT, *common],
        "AsyncOpenAI": [sys.executable, "-c", OPENAI, *common, "default"],
        "AsyncOpenAI, aiohttp transport": [sys.executable, "-c", OPENAI, *common, "aiohttp"],
        "factory respond": factory_command(recipe, folder),
        "factory tag (with schema)": factory_command(schema, folder),
    }
    for peer, code in PEERS.items():
        script = folder / f"ask_{peer}.py"  # a file: distilabel starts processes that import it
        script.write_text(code)
        clients[peer] = [str(arguments.peers.absolute() / peer / "bin" / "python"), str(script), *common]
    print(
        f"{records:,} requests, {in_flight} in flight, the server answers after 50 ms; median of {arguments.runs}"
    )
    print(
        f"{'client':<32}{'first request s':>16}{'requests/s':>12}{'CPU ms/request':>16}{'MB':>7}{'requests':>10}"
    )
    bare: dict[str, float] = {}
    for name, command in clients.items():
        results = [measure(url, command, records, folder) for _ in range(arguments.runs)]
        found = [result for result in results if result is not None]
        if not found:
            print(f"{name:<32}  not installed")
            continue
        middle = {key: sorted(result[key] for result in found)[len(found) // 2] for key in found[0]}
        bare = bare or middle
        print(
            f"{name:<32}{middle['first']:>16.2f}{middle['rate']:>12.0f}{middle['cpu']:>16.2f}{middle['mb']:>7.0f}"
            f"{middle['requests']:>10.0f}   {middle['rate'] / bare['rate']:.2f} x rate, "
            f"{middle['cpu'] / bare['cpu']:.2f} x CPU",
            flush=True,
        )


def factory_command(recipe: Path, folder: Path) -> list[str]:
    code = (
        "import sys, shutil; shutil.rmtree('outputs', ignore_errors=True); "
        "from factory.__main__ import main; sys.argv = ['factory', 'run', sys.argv[1]]; main()"
    )
    return [sys.executable, "-c", code, str(recipe)]


def measure(url: str, command: list[str], records: int, folder: Path) -> dict[str, float] | None:
    """One run of a client: what the server saw, and what the system says of the process; None without one."""
    if not Path(command[0]).exists():
        return None
    control(url, "reset")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.time()
    environment = {
        **os.environ,
        "HF_DATASETS_OFFLINE": "1",
        "CURATOR_VIEWER": "0",
        "CURATOR_DISABLE_CACHE": "1",
        "TELEMETRY_ENABLED": "false",
    }
    done = subprocess.run(command, cwd=folder, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seen = control(url, "stats")
    if done.returncode or not seen["requests"]:
        if b"ModuleNotFoundError" not in done.stderr:
            print(done.stderr.decode()[-2000:], file=sys.stderr)
        return None
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "first": seen["first"] - began,
        "rate": seen["requests"] / max(seen["last"] - seen["first"], 1e-9),
        "cpu": cpu / seen["requests"] * 1000,
        "mb": after.ru_maxrss / 1024,
        "requests": seen["requests"],
    }


def control(url: str, what: str) -> dict[str, Any]:
    from urllib.request import urlopen

    with urlopen(f"{url}/{what}") as reply:
        result: dict[str, Any] = json.loads(reply.read())
    return result


if __name__ == "__main__":
    main()
