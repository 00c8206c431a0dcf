"""`factory teachers`: which of several models writes the answers that fit a student."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from factory.cli.common import EncodingOption, FilesArgument, echo_warnings, load_files
from factory.errors import EXIT_SOME_RECORDS_FAILED, FactoryError
from factory.recipe.model_spec import MODEL_FORMS, model_value


def teachers(
    files: FilesArgument,
    student: Annotated[
        str,
        typer.Option(
            "--student",
            metavar="MODEL",
            help="The model that is to be trained; one that scores given texts, such as transformers:smollm2. "
            f"{MODEL_FORMS}",
        ),
    ],
    teachers: Annotated[
        str,
        typer.Option(
            "--teachers",
            metavar="MODELS",
            help="The models that answer, with commas between them, each written as the student is: two or more.",
        ),
    ],
    prompts: Annotated[
        int, typer.Option("--prompts", min=1, help="At most so many prompts, drawn by the seed.")
    ] = 200,
    temperature: Annotated[
        float, typer.Option("--temperature", min=0, help="The teachers' temperature.")
    ] = 0.7,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Most tokens of an answer.")] = 1024,
    template: Annotated[
        str,
        typer.Option(
            "--template",
            help="What an answer is read behind: the prompt in the student's chat template (chat), bare, or alpaca.",
        ),
    ] = "chat",
    seed: Annotated[int, typer.Option("--seed", help="Seed of all random choices.")] = 0,
    encoding: EncodingOption = "",
    journal: Annotated[
        Path | None, typer.Option("--journal", help="Where replies are kept. Default: outputs/journal.db.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the comparison as one JSON object.")] = False,
) -> None:
    """Compare teachers by how well their answers fit a student: GRAPE and RSR, with intervals, and every pair.

    Each teacher answers the same prompts; answers that are there are left out. A difference whose interval holds zero
    cannot be told. Fit says nothing of whether an answer is right.
    """
    from factory.api.teachers import compare_teachers, labels

    written = split_models(teachers)
    if len(written) < 2:
        raise FactoryError("--teachers: name two or more models, with commas between them")
    models = {name: _model("--teachers", one) for name, one in zip(labels(written), written, strict=True)}
    pupil = _model("--student", student)
    dataset, skipped = load_files(files, encoding=encoding)
    found, ran = compare_teachers(
        dataset,
        pupil,
        models,
        prompts=prompts,
        temperature=temperature,
        max_tokens=max_tokens,
        template=template,
        seed=seed,
        journal=journal,
        show_progress=not json_,
    )
    for progress in ran:
        echo_warnings(progress)
    if json_:
        import orjson

        typer.echo(orjson.dumps(found.as_json(), option=orjson.OPT_INDENT_2).decode())
    else:
        typer.echo("\n".join(found.lines()))
    if skipped or any(one.failures for one in found.teachers):
        raise typer.Exit(EXIT_SOME_RECORDS_FAILED)


def split_models(text: str) -> list[str]:
    """Models with commas between them; a comma within braces is a part of one."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "{[") - (letter in "}]")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _model(option: str, text: str) -> Any:
    try:
        value = model_value(text)
    except FactoryError as error:
        raise FactoryError(f"{option}: {error}") from error
    if isinstance(value, dict) and "provider" in value:
        return value
    if isinstance(value, str):
        return value
    raise FactoryError(f"{option} {text}: a model in braces names its provider. {MODEL_FORMS}")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(teachers)
