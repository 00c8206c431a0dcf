"""Whether the models that a step names are there, and can do what it wants of them."""

from __future__ import annotations

from collections.abc import Mapping

from factory.errors import RecipeError
from factory.models.naming import ModelEntry, check_use, resolve_model
from factory.step import Step


class WrongModel(RecipeError):
    """A step's model cannot be used; `field` is the one that names it."""

    def __init__(self, sentence: str, field: str) -> None:
        super().__init__(sentence)
        self.field = field


def check_step_models(step: Step, models: Mapping[str, ModelEntry]) -> None:
    """Look whether each model that the step will use is in `models` and of the kind that it wants.

    A name that is written for a model which the other options leave unused must be one all the same.

    Raises:
        WrongModel: one is not.
    """
    for kind in ("chat", "embedding"):
        used = list(step.models_of(kind))
        for field in step.model_fields_of(kind):
            value = getattr(step, field)
            for name in (value,) if isinstance(value, str) else value:
                if not name and (field, name) not in used:
                    continue
                try:
                    resolved = resolve_model(models, name, kind)
                    if kind == "chat" and (field, name) in used:
                        check_use(models, resolved, scores=step.scores_with(field))
                except RecipeError as error:
                    raise WrongModel(str(error), field) from error
