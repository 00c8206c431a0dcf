"""Constraints on answers: what each says in English and Chinese, and, wherever possible, a checker in code.

A kind of constraint is one class. Its fields are its arguments, typed and validated; `kind` is its name in data and
recipes; `wording` says it in a language; `check` says whether an answer meets it. To add one:

    class NoQuestion(Checked):
        kind = "punctuation:no_question"
        category = "format"

        def wording(self, language: str) -> str:
            return in_language(language, "Ask no question.", "不要提问。")

        def check(self, answer: AnswerText) -> bool:
            return "?" not in answer.text and "？" not in answer.text

        @classmethod
        def draw(cls, chance: random.Random, about: About) -> Self | None:   # lets `constrain` choose it
            return cls()

A plug-in offers it by an entry point of the group `factory.constraints`, whose name is the kind's with "." for ":"
(`"punctuation.no_question" = "mine:NoQuestion"`). The built-in kinds lie in `kinds/`, and `registry` finds them all.

What may stand together: `demands` tells what a constraint needs of an answer (its start, a text in it, so many words),
`refuses` which texts it shuts out, and `conflicts.conflict` puts them side by side. A checker that cannot decide raises
`CannotCheck`: the verdict is then missing, never guessed.
"""
