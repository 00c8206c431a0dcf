"""The text of a data set card, in the language of the set: its files, where it comes from, what it is made of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from factory.data.formats.layouts import Survey, Written
from factory.data.formats.layouts_chat import ShareGPT
from factory.data.formats.licenses import conflicts
from factory.data.text import shorten

MOST = 20
"""Names that a table lists; the others are counted."""
ZH_TITLE = "# 监督微调数据集"
THIS_FOLDER = ("this folder", "本文件夹")
"""What stands for the set's own place where it is loaded; a published set has its name there."""
_USED = {
    "reasoning": (
        "`reasoning_content` (what the model thought before the turn)",
        "`reasoning_content`（该轮之前的思考）",
    ),
    "calls": ("`tool_calls` (arguments as JSON text)", "`tool_calls`（参数为 JSON 文本）"),
    "call ids": (
        "`tool_call_id` (the call that a tool's turn answers)",
        "`tool_call_id`（工具轮所回应的调用）",
    ),
    "names": ("`name`", "`name`"),
    "weight": ("`weight` (0: not to be learned)", "`weight`（0 表示不参与训练）"),
}
"""Keys of a turn that only some sets need."""
_ABOUT_ZH = {
    "messages": '`messages`：各轮为 `{"role": "user" 或 "assistant"（system、tool）, "content"}`',
    "parquet": "`messages`，最后一次问答的 `instruction`、`input`、`output`，"
    "以及已知信息 `lang`、`task`、`source`、`tags`",
    "openai": "OpenAI 接口格式的 `messages`、`tools`（对象）与 `parallel_tool_calls`",
    "sharegpt": '`conversations`：各轮为 `{"from": "human" 或 "gpt"（system、observation）, "value"}`',
    "alpaca": "`instruction`、`input`（可为空）、`output`",
    "preference": "`prompt`、`chosen`、`rejected`：各为若干轮；每个落选的回答一行",
    "prompt_completion": "`prompt` 与 `completion`：各为若干轮",
    "kto": "`prompt` 与 `completion`：各为若干轮；`label`：该回答是否为好回答",
    "dpo": "`messages`：提问的各轮；`chosen` 与 `rejected`：各一轮；每个落选的回答一行",
    "openai_preference": "`input`（messages、tools）、`preferred_output` 与 `non_preferred_output`（各含一轮）",
    "source": "每行保持读入时的形式与写法，含其自有列",
}


class Say:
    """Chooses between a text in English and one in Chinese."""

    def __init__(self, chinese: bool) -> None:
        self.chinese = chinese

    def __call__(self, english: str, chinese: str) -> str:
        return chinese if self.chinese else english

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """A Markdown table of cells that are Markdown already."""
        lines = [heads, ["---"] * len(heads), *rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def parts(self, rows: Mapping[str, int]) -> str:
        """A table of the parts that a set has files for, in their order."""
        heads = [self("part", "部分"), self("rows", "行数")]
        return self.table(heads, [[cell(part), f"{count:,}"] for part, count in rows.items()])

    def counts(self, what: str, counts: Mapping[str, int], total: int = 0) -> str:
        """A table of names and their rows, the most first, with shares where a total is given."""
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        shown = [(cell(name) if name else self("(not named)", "（未注明）"), n) for name, n in ordered[:MOST]]
        if rest := ordered[MOST:]:
            number = sum(count for _, count in rest)
            shown.append((self(f"{len(rest):,} others", f"其余 {len(rest):,} 项"), number))
        heads = [what, self("rows", "行数"), *([self("share", "占比")] if total else [])]
        rows = [[name, f"{n:,}", *([f"{n / total:.1%}"] if total else [])] for name, n in shown]
        return self.table(heads, rows)


def is_chinese(facts: Survey) -> bool:
    """Whether most of the records are Chinese."""
    chinese = sum(
        n for lang, n in facts.languages.items() if lang.lower().replace("_", "-").split("-")[0] == "zh"
    )
    return 2 * chinese > facts.rows


def body(
    facts: Survey,
    files: Mapping[str, Mapping[str, str]],
    default: str,
    licenses: Mapping[str, int],
    rows: Mapping[str, int],
    *,
    twins: bool,
) -> str:
    """The card below its header.

    Args:
        files: each configuration's name, and its parts' files
        default: the configuration that is loaded unless another is named
        licenses: as `licenses.by_id` counts them
        rows: of each part of the default configuration
        twins: whether Parquet files stand for JSON Lines
    """
    say = Say(is_chinese(facts))
    table = say.table(
        [say("configuration", "配置"), say("file", "文件"), say("columns", "列")],
        [
            [
                f"`{name}`",
                say(", ", "、").join(map(_link, parts.values())),
                _columns(facts.layouts[name], say),
            ]
            for name, parts in files.items()
        ],
    )
    split = next(iter(files[default]), "train")
    sections = [
        say("# Supervised fine-tuning set", ZH_TITLE),
        say(f"{facts.rows:,} conversations. ", f"共 {facts.rows:,} 段对话。") + _rows_of(facts, say),
        table + _notes(files, say, twins=twins),
        f"""```python
from datasets import load_dataset

load_dataset("{say(*THIS_FOLDER)}", "{default}", split="{split}")
```""",
        say.parts(rows) if len(rows) > 1 else "",
        _origin(facts, licenses, say),
        _mixture(facts, say),
        _makers(facts, say),
        _rounds(facts, say),
        say(
            "`dataset_info.json` names the files for LLaMA-Factory (`dataset_dir`: this folder).",
            "`dataset_info.json` 为 LLaMA-Factory 列出各文件（`dataset_dir` 设为本文件夹）。",
        ),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _rounds(facts: Survey, say: Say) -> str:
    """How many rows went how often through a model that writes and a check that chooses; "" where no row tells."""
    if not facts.rounds:
        return ""
    told, real = sum(facts.rounds.values()), facts.rounds.get(0, 0)
    share = f"{real / facts.rows:.1%}"
    silent = facts.rows - told
    table = say.table(
        [say("round", "轮次"), say("rows", "行数")],
        [[f"{number}", f"{count:,}"] for number, count in sorted(facts.rounds.items())],
    )
    written = say(
        f"{real:,} of {facts.rows:,} rows ({share}) were written by no model. `self_training_round` says of each row "
        "how often a model wrote in it before a check chose it.",
        f"{facts.rows:,} 行中有 {real:,} 行（{share}）并非由模型写成。`self_training_round` 列记录每行在入选之前"
        "经过模型写作的次数。",
    )
    if silent:
        written += say(f" {silent:,} rows tell no round.", f"另有 {silent:,} 行未注明轮次。")
    return f"{say('## Rounds of self-training', '## 自训练轮次')}\n\n{written}\n\n{table}"


def _link(path: str) -> str:
    """A link to a file, or to the folder of several."""
    return f"[`{path}`]({path.rpartition('/')[0]})" if "*" in path else f"[{path}]({path})"


def _notes(files: Mapping[str, Mapping[str, str]], say: Say, *, twins: bool) -> str:
    note = ""
    if twins:
        note += say(
            """
Each JSON Lines file holds the same rows as the Parquet file named here. `datasets` loads a folder from one kind
of file, and from JSON Lines it would take a column of nothing but dates for times.
""",
            """
每个 JSON Lines 文件与此处所列的 Parquet 文件内容相同。`datasets` 只从一种文件加载一个文件夹，而从 JSON Lines
加载时会把全为日期的列误认作时间。
""",
        )
    if any(part.startswith("stage_") for parts in files.values() for part in parts):
        note += say(
            "\nThe stages are trained on one after the other, `stage_1` first. Most trainers shuffle the rows of a "
            "file.\n",
            "\n各阶段依次训练，`stage_1` 在先。多数训练器会打乱文件内的行序。\n",
        )
    return f"\n{note}".rstrip("\n")


def _columns(written: Written, say: Say) -> str:
    layout, needs = written.layout, written.held.needs
    comma = say(", ", "、")
    text = f"`id`{comma}" * layout.has_id + say(layout.about, _ABOUT_ZH.get(layout.name, layout.about))
    if layout.name == "alpaca":
        text += f"{comma}`system`" * ("system" in needs)
        text += say(", `history` (earlier question and answer pairs)", "、`history`（此前的问答对）") * (
            "history" in needs
        )
    if layout.name == "parquet" and written.held.scores:
        scores = comma.join(f"`score.{_plain(name)}`" for name in written.held.scores)
        text += f"{comma}{scores}" + say(" (empty where a score could not be had)", "（未能得到评分处为空）")
    if layout.has_columns:
        names = [name for name, _ in layout.columns(written.held, written.asked)]
        if not layout.name.startswith("openai"):
            text += say(", `tools` (schemas as JSON text)", "、`tools`（JSON 文本）") * ("tools" in names)
        kwargs = say(
            ", `chat_template_kwargs` (for the chat template)", "、`chat_template_kwargs`（供对话模板使用）"
        )
        text += kwargs * ("chat_template_kwargs" in names)
        text += "".join(f"{comma}`{name}`" for name in ShareGPT.LISTS.values() if name in names)
        text += "".join(f"{comma}`{_plain(column)}`" for column in written.carried.names.values())
    if layout.name not in ("alpaca", "sharegpt", "source"):
        asked = written.asked.reasoning == "field" and not layout.name.startswith("openai")
        used = [
            say(*said) for name, said in _USED.items() if name in needs and (asked or name != "reasoning")
        ]
        text += say("; turns also have ", "；各轮另有 ") + comma.join(used) if used else ""
    if layout.name == "sharegpt" and "calls" in needs:
        text += say(
            "; a `function_call` turn holds calls as JSON text", "；`function_call` 轮以 JSON 文本存放调用"
        )
    if "reasoning" in needs and written.asked.reasoning == "think":
        text += say(
            "; what the model thought stands in <think> tags before the text",
            "；模型的思考置于正文前的 <think> 标签中",
        )
    return text


def _rows_of(facts: Survey, say: Say) -> str:
    """Which row of a format is which record."""
    fewer = {name: one.held.records for name, one in facts.layouts.items() if one.held.left_out}
    if not fewer:
        return say(
            "Row k is the same record in every format; `id` names it.",
            "各格式的第 k 行为同一条记录，以 `id` 标识。",
        )
    said = say(", ", "、").join(f"{name} {count:,}" for name, count in fewer.items())
    return say(
        f"Rows are in the same order in every format; `id` names the record. Fewer records fit into: {said}.",
        f"各格式的行序相同，以 `id` 标识记录。以下格式容纳的记录较少：{said}。",
    )


def _origin(facts: Survey, licenses: Mapping[str, int], say: Say) -> str:
    """Where the rows come from and under which licence, with what is to be known of them."""
    if set(licenses) == {""}:
        first = say("No row names its licence.", "没有任何一行注明许可。")
    else:
        first = say.counts(say("licence", "许可"), licenses)
    flags = "".join(f"\n**{sentence}**\n" for sentence in conflicts(licenses, chinese=say.chinese))
    title = say("## Where it comes from", "## 数据来源")
    return f"{title}\n\n{first}\n{flags}\n{say.counts(say('source', '来源'), facts.sources)}"


def _mixture(facts: Survey, say: Say) -> str:
    """The shares of tasks and languages; nothing where the set has one of each."""
    kinds = ((say("task", "任务"), facts.tasks), (say("language", "语言"), facts.languages))
    tables = [say.counts(what, counts, facts.rows) for what, counts in kinds if set(counts) - {""}]
    return "\n\n".join([say("## What is in it", "## 构成"), *tables]) if tables else ""


def _makers(facts: Survey, say: Say) -> str:
    """The models that had a hand in the rows, and the prompts that they were given."""
    if not facts.models:
        return ""
    lead = say(
        "Rows in whose history each model or prompt stands; one row may name several.",
        "下列模型与提示词出现在相应行的生成记录中；同一行可能涉及多项。",
    )
    models: Counter[str] = Counter()
    for name, rows in facts.models.items():
        models[public_name(name)] += rows
    tables = [say.counts(say("model", "模型"), models)]
    if facts.prompts:
        tables.append(say.counts(say("prompt", "提示词"), facts.prompts))
    return "\n\n".join([say("## Models and prompts", "## 模型与提示词"), lead, *tables])


def public_name(model: str) -> str:
    """A model's name, behind its provider's, without the folders of this machine that it may lie in."""
    prefixed = re.match(r"[a-z_]{2,}:(?!//)", model)
    provider, name = (prefixed[0], model[prefixed.end() :]) if prefixed else ("", model)
    if not name.startswith(("/", "~", ".")) and "\\" not in name:
        return model
    return provider + re.split(r"[/\\]", name.rstrip("/\\"))[-1]


def cell(name: str) -> str:
    """A name from the data as a cell of the table that nothing in it can end."""
    return f"`{shorten(name, 60).replace('`', chr(39)).replace('|', '/')}`"


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", shorten(name, 60))
