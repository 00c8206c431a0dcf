"""The words by which plain templates tell turns apart ("### Response:", "User:"), where they stand in an answer.

A base model, a stop word that a server does not know, or a template whose special tokens the server strips: the answer
begins with its own label, or goes on with the next question and its answer.
"""

from __future__ import annotations

import re

from factory.models.base import ChatRequest
from factory.models.reply.gate import may_hold_label

_ASSISTANT = r"(?:Assistant|ASSISTANT|助手|助理)[ \t]*[:：]|#{2,3} ?(?:Response|Assistant|Output|回答|回复)[ \t]*[:：]?"
_USER = r"(?:User|USER|Human|HUMAN|用户|人类)[ \t]*[:：]|#{2,3} ?(?:Instruction|Input|Human|User|指令|用户)[ \t]*[:：]"
_HEAD = re.compile(
    r"\s*(?:Below is an instruction that describes a task\b.*?#{2,3} ?Response:"
    rf"|(?:{_ASSISTANT})(?=\s)|(?:助手|助理)[:：]|assistant[ \t]*\n|#{{2,3}} ?Response:?)\s*",
    re.DOTALL,
)
_NEXT = re.compile(rf"\n[ \t]*(?:{_USER})")
_REPLY = re.compile(rf"\n[ \t]*(?:{_ASSISTANT}|(?:AI|Bot)[ \t]*[:：])")
_ASKED_FOR = re.compile(
    r"(?<!helpful )\bassistants?\b|\bhuman:|\buser:|###|\b(?:dialog(?:ue)?|conversation|chat|transcript|interview"
    r"|role.?play|screenplay|script|few.?shot|prompt|template|fine.?tun|instruction (?:data|set|tuning))|助手|助理|用户"
    r"|对话|聊天|访谈|剧本|台词|提示词|模板|微调",
    re.IGNORECASE,
)


def without_labels(text: str, request: ChatRequest | None) -> tuple[str, bool]:
    """An answer without the label that it begins with and the turns that it goes on with, and whether it did so.

    As it is where JSON was asked for, where the model goes on from a text (it may write a user's turn), and where
    the request holds such a label or asks for a dialogue, a template or the like: they may be what was wanted.
    """
    if not may_hold_label(text) or (request is not None and _asks_for(request)):
        return text, False
    head = _HEAD.match(text)
    rest = text[head.end() :] if head is not None else text
    cut = _goes_on(rest)
    return (rest, False) if cut is None else (rest[:cut].rstrip(), True)


def _goes_on(text: str) -> int | None:
    """Where the user's next turn begins: one with an answer behind it, or its label alone at the very end."""
    replies = [found.start() for found in _REPLY.finditer(text)]
    for found in _NEXT.finditer(text):
        is_turn = bool(replies) and replies[-1] > found.start()
        if (is_turn or not text[found.end() :].strip()) and text.count("```", 0, found.start()) % 2 == 0:
            return found.start() if text[: found.start()].strip() else None
    return None


def _asks_for(request: ChatRequest) -> bool:
    return (
        request.schema is not None
        or bool(request.opening)
        or any(_ASKED_FOR.search(turn.content) for turn in request.messages if turn.role != "system")
    )
