"""`factory serve`: a local vLLM server for other programs, or for several runs."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer


def serve(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="A folder with a model, or its name on the Hugging Face hub.")],
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on. Default: any free one.")
    ] = 0,
    log: Annotated[
        Path | None, typer.Option("--log", help="The server's log. Default: a temporary file.")
    ] = None,
) -> None:
    """Serve a model with vLLM on this machine until Ctrl-C. Further options are vLLM's, after --."""
    from factory.models.vllm.server import LocalServer

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    server = LocalServer(model, port=port, arguments=context.args, log=log)
    typer.echo(f"Starting vLLM with {model}; this can take minutes ...", err=True)
    try:
        with server:
            typer.echo(f"base_url: {server.base_url}")
            typer.echo(f"model: {model}")
            typer.echo(f"It answers. Its log: {server.log}. Ctrl-C stops it.", err=True)
            server.wait()
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(serve)
