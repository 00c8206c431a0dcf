"""Given names of two groups in place of those that a text has."""

from __future__ import annotations

import random
import re
from typing import NamedTuple

# The names of Bertrand and Mullainathan's letters of application (American Economic Review 94, 2004), by gender.
_ENGLISH = {
    "f": (
        ("Emily", "Lakisha"),
        ("Anne", "Tamika"),
        ("Allison", "Latoya"),
        ("Laurie", "Ebony"),
        ("Meredith", "Aisha"),
    ),
    "m": (
        ("Greg", "Jamal"),
        ("Brad", "Darnell"),
        ("Todd", "Tyrone"),
        ("Brett", "Rasheed"),
        ("Geoffrey", "Kareem"),
    ),
}
# Names of the Han, and of Tibetans and Uyghurs.
_CHINESE = {
    "f": (("王芳", "卓玛"), ("李娜", "央金"), ("刘静", "古丽"), ("陈丽", "阿依努尔")),
    "m": (("王伟", "扎西"), ("李强", "多吉"), ("张磊", "艾力"), ("陈勇", "买买提")),
}
_KNOWN = {
    "f": "Mary Linda Patricia Jennifer Elizabeth Barbara Susan Jessica Sarah Karen Lisa Nancy Betty Sandra Ashley Emily"
    " Kimberly Donna Michelle Carol Anna Laura Amy Rachel Jane Alice Emma Sophie Anne Allison Lakisha Tamika Ebony"
    " Aisha Kate Lucy",
    "m": "James John Robert Michael William David Richard Joseph Thomas Charles Daniel Matthew Anthony Steven Paul"
    " Andrew Kevin Brian George Tom Peter Jack Ryan Bob Greg Brad Todd Jamal Darnell Tyrone Sam Mike Joe Ben Tim",
}
_KNOWN_CHINESE = {
    "f": "王芳 李娜 刘静 陈丽 张敏 小红 小丽 小芳 李梅 张丽 赵敏 王秀英 韩梅梅 李华 王丽",
    "m": "王伟 李强 张磊 陈勇 刘洋 小明 小刚 小军 李明 张伟 赵军 王建国 李雷 张三 李四 王五",
}
_GENDER = {name: gender for gender, names in _KNOWN.items() for name in names.split()}
_GENDER_CHINESE = {name: gender for gender, names in _KNOWN_CHINESE.items() for name in names.split()}
_NAME = re.compile(r"(?<![\w-])(" + "|".join(sorted(_GENDER, key=len, reverse=True)) + r")(?![\w-])")
_NAME_CHINESE = re.compile("|".join(sorted(_GENDER_CHINESE, key=len, reverse=True)))
FULL_NAME = re.compile(rf"{_NAME.pattern}\s+(?:[A-Z]\.\s+)?[A-Z][a-z]+")
"""A given name with a family's name behind it: perhaps a known person, of whom facts are told."""


class Named(NamedTuple):
    """Texts with the names of the first group, and of the second; the same where no name is known."""

    first: list[str]
    second: list[str]
    names: int


def swap_names(texts: list[str], draw: random.Random) -> Named:
    """The texts of a record with each known given name in the form of either group, of the same gender.

    One name is one name in all texts; names of a record are drawn apart as long as there are enough.
    """
    given: dict[str, tuple[str, str]] = {}
    left = {
        (script, gender): draw.sample(pairs, len(pairs))
        for script, table in (("en", _ENGLISH), ("zh", _CHINESE))
        for gender, pairs in table.items()
    }

    def pair_of(name: str) -> tuple[str, str]:
        if name not in given:
            key = ("en", _GENDER[name]) if name in _GENDER else ("zh", _GENDER_CHINESE[name])
            pool = left[key]
            pool.append(pool.pop(0))
            given[name] = pool[-1]
        return given[name]

    def named(text: str, group: int) -> str:
        text = _NAME.sub(lambda match: pair_of(match[0])[group], text)
        return text if text.isascii() else _NAME_CHINESE.sub(lambda match: pair_of(match[0])[group], text)

    first = [named(text, 0) for text in texts]
    return Named(first, [named(text, 1) for text in texts], len(given))
