"""The short form of a model sets a recipe's models as a whole."""

from __future__ import annotations

import pytest

from factory.errors import FactoryError, RecipeError
from factory.models.options import LocalOptions, OpenAIOptions
from factory.recipe.model_spec import model_override
from factory.recipe.recipe import Recipe, build_recipe

SERVER = "openai:Qwen/Qwen3-8B@http://127.0.0.1:8000/v1"


def recipe(*models: str, given: tuple[str, ...] = (), settings: tuple[str, ...] = ()) -> Recipe:
    data = {
        "models": {name: {"provider": "local", "slots": 2} for name in models},
        "steps": [{"read": {"path": "factory:seeds"}}, {"respond": {"model": models[0] if models else ""}}],
    }
    return build_recipe(data, overrides=(*map(model_override, given), *settings))


@pytest.mark.parametrize("models", [("teacher",), ("teacher", "judge")])
def test_a_named_model_takes_the_place_of_its_entry_as_a_whole(models: tuple[str, ...]) -> None:
    made = recipe(*models, given=(f"teacher={SERVER}",))
    assert made.models["teacher"] == OpenAIOptions(model="Qwen/Qwen3-8B", base_url="http://127.0.0.1:8000/v1")
    assert all(made.models[name] == LocalOptions(slots=2) for name in models[1:])


def test_a_model_without_a_name_is_for_the_only_one_or_becomes_it() -> None:
    assert recipe("teacher", given=(SERVER,)).models.keys() == {"teacher"}
    assert isinstance(recipe("teacher", given=(SERVER,)).models["teacher"], OpenAIOptions)
    assert isinstance(recipe(given=(SERVER,)).models["model"], OpenAIOptions)
    with pytest.raises(RecipeError, match="write which one it is for, as teacher=MODEL"):
        recipe("teacher", "judge", given=(SERVER,))


def test_a_new_name_is_a_new_model_and_a_field_of_it_can_be_set() -> None:
    made = recipe("teacher", given=(f"v1.5={SERVER}",), settings=("models.v1.5.temperature=0",))
    assert made.models["v1.5"].temperature == 0  # type: ignore[union-attr]


def test_a_mapping_and_an_address_with_an_equals_sign_are_models_too() -> None:
    made = recipe("teacher", given=("{provider: local, slots: 3}",))
    assert made.models["teacher"] == LocalOptions(slots=3)
    assert recipe("teacher", given=("teacher=embedded",)).models["teacher"] == LocalOptions()
    assert recipe("t", given=("openai:a=b@http://h/v1",)).models["t"] == OpenAIOptions(
        model="a=b", base_url="http://h/v1"
    )


@pytest.mark.parametrize("text", ["teacher=opnai:x", "opnai:x", "teacher=", "=x", "teacher"])
def test_what_is_no_model_is_one_sentence(text: str) -> None:
    if text == "teacher=":
        assert model_override(text) == 'models.teacher={"provider": "local"}'  # "" is the embedded one
        return
    with pytest.raises(FactoryError, match="there is no provider of models"):
        model_override(text)
