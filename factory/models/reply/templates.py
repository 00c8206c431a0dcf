"""What chat templates and models' own formats put before, around and between thoughts and answers."""

from __future__ import annotations

import re

HEAD = re.compile(
    r"\s*(?:<think\s*/>|<bos>|<\|begin_of_text\|>|<[|｜]begin▁of▁sentence[|｜]>|\[/INST\]|<s>(?!.*</s>.)"
    r"|<\|im_start\|>\s*assistant\b|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>"
    r"|<start_of_turn>\s*model\b|<\|turn>\s*model\b|<[|｜]assistant[|｜]>|<\|START_RESPONSE\|>"
    r"|<\|START_OF_TURN_TOKEN\|>(?:<\|CHATBOT_TOKEN\|>)?|\[\|assistant\|\]|<reserved_10[37]>)[ \t]*\n*",
    re.IGNORECASE | re.DOTALL,
)
WRAPPED = re.compile(
    r"\s*<(?P<name>answer|final_answer|final|response|output|solution|回答|答案)>(?P<inside>.*?)"
    r"(?:</(?P=name)>\s*(?P<rest>.*))?\Z",
    re.DOTALL | re.IGNORECASE,
)
TOKEN_WRAPPERS = re.compile(
    r"<\|(?:begin|end)_of_(?:box|solution|answer|response)\|>|<\|(?:START|END)_RESPONSE\|>", re.IGNORECASE
)
HARMONY = re.compile(
    r"(?:<\|start\|>\s*+)?(?:assistant)?\s*+(?:<\|channel\|>)?\s*+(?P<channel>analysis|commentary|final)\b"
    r"(?P<to>[^<]{0,80})(?:<\|constrain\|>\s*\w+\s*)?<\|message\|>"
    r"(?P<body>.*?)(?P<end><\|(?:end|return|call)\|>|(?=<\|start\|>|<\|channel\|>)|\Z)\s*",
    re.DOTALL,
)
# gpt-oss as some servers give it: without its special tokens, but with the words between them.
HARMONY_WORDS = re.compile(
    r"\A\s*analysis(?=[A-Z\s\W\u4e00-\u9fff])(?P<body>.*?)assistant\s?final(?P<final>.*)\Z", re.DOTALL
)
# Thoughts and answer under headings: Granite, Apriel, Ollama's terminal, Open WebUI.
HEADINGS = (
    HARMONY_WORDS,
    re.compile(
        r"\A\s*Here(?: is|'s) my thought process:(?P<body>.*?)(?:Here(?: is|'s) my response:\s*(?P<final>.*))?\Z",
        re.DOTALL,
    ),
    re.compile(
        r"\A(?:\s*Here are my reasoning steps:)?(?P<body>.*?)\[BEGIN FINAL RESPONSE\]\s*"
        r"(?P<final>.*?)(?:\[END FINAL RESPONSE\].*)?\Z",
        re.DOTALL,
    ),
    re.compile(
        r"\A\s*Thinking\.\.\.[ \t]*\n(?P<body>.*?)\n\.\.\.done thinking\.\s*(?P<final>.*)\Z", re.DOTALL
    ),
    re.compile(
        r"\A\s*<details type=\"reasoning\"[^>]{0,200}>(?:\s*<summary>[^<]{0,200}</summary>)?(?P<body>.*?)</details>\s*"
        r"(?P<final>.*)\Z",
        re.DOTALL,
    ),
)
