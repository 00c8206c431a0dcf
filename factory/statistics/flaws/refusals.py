"""Answers that refuse: an apology or "As an AI ..." opens them, says what cannot be done, and nobody asked for it."""

from __future__ import annotations

import re

from factory.statistics.flaws.refusals_abroad import REFUSES

REFUSAL_WORDS = 80
"""An answer that opens with a refusal and is shorter than this is one; in words, or in Chinese characters."""

_APOLOGY = re.compile(
    r"""
    (?:i(?:\s+am|['’]?m)\s+|we(?:\s+are|['’]re)\s+)?
    (?:(?:so|very|really|truly|deeply|terribly|extremely|but|afraid)\s+)*sorry(?![a-z])
    |(?:i|we)\s+(?:sincerely\s+|do\s+|must\s+|deeply\s+)*apologi[sz]e|apologies(?![a-z])|my\s+(?:sincere\s+)?apologies
    |(?:please\s+)?forgive\s+me
    |(?:我|我们|我們|我感到|我表示)?(?:真的|实在|實在|真|很|非常|十分|深感|万分|萬分|深表)?
     (?:抱歉|对不起|對不起|对不住|不好意思|sorry)
    |恕我|请原谅|請原諒
    """,
    re.IGNORECASE | re.VERBOSE,
)
# What also begins a sentence about the world: "Unfortunately, the ship sank and no one came."
_REGRET = re.compile(
    r"unfortunately|regret(?:fully|tably)|i\s+regret|i(?:\s+am|['’]?m)\s+afraid(?!\s+of)"
    r"|(?:我)?(?:很|非常|十分|深感)?(?:遗憾|遺憾)(?:的是|地)?|可惜",
    re.IGNORECASE,
)
_MACHINE = (
    r"(?:an?\s+|your\s+|the\s+)?(?:\w+\s+){0,2}(?:a\.?i\.?(?![a-z])|artificial\s+intelligence"
    r"|(?:large\s+)?language\s+model|chat\s?bot|(?:virtual|digital)\s+assistant|llm)"
)
_ZH_MACHINE = (
    r"(?:一个|一個|一名|一款|一位|一种|个)?[^，。,.]{0,8}?"
    r"(?:AI|人工智能|人工智慧|语言模型|語言模型|智能助手|聊天机器人)"
)
_AS_MACHINE = re.compile(
    rf"(?:as|being|since\s+i['’]?(?:\s*a)?m|because\s+i['’]?(?:\s*a)?m)\s+{_MACHINE}"
    rf"|(?:作为|作為|身为|身為)(?:{_ZH_MACHINE}|[^，。,.]{{0,8}}?(?:助手|模型))",
    re.IGNORECASE,
)
_I_AM_A_MACHINE = re.compile(
    rf"i(?:\s+am|['’]?m)(?:\s+(?:just|only|merely))?\s+{_MACHINE}(?:\s+\w+)?\W*(?:(?:and|so|therefore)\W+)?(?:i\s+)?"
    r"(?:can(?:no|['’]?)t|can\s+not|(?:do|am)\s+not|don['’]?t|unable)"
    rf"|我(?:目前)?(?:只|只是|仅仅|仅|不过)?是{_ZH_MACHINE}[^，。,.]{{0,6}}[，,。]?\s*(?:所以|因此|并)?[我]?"
    r"(?:在没有|无法|無法|不能|没有|沒有|不具备)",
    re.IGNORECASE,
)
_CANNOT = (
    r"(?:i|we)(?=['’\s])\s*(?:simply\s+|really\s+|just\s+|still\s+|also\s+)*(?:can(?:no|['’]?)t|can\s+not"
    r"|could(?:n['’]?t|\s+not)"
    r"|won['’]?t|will\s+not|may\s+not|must\s+not"
    r"|(?:am|are|['’]?m|['’]re)\s+(?:\w+\s+)?(?:unable|not\s+(?:\w+\s+)?(?:able|allowed|permitted|programmed|designed"
    r"|comfortable|equipped|capable)))(?:\s+to)?"
)
_HELP = (
    r"(?:(?:help|assist)(?:\s+you)?(?:\s+(?:with|in|on|to|by)|\s*[.,;!:]|\s*\Z)|comply|fulfil?l|provide|answer"
    r"|respond"
    r"|access|browse|accommodate|engage\s+in|participate|generate|predict|offer|share|recommend|advise|condone"
    r"|promote"
    r"|satisfy|continue\s+with|give\s+(?:you|any|out|advice|medical|legal|financial|personal|information)"
    r"|(?:discuss|support|do|write|create|make|produce|complete|process|perform|execute|say|tell\s+you|facilitate)"
    r"\s+(?:that|this|these|those|such|your|any|about|how|the\s+(?:request|image|content))"
    r"|(?:see|view|open|read|play|watch|hear|listen\s+to)\s+(?:the|any|your|this|that|an?)\s*(?:attached\s+)?"
    r"(?:image|picture|photo|file|attachment|video|audio|link|document|page|website|url))"
)
_ZH_CANNOT = r"(?:无法|無法|不能|不便|不可以|没办法|沒辦法|没法|沒法|不会|难以|未能|无权|无能力|没有(?:办法|能力|权限))"
_ZH_HELP = (
    r"[^，。,.；;]{0,10}?(?:回答|提供|帮|幫|协助|協助|满足|滿足|完成|访问|訪問|获取|獲取|查询|查詢|生成|处理|處理"
    r"|执行|執行|预测|預測|给出|給出|告诉|透露|参与|支持|继续|为[您你]|浏览|联网|识别|讨论|创作|编写|满足|答复|解答)"
)
_NO_ACCESS = (
    r"(?:do\s+not|don['’]?t|does\s+not)\s+(?:currently\s+|actually\s+)*have\s+(?:the\s+(?:ability|capability"
    r"|capacity)"
    r"|access|(?:any\s+)?(?:real[- ]time|up[- ]to[- ]date|current|personal|physical)|(?:enough\s+)?information)"
    r"|no\s+access\s+to"
    r"|(?:没有|不具备|不具有|无)(?:[^，。,.；;]{0,12})(?:能力|权限|实时|訪問|访问|个人|感情|情感|身体)"
    r"|超出(?:了)?我(?:的)?(?:能力|知识|范围|权限)|beyond\s+(?:my|what\s+i)|outside\s+(?:of\s+)?my"
)
# What no letter or part in a play says, but a model that will not answer.
_SURE = re.compile(
    rf"{_CANNOT}\s+{_HELP}|我(?:目前|暂时|現在|现在|实在|真的|并)?{_ZH_CANNOT}{_ZH_HELP}|{_NO_ACCESS}"
    r"|(?:i\s+)?(?:do\s+not|don['’]?t)\s+feel\s+comfortable"
    r"|(?:i|we)\s+(?:must|have\s+to|need\s+to)\s+(?:respectfully\s+|politely\s+)?(?:decline|refuse)\s+(?:to\s+(?:answer"
    r"|help|assist|provide|do\s+(?:that|this|so))|(?:your|this|that)\s+(?:request|question|task))",
    re.IGNORECASE,
)
# Without an apology, in a text of another's voice.
_SURE_ALONE = re.compile(
    rf"{_CANNOT}\s+(?:help\s+(?:you\s+)?with|assist|comply|fulfil?l|provide"
    rf"|accommodate)\s+(?:\w+\s+){{0,2}}(?:request|that|this)"
    rf"|我(?:目前)?{_ZH_CANNOT}(?:回答|满足|完成|处理|协助)[^，。]{{0,6}}(?:请求|要求|问题)",
    re.IGNORECASE,
)
_LACK = re.compile(
    r"\b(?:can(?:no|['’]?)t|can\s+not|could(?:n['’]?t| not)|won['’]?t|will\s+not|unable"
    r"|not\s+(?:able|possible|sure|allowed|permitted|something)"
    r"|(?:am|is|are|was|were|be|do|does|did|has|have|would|should|may|must)(?:\s+not|n['’]?t)"
    r"|no|never|none|nothing|lack\w*|impossible|beyond|outside|unclear|unfortunately"
    r"|more\s+(?:information|context|details?)|clarif\w+|rephrase|please\s+(?:provide|share|send|specify|give"
    r"|tell))\b"
    r"|无法|無法|不|没|沒|未|超出|难以|請提供|请提供|请再|请说明|请重新|更多信息|做不到",
    re.IGNORECASE,
)
_CONDOLENCE = re.compile(
    r"\s*(?:that|for|to\s+(?:hear|learn|read|bother|interrupt|keep)|about|if|you)\b|让[你您]|讓[你您]|给[你您]|听到|得知|打扰|久等",
    re.IGNORECASE,
)
_I_NOT = rf"(?:{_CANNOT}|i\s+(?:do|did)(?:\s+not|n['’]?t)|我[^，。]{{0,4}}(?:{_ZH_CANNOT}|不|没|沒))"
_BUT_NOT = re.compile(
    rf"(?:\b(?:but|however|unfortunately|yet)\b,?\s+|(?:但是|但|可是|不过)[，,]?){_I_NOT}", re.IGNORECASE
)
_REGRETS_NOT = re.compile(rf"\W*(?:that\s+|to\s+say\s+(?:that\s+)?)?{_I_NOT}", re.IGNORECASE)
# Words that may stand before a refusal: a greeting, thanks, a label, a hesitation.
_FILLER = re.compile(
    r"""(?:
    (?:hello|hi|hey|greetings|good\s+(?:morning|afternoon|evening|day)|dear|welcome)(?:\s+(?:there|again|\w+))?\s*[,.!:：，]
    |(?:thank\s+you|thanks)\b[^.!?\n]{0,80}[.!,]|(?:great|good|interesting|excellent)\s+(?:question|idea)\s*[.!,]
    |i\s+(?:understand|see|appreciate|know|get)\b[^.!?\n]{0,120}?[.!]|i\s+(?:understand|see|appreciate|know|get)\b[^.!?\n]{0,120}?,\s*(?=but\b)
    |(?:answer|response|reply|assistant|output|ai|bot|a|note)\s*[:：]
    |(?:well|oh|ah|hmm+|um+|uh|no|ok(?:ay)?|sure|certainly|of\s+course|honestly|actually|but|however)(?=[\s,.!…—-])[\s,.!…—-]*
    |(?:你好|您好|嗨|嘿|哈[喽啰]|早上好|下午好|晚上好|亲爱的[^，,。！：]{0,10}|尊敬的[^，,。！：]{0,10})(?:呀|啊)?
    |(?:感谢|謝謝|谢谢)[^。！!，,\n]{0,40}[。！!，,]|这是(?:一?个)?(?:很)?好(?:的)?问题
    |(?:回答|回复|答案|答复|答|助手|回應|回覆)\s*[:：]|(?:嗯|哦|噢|唉|哎呀|哎|呃|那个|好的|好吧|但是|不过|您|亲)(?=[\W]|抱|对|我)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_WORD = re.compile(r"sorry|apolog\w+|抱歉|对不起|對不起|不好意思", re.IGNORECASE)
# "Sorry, ...", "sorry but ...": not "Sorry is a word".
_GOES_ON = re.compile(r"\s*(?:[,.!，。！…—:：了*-]|(?:but|i|we)\b|我|这|那|您|你)", re.IGNORECASE)
_SENTENCE = re.compile(r"[.!?。！？\n]+[\s*_#>]*")
_QUOTED = re.compile(
    r"""\A[\s*_#>]*(?:"([^"]+)"|“([^”]+)”|「([^」]+)」|『([^』]+)』|'([^']+)'(?!\w)|《([^》]+)》)(.*)""",
    re.DOTALL,
)
_FORBIDS = re.compile(
    r"\b(?:do\s+not|don['’]?t|never|without|avoid|no\s+need\s+to|instead\s+of)\s+(?:\w+\s+){0,3}(?:apolog\w*"
    r"|sorry|refus\w*"
    r"|declin\w*|reject\w*)|(?:不要|别|別|请勿|不得|无需|不必|不用|不准|切勿)[^，。；,;]{0,6}(?:道歉|抱歉|对不起|拒绝|拒絕)",
    re.IGNORECASE,
)
_ASKS_TO_REFUSE = re.compile(
    r"\b(?:refus\w+|declin\w+|reject\w*|turn(?:s|ing)?\s+(?:\w+\s+)?down|say(?:s|ing)?\s+[\"'“]?no\b|disclaimers?)"
    r"|拒绝|拒絕|婉拒|谢绝|推辞|回绝|推脱",
    re.IGNORECASE,
)
# What is written in another's voice, or about an apology: there it is the content.
_ASKS_FOR_AN_APOLOGY = re.compile(
    r"\b(?:apolog\w+|sorry|regrets?|forgiv\w+|translat\w+|in\s+(?:chinese|english))\b|道歉|抱歉|对不起|對不起|致歉|歉意"
    r"|不好意思|翻译|翻譯|英文|英语|怎么说|怎麼說",
    re.IGNORECASE,
)
_ASKS_FOR_A_VOICE = re.compile(
    r"\b(?:apolog\w+|sorry|excuses?|condolences?|sympath\w+|regrets?|forgiv\w+|cancel\w*|translat\w+"
    r"|in\s+(?:chinese|english"
    r"|french|spanish|german|japanese|korean)|letters?|e-?mails?|messages?|texts?|notes?|cards?|repl(?:y|ies)"
    r"|respon[ds]\w*"
    r"|dialog\w*|conversations?|scripts?|scenes?|role-?play\w*|in\s+character|(?:speak|answer)\s+as"
    r"|you\s+are\s+(?:now\s+)?an?\s+"
    r"(?!(?:[\w-]+\s+){0,3}(?:assistant|ai|model|chatbot|bot|expert)\b)\w+|act\s+as|pretend\w*|play\s+the"
    r"|imagine|voice|stor(?:y|ies)"
    r"|poems?|songs?|lyrics|monologues?|speech\w*|tweets?|posts?|quotes?|quotations?|quoting|paraphras\w+|rephras\w+"
    r"|rewrit\w+|proofread\w*|continue|complete|sentences?|lines?|titles?|says?|said)\b"
    r"|道歉|抱歉|对不起|對不起|致歉|歉意|不好意思|检讨|认错|请假|取消|借口|响应|回应|回應|客服|客户|翻译|翻譯|英文|英语|中文|[封写寫回]信|信件|书信|邮件|郵件|短信|消息|留言|回复|回覆"
    r"|答复|对话|對話|台词|剧本|扮演|假装|假設你|假设你|模仿|角色|口吻|语气|故事|小说|诗|歌词|独白|演讲|引用|原话|名言|改写|润色|续写"
    r"|造句|句子|安慰|怎么说|怎麼說",
    re.IGNORECASE,
)
# In the third person: "This task cannot be completed by a GPT model."
_CAN = (
    r"(?:(?:create|generate|produce|perform|take|provide|do|complete|fulfil|render|draw|execute|answer)(?:e?d)?"
    r"|done|taken)"
)
_NOT = r"(?:can\s?not|can['’]t|(?:is|are)\s+(?:un|not\s+)able\s+to)"
_OF_THE_MODEL = re.compile(
    rf"\b(?:gpt(?:-\d)?(?:\s+language)?|(?:a|the)\s+language|(?:an|the)\s+ai"
    rf"|the)\s+models?\s+(?:currently\s+)?{_NOT}\s+(?:currently\s+)?{_CAN}\b"
    rf"|\b{_NOT}\s+be\s+{_CAN}\s+by\s+(?:an?|the|gpt)\s+(?:(?:gpt|ai|language)\s+){{0,2}}models?\b"
    r"|\bnot\s+(?:suitable|possible)\s+for\s+(?:an?\s+|the\s+)?(?:gpt|ai|language)(?:\s+language)?\s+models?\b"
    r"|\bunable\s+to\s+perform\s+this\s+task\b"
    r"|\bwhich\s+an?\s+(?:gpt\s+)?(?:gpt|language|ai)(?:\s+language)?\s+model\s+can\s?not\b"
    r"|(?:GPT|语言|AI|该|本)\s?(?:语言)?模型(?:目前)?(?:无法|不能)(?:完成|生成|创建|执行|处理|提供)|模型无法(?:完成|生成)(?:此|该|这|的视觉)",
    re.IGNORECASE,
)
_ABOUT_MODELS = re.compile(
    r"\b(?:gpt|models?|ai|instructions?|tasks?)\b|模型|人工智能|任务|指令", re.IGNORECASE
)


def refusal(answer: str, instruction: str = "") -> str:
    """The words by which `answer` refuses, or "" where it does not.

    A refusal opens the answer, behind a greeting, thanks or marks at most: an apology or "As an AI language
    model", with what cannot be done. An apology that comforts, that is quoted or talked about is none. Where
    `instruction` asks for an apology, a letter, a reply, a translation, a part to play, only what a model alone
    says is one ("I'm sorry, but I can't assist with that"), and nothing is where it asks for a refusal. What a model
    cannot do may be said of it anywhere in the first words, where `instruction` speaks of no model or task.
    """
    if _may_speak_of_a_model(answer[:400].lower()):
        third = _OF_THE_MODEL.search(answer[:400])
        if third is not None and not _ABOUT_MODELS.search(instruction):
            return third[0]
    opening = _opening(answer)
    if opening is None:
        return ""
    # A short first sentence may repeat the question.
    first, *rest = _SENTENCE.split(opening, maxsplit=1)
    second = _opening(rest[0]) if rest and len(first) <= 100 else None
    behind = _refuses(second, sure=True) if second else ""
    if not behind and not _refuses(opening, sure=False, alone=True):
        return ""  # as most do, whatever was asked for
    asked = _FORBIDS.sub(" ", instruction)
    if _ASKS_TO_REFUSE.search(asked) or _SURE.search(asked):
        return ""
    voiced = _ASKS_FOR_A_VOICE.search(asked) is not None
    alone = not _ASKS_FOR_AN_APOLOGY.search(asked)
    return _word(_refuses(opening, sure=voiced, alone=alone) or behind)


def _may_speak_of_a_model(head: str) -> bool:
    """Whether `_OF_THE_MODEL` can match: a word of each of its ways is there. Most answers are searched no further."""
    return ("model" in head or "模型" in head or "this task" in head) and (
        "not" in head
        or "can't" in head
        or "can’t" in head
        or "unable" in head
        or "无法" in head
        or "不能" in head
    )


def _word(opening: str) -> str:
    """The word of apology in it, or all of it."""
    word = _WORD.search(opening)
    return word[0] if word else opening


def _opening(text: str) -> str | None:
    """The text from its first word that is no greeting or label on; None where it begins with a quotation."""
    while True:
        quoted = _QUOTED.match(text)
        if quoted is not None:
            behind = quoted[quoted.lastindex or 1]
            if re.search(r"\w", behind):
                return None
            text = next(part for part in quoted.groups()[:-1] if part is not None)
        text = re.sub(r"\A[\W_]+", "", text)
        match = _FILLER.match(text)
        if match is None or not match[0] or REFUSES.match(text):  # "No puedo ..." begins with no "No, ..."
            return text
        text = text[match.end() :]


def _refuses(opening: str, *, sure: bool, alone: bool = False) -> str:
    """The words of a refusal at the beginning of `opening`; with `sure`, only of one that leaves no doubt.

    alone: an apology and nothing else is a refusal
    """
    head = opening[:400]
    if not sure and (abroad := REFUSES.match(head)) is not None:
        return abroad[0]
    machine, apology = _AS_MACHINE.match(head), _APOLOGY.match(head)
    start = machine or apology or _REGRET.match(head)
    if start is None:
        plain = _I_AM_A_MACHINE.match(head) or (_SURE_ALONE if sure else _SURE).match(head)
        return plain[0] if plain else ""
    behind = head[start.end() :]
    said = " ".join(_SENTENCE.split(behind, maxsplit=2)[:2])
    if _SURE.search(said) or (_AS_MACHINE.search(said) and _LACK.search(said)):
        return start[0]
    if machine:
        return start[0] if _LACK.search(said) else ""
    if alone and apology and re.fullmatch(r"\W*(?:but\s+)?(?:no)?\W*", behind, re.IGNORECASE):
        return start[0]
    if sure or apology is None:
        return start[0] if apology is None and not sure and _REGRETS_NOT.match(behind) else ""
    if _CONDOLENCE.match(behind):
        return start[0] if _BUT_NOT.search(said) else ""
    return start[0] if _GOES_ON.match(behind) and _LACK.search(said) else ""
