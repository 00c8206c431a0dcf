"""Profiles: YAML that is read strictly, each mistake told in one sentence that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.errors import RecipeError
from factory.steps.clean.profiles.profile import load_profile, profile_names
from factory.steps.clean.rules.registry import rules


def actions(profile: str) -> dict[str, str]:
    """What a profile does, but for rules that need a package: they are off unless they are named."""
    return {
        name: action
        for name, action in load_profile(profile).actions().items()
        if name not in rules() or rules()[name].needs is None
    }


def test_the_profiles_that_come_with_the_package_name_rules_that_exist() -> None:
    assert profile_names() == ["mend", "report", "strict"]
    assert set(actions("report").values()) == {"report"}
    assert set(actions("mend").values()) == {"report", "mend"}
    assert "drop" in load_profile("strict").actions().values()


def test_rules_about_licences_and_dates_are_off_where_none_are_wanted() -> None:
    assert not {"license_denied", "data_age"} & set(load_profile("strict").actions())
    assert "license_denied" in load_profile("strict", {"licenses": {"deny": ["mit"]}}).actions()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rule: {}", "there is no key 'rule'; did you mean 'rules'?"),
        ("rules: {refusl: drop}", "did you mean 'refusal'?"),
        ("rules: {refusal: dropp}", "did you mean 'drop'?"),
        ("rules: {refusal: drop, refusal: mark}", "'refusal' is given twice"),
        ("default: nothing", "there is no action 'nothing'"),
        ("own: [{name: a, find: x}, {name: a, find: y}]", "'a' of your own is given twice"),
        ("own: [{name: refusal, find: x}]", "there is a rule 'refusal' already"),
        ("own: [{name: a, find: x, reglex: y}]", "did you mean 'regex'?"),
        ("own: [{name: a}]", "give one of `find`"),
        ("own: [{name: a, find: x, action: mend}]", "needs `replace`"),
        ("dates: {after: 2020}", "`dates.column` is missing"),
        ("- a", "a profile has keys"),
        ("a: [", "mine.yaml:"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("a: \x00", "mine.yaml"),
    ],
)
def test_a_mistake_in_a_profile_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(RecipeError) as error:
        load_profile(str(file))
    assert said in str(error.value)
    assert "mine.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_an_empty_profile_reports(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("")
    assert set(actions(str(file)).values()) == {"report"}


def test_yaml_reads_off_as_false_and_that_is_off() -> None:
    assert load_profile("report", {"rules": {"refusal": False}}).actions()["refusal"] == "off"


def test_each_rule_says_what_it_finds_in_one_sentence() -> None:
    for name, rule in rules().items():
        assert rule.finds.endswith("."), name
        assert len(rule.finds) < 140, name
