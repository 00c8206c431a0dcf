"""`factory fit`: what a table of trained models tells of the best mixture, of size, and of more data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from factory.errors import FactoryError

app = typer.Typer(
    help="Fit a table of trained models: the best mixture, a scaling law, growth by task, weights by a proxy.",
    no_args_is_help=True,
)

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The table: CSV, TSV, JSON lines, JSON or Parquet.")
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="COLUMN=VALUE", help="Rows with this value alone. Repeatable."),
]
EncodingOption = Annotated[
    str, typer.Option("--encoding", help="What the file's text is in, such as gb18030. Default: UTF-8.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of all random choices.")]
JSONOption = Annotated[bool, typer.Option("--json", help="Print the fit as one JSON object.")]


@app.command("mixture")
def mixture(
    file: FileArgument,
    shares: Annotated[
        str,
        typer.Option(
            "--shares",
            metavar="PREFIX|A,B,C",
            help="What the columns of the shares begin with, or which they are.",
        ),
    ] = "p_",
    losses: Annotated[
        str,
        typer.Option(
            "--losses",
            metavar="PREFIX|A,B,C",
            help="What the columns of the losses begin with, or which they are.",
        ),
    ] = "loss_",
    of: Annotated[
        list[str] | None,
        typer.Option(
            "--of",
            metavar="LOSS[=WEIGHT]",
            help="A loss to minimise. Repeatable. Default: those named as groups.",
        ),
    ] = None,
    amount: Annotated[
        str, typer.Option("--amount", metavar="COLUMN", help="Rows or tokens that each model was trained on.")
    ] = "",
    bound: Annotated[
        list[str] | None,
        typer.Option(
            "--bound",
            metavar="GROUP=LOW:HIGH",
            help="Smallest and largest share of a group. Repeatable. Default: those that were tried.",
        ),
    ] = None,
    law: Annotated[
        str,
        typer.Option(
            "--law", help="sft, exponential, linear or tree. Default: the first that predicts best."
        ),
    ] = "",
    where: WhereOption = None,
    seed: SeedOption = 0,
    encoding: EncodingOption = "",
    json_: JSONOption = False,
) -> None:
    """The shares with the lowest loss, by the law that predicts mixtures best that it was not fitted to.

    A row for each trained model: the share of each group, and a loss for each. Laws: the SFT mixing law (arXiv
    2508.11953), Data Mixing Laws (2403.16952), RegMix linear and with trees (2407.01492). Where none predicts better
    than the mean, nothing is told.
    """
    from factory.api.fitting import fit_mixture
    from factory.report.fits import mixture_lines

    weights = {name: _number("--of", text, value) for text in of or () for name, value in [_split(text, "1")]}
    bounds = {}
    for text in bound or ():
        group, value = _split(text, "")
        low, _, high = value.partition(":")
        bounds[group] = (_number("--bound", text, low), _number("--bound", text, high))
    fit = fit_mixture(
        file,
        shares=shares,
        losses=losses,
        of=weights or None,
        amount=amount,
        bounds=bounds,
        law=law,
        where=_where(where),
        encoding=encoding,
        seed=seed,
    )
    _show(fit, mixture_lines(fit), json_)


@app.command("scaling")
def scaling(
    file: FileArgument,
    parameters: Annotated[
        str, typer.Option("--parameters", metavar="COLUMN", help="The model's size.")
    ] = "parameters",
    tokens: Annotated[
        str, typer.Option("--tokens", metavar="COLUMN", help="Tokens it was trained on.")
    ] = "tokens",
    flop: Annotated[
        str, typer.Option("--flop", metavar="COLUMN", help="Compute in place of tokens: 6 x size x tokens.")
    ] = "",
    loss: Annotated[str, typer.Option("--loss", metavar="COLUMN", help="The loss.")] = "loss",
    unique: Annotated[
        str, typer.Option("--unique", metavar="COLUMN", help="Different tokens, where data was repeated.")
    ] = "",
    drop_highest: Annotated[
        int, typer.Option("--drop-highest", min=0, help="Leave out the N points with the highest loss.")
    ] = 0,
    where: WhereOption = None,
    seed: SeedOption = 0,
    encoding: EncodingOption = "",
    json_: JSONOption = False,
) -> None:
    """Chinchilla's law of the loss over a model's size and its data (arXiv 2203.15556), with intervals.

    With `--unique` also how fast repeated data loses its worth (arXiv 2305.16264).
    """
    from factory.api.fitting import fit_scaling
    from factory.report.fits import scaling_lines

    fit = fit_scaling(
        file,
        parameters=parameters,
        tokens=tokens,
        flop=flop,
        loss=loss,
        unique=unique,
        drop_highest=drop_highest,
        where=_where(where),
        encoding=encoding,
        seed=seed,
    )
    _show(fit, scaling_lines(fit), json_)


@app.command("growth")
def growth(
    file: FileArgument,
    task: Annotated[str, typer.Option("--task", metavar="COLUMN", help="The task.")] = "task",
    size: Annotated[str, typer.Option("--size", metavar="COLUMN", help="Rows it was trained on.")] = "size",
    score: Annotated[
        str, typer.Option("--score", metavar="COLUMN", help="Its score; higher is better.")
    ] = "score",
    worth: Annotated[
        float | None,
        typer.Option(
            "--worth", min=0, help="Smallest gain per 1,000 rows that is one. Default: 1 % of the scale."
        ),
    ] = None,
    where: WhereOption = None,
    encoding: EncodingOption = "",
    json_: JSONOption = False,
) -> None:
    """How much each task still gains per 1,000 rows, with its interval, and from which size on it is flat."""
    from factory.api.fitting import fit_growth
    from factory.report.fits import growth_lines

    fits = fit_growth(
        file, task=task, size=size, score=score, worth=worth, where=_where(where), encoding=encoding
    )
    _show(fits, growth_lines(fits), json_)


@app.command("weights")
def weights(
    file: FileArgument,
    rule: Annotated[str, typer.Option("--rule", help="doremi, or doge.")] = "doremi",
    target: Annotated[
        list[str] | None,
        typer.Option("--target", help="doge: a domain that is to gain. Repeatable. Default: all."),
    ] = None,
    eta: Annotated[float, typer.Option("--eta", min=0, help="doremi: the step size.")] = 1.0,
    smoothing: Annotated[
        float | None,
        typer.Option("--smoothing", min=0, max=1, help="Share spread evenly. Default: doremi 0.001, doge 0."),
    ] = None,
    mu: Annotated[float, typer.Option("--mu", min=1e-9, help="doge: what a score is divided by.")] = 0.05,
    encoding: EncodingOption = "",
    json_: JSONOption = False,
) -> None:
    """Weights of domains by what a small proxy model did, a row for each step: DoReMi (2305.10429), DoGE (2310.15393).

    doremi: excess_DOMAIN (mean of the tokens' clipped excess losses), or proxy_DOMAIN and reference_DOMAIN. doge: lr,
    and dots, an object of objects: of each two domains the inner product of their gradients.
    """
    from factory.api.fitting import fit_weights
    from factory.report.fits import weight_lines

    if rule not in ("doremi", "doge"):
        raise FactoryError(f"--rule {rule}: it is doremi or doge")
    found, remark = fit_weights(
        file,
        "doge" if rule == "doge" else "doremi",
        targets=target or (),
        eta=eta,
        smoothing=smoothing,
        mu=mu,
        encoding=encoding,
    )
    if remark:
        typer.echo(f"note: {remark}", err=True)
    _show(found, weight_lines(found), json_)


def _show(fit: object, lines: Iterable[str], json_: bool) -> None:
    if json_:
        import orjson

        from factory.report.fits import as_json

        typer.echo(orjson.dumps(as_json(fit), option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo("\n".join(lines))


def _split(text: str, default: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign and not default:
        raise FactoryError(f"{text}: write it as NAME=VALUE")
    return name, value if sign else default


def _where(texts: list[str] | None) -> dict[str, str]:
    return dict(_split(text, "") for text in texts or ())


def _number(option: str, text: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FactoryError(f"{option} {text}: {value or 'nothing'!r} is no number")
    return number
