"""Words by which a turn gives away who speaks, or that nothing more is said; English and Chinese."""

from __future__ import annotations

import re

from factory.data.text import rouge_tokens

CLOSING_WORDS = 16
"""A clause that is longer, in words or Chinese characters, says more than thanks or goodbye."""

_FENCED = re.compile(r"(```|~~~).*?(?:\1|\Z)", re.DOTALL)
# A speaker's name before what is said, or as a heading; not a point of a list, which may explain the word.
_LABEL = re.compile(
    r"^[ \t>#\[【*_]*(?:user|human|assistant|ai[ -]assistant|chatbot|用户|用戶|助手|助理|ai\s*助手|人类)"
    r"[ \t\]】*_]*[:：]"
    r"|^[ \t]*(?:###?|<\|?)[ \t]*(?:user|human|assistant|im_start|im_end|end)\b",
    re.IGNORECASE | re.MULTILINE,
)
_DONE = re.compile(r"""["“”']done["“”']\s*[:：]\s*(?:true|false)\b|<done\s*/?>""", re.IGNORECASE)
_SPOKEN = re.compile(
    r"\b(?:dialogs?|dialogues?|conversations?|transcripts?|scripts?|scenes?|interviews?|chats?|chatbots?|prompts?|role-?plays?"
    r"|users?|assistants?)\b|对话|對話|剧本|台词|采访|聊天|访谈|提示词|角色|用户|助手",
    re.IGNORECASE,
)
"""What asks for a text in which speakers have their names before them, or that is about them."""
_PLAYED = re.compile(
    r"\b(?:role-?play\w*|pretend\w*|act(?:ing)?\s+as|play(?:ing|s)?\s+(?:the|a|an|my)|imagine\s+you|simulate|mock"
    r"|interview|in\s+character)\b|扮演|假装|假裝|模拟|模擬|角色|面试",
    re.IGNORECASE,
)
_VOICED = re.compile(
    r"\b(?:e-?mails?|letters?|messages?|texts?|notes?|repl(?:y|ies)|posts?|questions?|quiz\w*|phrases?|sentences?|lines?"
    r"|quot\w+|say|says|ask|asks|rewrit\w+|rephras\w+|paraphras\w+|translat\w+|stor(?:y|ies)|poems?|songs?|speech\w*)\b"
    r"|邮件|郵件|信|短信|留言|消息|回复|问题|問題|提问|句|翻译|翻譯|改写|故事|诗|歌词|台词|怎么说|演讲",
    re.IGNORECASE,
)
_START = r"\A[\s*_#>\"“]*"
_ASSISTANT_SPEAKS = re.compile(
    _START
    + r"(?:(?:that\s+is|that['’]s)\s+a\s+)?great\s+question\b"
    + "|"
    + _START
    + r"(?:sure|certainly|of\s+course|absolutely)"
    r"\b[!,.:]*\s*(?:(?:here|below)\b|i\s+can\s+(?:help|give|provide|explain|show|tell|suggest|walk)\b|i(?:['’]d|\s+would)\s+be\b|let\s+me\s+(?:help|give|explain|show|tell|walk|break)\b)"
    + "|"
    + _START
    + r"here(?:\s+are|['’]s|\s+is)\s+(?:your|some|a\s+(?:few|list|step|simple|brief|quick|short|sample))\b"
    r"|\bi(?:['’]d|\s+would|\s+will|['’]ll)?\s*(?:be|am|['’]m)\s+(?:also\s+|always\s+)?(?:happy|glad|delighted|here|going)"
    r"\s+to\s+(?:help|assist|support|guide)\s+(?:you\b|with\b|[!.])|\bi\s+(?:can|will)\s+(?:help|assist|guide)\s+you\b"
    r"|\bhow\s+(?:can|may)\s+i\s+(?:help|assist)\s+you\b|\bwhat\s+can\s+i\s+(?:do\s+for|help)\s+you\b"
    r"|\bis\s+there\s+anything\s+else\s+(?:i\s+can|(?:that\s+)?you(?:['’]d|\s+would|\s+need|\s+want))"
    r"|\bas\s+an?\s+(?:ai|(?:large\s+)?language)\b(?:\s+(?:assistant|model|language\s+model))?\s*,"
    r"|\A\W*you(?:['’]re|\s+are)\s+(?:very\s+|most\s+)?welcome\b|\bi\s+hope\s+(?:this|that)\s+helps\b"
    + "|"
    + _START
    + r"(?:当然(?:可以)?|好的|没问题)[，,！!。]?\s*"
    r"(?:以下是|下面是|这是为[您你]|我来(?:帮|为|给)[您你]|让我来?(?:帮|为|给)[您你])"
    + "|"
    + _START
    + r"(?:以下是|下面是)(?:一些|几个|几点|为[您你])"
    r"|很高兴(?:能)?(?:为[您你]|帮助?[您你])|有什么(?:我)?(?:可以|能)(?:为[您你]|帮)|还有什么(?:需要|问题)[^。]{0,8}(?:帮|告诉我)"
    r"|作为一?[个名]?(?:AI|人工智能|语言模型)|\A\W*不客气|希望(?:这些?|以上|我的)[^。！]{0,12}(?:有所?)?帮助",
    re.IGNORECASE,
)
_USER_SPEAKS = re.compile(
    _START + r"(?:(?:hi|hello|hey)\b[,!.\s]*(?:there[,!.\s]*)?)?(?:"
    r"(?:can|could|would)\s+you\s+(?:please\s+)?(?:help\s+me|explain\s+(?:how|why|to\s+me)|recommend|suggest|teach\s+me"
    r"|write\s+(?:me\s+)?an?|show\s+me\s+how)\b"
    r"|i(?:['’]m|\s+am)\s+(?:looking\s+for|trying\s+to|struggling\s+(?:with|to)|having\s+trouble)\b"
    r"|i\s+need\s+(?:help|advice|some\s+(?:help|advice))\b|please\s+help\s+me\b"
    r"|(?:thanks|thank\s+you)(?:\s+(?:so|very)\s+much|\s+a\s+lot)?\s+for\s+(?:your|the|all\s+(?:your|the))\s+"
    r"(?:help|explanation|advice|tips?|recommendations?|suggestions?)\b"
    r"|(?:how\s+(?:do|can|should)|what\s+(?:do|should)|where\s+(?:do|can|should))\s+i\b(?!\s+(?:help|assist))[^.!?\n]*\?\W*\Z"
    r"|(?:[你您])?(?:能不能|能否|可不可以|可以|能)(?:请[您你])?(?:帮我|教我|给我(?:推荐|写|讲))"
    r"|(?:请|麻烦[您你]?)(?:帮我|教我)|(?:谢谢|感谢|多谢)[你您](?:的)?(?:帮助|解答|建议|讲解|推荐)"
    r"|我(?:想(?:请教|学|找|问)|需要帮助|正在找)(?![^。？]*[您你]))",
    re.IGNORECASE,
)
_CLAUSES = re.compile(r"[.!?,;:。！？，；：、~～\n]+")
_LEAD = (
    r"(?:(?:ok(?:ay)?|great|perfect|awesome|wonderful|excellent|alright|all\s+right|cool|got\s+it|sounds\s+good|no|yes|well|oh"
    r"|wow|and|so|then)\b\s*)*"
)
# What may stand beside thanks and goodbye, and alone says something.
_BESIDE = re.compile(
    rf"{_LEAD}\Z|i(?:['’]ll|\s+will|['’]m\s+going\s+to)\b|(?:好的?|嗯|太好了|太棒了|明白了?|知道了|收到|没有了|没了|行|可以了|哇|那)+\Z|我(?:会|去|这就)",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    rf"{_LEAD}(?:thanks?|thx|thank\s+you|many\s+thanks|much\s+appreciated|(?:i\s+)?(?:really\s+|truly\s+)?appreciate"
    r"|you(?:['’]re|\s+are)\s+(?:very\s+|most\s+)?welcome|my\s+pleasure|no\s+problem|good\s?bye|bye|see\s+you|take\s+care"
    r"|have\s+an?\s+(?:great|nice|good|wonderful|lovely)|good\s+(?:luck|night)|(?:i(?:['’]m|\s+am)\s+)?(?:so\s+)?glad\s+(?:i|to|that)"
    r"|(?:i(?:['’]m|\s+am)\s+)?(?:always\s+)?happy\s+to\s+help|enjoy|(?:that|this)(?:['’]s|\s+is|\s+was)\s+(?:all|it|great|perfect"
    r"|(?:(?:very|so|really|super)\s+)?helpful)(?=\s*\Z|\s+(?:i|for\s+(?:now|today))\b)|(?:same\s+)?to\s+you|you\s+too|cheers"
    r"|best\s+(?:wishes|regards)|until\s+next|talk\s+(?:to\s+you\s+)?(?:soon|later)|that\s+helps|feel\s+free\s+to"
    r"|(?:please\s+)?let\s+me\s+know\s+if|(?:please\s+)?(?:do(?:n['’]t|\s+not)\s+hesitate)"
    r"|if\s+you\s+(?:ever\s+)?(?:have|need)\s+(?:any|more|further|help)(?:\s+\w+){0,4}\s*\Z)\b",
    re.IGNORECASE,
)
_ZH_CLOSING = re.compile(
    r"(?:(?:好的?|嗯|太好了|明白了?|那|真的?|非常|十分|太|多|万分)\s*)*(?:谢谢|感谢|多谢|谢啦)|不(?:用)?客气|不用谢|没关系|再见|拜拜"
    r"|回头见|下次见|祝[你您我]|晚安|(?:很|我也很)高兴(?:能)?(?:帮|为)|(?:请)?随时(?:欢迎|都?可以|找我|告诉我|联系|提问|问我)"
    r"|(?:如果|如)?(?:[你您])?(?:还|以后|日后)?(?:有|需要)(?:什么|任何|其他|更多)[^。]{0,8}(?:问题|疑问|帮助|需要)\Z"
    r"|(?:有|若有)(?:问题|需要)(?:可以|请)?随时|(?:这|你的回答|您的回答)?(?:对我)?(?:很|太|非常)有(?:用|帮助)|[你您]也(?:是|一样)"
)


def outside_code(text: str) -> str:
    """A text without its blocks of code."""
    return _FENCED.sub("\n", text)


def speaker_label(text: str, asked: str) -> str:
    """A speaker's name that stands before a line ("User:", 助手：), or a mark of a chat template; "" where none does.

    None is looked for where `asked` asks for a dialogue, or is about users or assistants.
    """
    found = None if _SPOKEN.search(asked) else _LABEL.search(outside_code(text))
    return found[0].strip() if found else ""


def end_mark(text: str) -> str:
    """What stands in a text and should have said beside it that the conversation is done, or ""."""
    found = _DONE.search(outside_code(text))
    return found[0] if found else ""


def assistant_speaks(text: str, asked: str) -> str:
    """The words by which a user's turn is an assistant's, or ""; none in a play that was asked for."""
    found = None if _PLAYED.search(asked) else _ASSISTANT_SPEAKS.search(outside_code(text))
    return found[0].strip() if found else ""


def user_speaks(text: str) -> str:
    """The words by which an assistant's turn is a user's, or ""."""
    found = _USER_SPEAKS.search(text)
    return found[0].strip() if found else ""


def in_a_voice(asked: str) -> bool:
    """Whether what is asked for is a text that somebody else might say: a letter, a sentence, a part in a play."""
    return _PLAYED.search(asked) is not None or _VOICED.search(asked) is not None


def is_closing(text: str) -> bool:
    """Whether a turn is thanks, goodbye and wishes, and says nothing else."""
    clauses = [clause.strip(" \t*_\"'“”()（）") for clause in _CLAUSES.split(text)]
    clauses = [clause for clause in clauses if rouge_tokens(clause)]
    closing = [bool(_CLOSING.match(clause) or _ZH_CLOSING.match(clause)) for clause in clauses]
    beside = (bool(_BESIDE.match(clause)) for clause in clauses)
    short = (len(rouge_tokens(clause)) <= CLOSING_WORDS for clause in clauses)
    return any(closing) and all(
        one and (two or three) for one, two, three in zip(short, closing, beside, strict=True)
    )
