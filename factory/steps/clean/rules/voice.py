"""Rules about how a model speaks: refusals, moralising, flattery, who it says it is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.data.text import word_count
from factory.statistics.flaws.refusals import REFUSAL_WORDS, refusal
from factory.steps.clean.rules.gates import Gated, encoded
from factory.steps.clean.rules.rule import Example, Found, Rule
from factory.steps.clean.rules.view import Part

_MAY_REFUSE = Gated(
    r"\b(?:puedo|podemos|posible|posso|podemos|consigo|peux|puis|kann|kan|могу|можу)\b"
    "|できません|できかねます|いたしかねます|수 없"
    "|not suitable|not possible|模型|sorry|apolog|unfortunately|regret|afraid|as an|i am a|i'm a|i’m a|im a|can't|can’t"
    "|cannot|can not|cant |couldn|could not|won't|won’t|will not|unable|not able|not allowed|not comfortable"
    "|forgive|don't have|don’t have|do not have|do not feel|don't feel|no access|being a|since i|because i"
    "|may not|must not"
    "|not capable|not equipped|not program|not designed|beyond|outside|抱歉|对不起|對不起|对不住|不好意思|遗憾"
    "|遺憾|可惜|恕我|原谅|原諒|作为|作為|身为|身為|我是|我只|无法"
    "|無法|不能|不便|不可以|没办法|沒辦法|没法|不会|难以|未能|没有|无权"
    "|不具|超出|我目前|我仅|我不过"
)
"""Words of which each refusal has one, in its first sentences."""
_OPENING = 700


def _refusals(part: Part) -> Iterator[Found]:
    if not _MAY_REFUSE.may_hold(encoded(part.text[:_OPENING])):
        return
    text = part.text.strip()
    if not text or (_is_long(text) and not _opens(text)):
        return
    said = refusal(text, part.asked)
    if said:
        at = max(0, part.text.find(said))
        yield Found(at, at + len(said), said[:60])


def _is_long(text: str) -> bool:
    return len(text) >= REFUSAL_WORDS and (
        # The last word of a part may be cut.
        word_count(text[:_OPENING]) > REFUSAL_WORDS or word_count(text) >= REFUSAL_WORDS
    )


_SURE = re.compile(
    r"(?:i(?:['’]?m| am) (?:so |very |really )?sorry|sorry|i apologi[sz]e|as an? (?:ai|artificial|responsible)"
    r"|i can(?:no|['’])t|i(?:['’]m| am) (?:not able|unable)|unfortunately,? i"
    r"|(?:非常|很)?(?:抱歉|对不起)|作为(?:一个|一名)?(?:负责任的)?(?:人工智能|AI|语言模型)|我(?:不能|无法))",
    re.IGNORECASE,
)


def _opens(text: str) -> bool:
    """Whether a long text opens as refusals do: they may be followed by a lecture."""
    return _SURE.match(text[:200]) is not None


_MORAL = Gated(
    r"\bit(?:'s|’s| is) (?:never|not) (?:okay|ok|acceptable|appropriate|ethical|morally \w+"
    r"|legal or ethical) (?:to|for)\b"
    r"|\b(?:i|we) (?:strongly |would |must |do )*(?:urge|encourage|advise|remind|implore) (?:you|everyone"
    r"|users|people|all) (?:all )?(?:to |not to |that )"
    r"(?:always |please )?(?:\w+ )?(?:respect|treat|refrain|avoid (?:any|such|harm)|be (?:kind|respectful"
    r"|mindful|considerate)|obey|follow the law"
    r"|consider the (?:ethic|moral|impact|consequences)|use \w+ responsibly|promote|seek (?:legal|ethical))"
    r"|\b(?:important|crucial|essential|vital)(?: for \w+)? to (?:always )?(?:remember|note|recognize"
    r"|acknowledge|emphasize|be mindful|understand)[^.\n]{0,70}"
    r"\b(?:stereotyp\w+|discriminat\w+|offensive|harmful|illegal|unethical|immoral|respectful (?:of|to"
    r"|towards)|(?:with|deserves?|treated with) respect"
    r"|consent|hate speech|everyone (?:is|has)|all people)"
    r"|\bimportant to (?:always )?(?:treat|respect) (?:all|every\w*|other|others|people|each|animals|women|men"
    r"|individuals|their)\b"
    r"|\b(?:as a responsible|as an ethical|i (?:cannot|can't|can’t|will not|won't|do not|don't) (?:condone"
    r"|endorse|promote|encourage|support) )"
    r"|\b(?:promot(?:es?|ing)|perpetuat(?:es?|ing)|reinforc(?:es?|ing)|encourag(?:es?|ing)) (?:harmful"
    r"|dangerous|illegal|unethical|hateful|violent"
    r"|discriminatory) (?:\w+ )?(?:stereotypes?|behaviou?rs?|activit\w+|views?|actions?|attitudes?|content|biases)"
    r"|\blet(?:'s|’s| us) (?:all )?(?:strive|work together|aim|try) (?:to|for) (?:\w+ ){0,3}(?:respect"
    r"|inclusive|kind|better world)"
    r"|(?:我们|请|大家)(?:应该|应当|要|需要|必须|务必)?(?:始终|永远|都|时刻|一定)?(?:要)?(?:遵守|遵循|尊重)(?:国家|相关|当地|社会|所有|每个?"
    r"|他人)?[^，。\n]{0,8}(?:法律|法规|道德|公德|伦理|他人|隐私|权利|差异|人)"
    r"|(?:这|此)(?:种|类|样|是)?(?:行为|做法|言论|问题|请求)?(?:是|都是|属于)?(?:不道德|违法|不合法|违反(?:法律|道德|伦理)|不负责任|不恰当|不可接受)的?|(?:不道德"
    r"|违法犯罪|违反法律)(?:的)?(?:行为|活动)[^。\n]{0,20}(?:不应|不能|请勿|不要|避免)"
    r"|(?:我)?(?:强烈)?(?:建议|呼吁|提醒|倡导|劝告)(?:您|你|大家|我们)[^。\n]{0,12}(?:遵守法|尊重|合法|守法|文明|道德)|积极健康的(?:内容|话题)"
    r"|正能量的?(?:内容|话题)?|社会主义核心价值观|(?:避免|不要|切勿)(?:任何)?(?:传播|使用)?(?:歧视|偏见|仇恨|冒犯)(?:性)?(?:的)?(?:言论|语言|内容)",
    re.IGNORECASE,
)
_ASKS_MORAL = re.compile(
    r"\b(?:ethic\w*|moral\w*|respect\w*|harm\w*|stereotyp\w*|discriminat\w*|illegal|legal\w*|law\w*|crim\w*"
    r"|bully\w*|harass\w*|privacy|consent|polic(?:y|ies)|rules?|code of conduct|inclusi\w*|divers\w*|bias\w*"
    r"|rac\w*|gender|speech|slogans?|persuasi\w*|argu\w*|rights?|responsib\w*|should|etiquette|cultur\w*"
    r"|rewrit\w+|rephrase|paraphrase|lying|communicat\w+|artificial intelligence|ai)\b"
    r"|道德|伦理|法律|违法|尊重|歧视|偏见|权利|隐私|责任|规定|守则|应该|公德|文明|法规|犯罪|价值观|演讲|标语|口号|倡议|礼仪|文化|正能量",
    re.IGNORECASE,
)


def _morals(part: Part) -> Iterator[Found]:
    found = _MORAL.find(part)
    if found is not None and not part.view.voiced and not _ASKS_MORAL.search(part.asked):
        yield Found(*found.span(), found[0].strip()[:60])


_MODELS = (
    r"chat\s?gpt|gpt-?[1-5][\w.]*|open\s?ai|claude|anthropic|gemini|bard|google(?:\s+ai|\s+deepmind)?|deepmind"
    r"|llama(?:\s?\d)?|meta(?:\s+ai)?|mistral(?:\s+ai)?|mixtral|deep\s?seek|qwen"
    r"|tongyi|alibaba(?:\s+cloud)?|ernie(?:\s+bot)?|baidu|kimi|moonshot(?:\s+ai)?|chatglm|glm-?\d?|zhipu"
    r"|doubao|bytedance|hunyuan|tencent|spark\s?desk|iflytek|minimax|baichuan|yi-?\d*\w*|01\.ai|internlm|pangu"
    r"|huawei"
    r"|grok|xai|phi-?\d|microsoft|copilot|bing(?:\s+chat)?|cohere|command[- ]r|falcon|vicuna|alpaca|koala"
    r"|dolly|stable\s?lm|pi|alexa|siri|cortana|assistant by|open assistant|smol\s?lm|nemotron|nvidia|olmo|tulu"
    r"|ai2|gpteacher"
)
_ZH_MODELS = (
    r"chatgpt|gpt-?[\d.]+\w*|openai|claude|anthropic|gemini|谷歌|deepseek|深度求索|qwen|通义千问|通义|千问|阿里(?:巴巴|云)?|文心一言"
    r"|文心|百度|kimi|月之暗面|moonshot|chatglm|智谱(?:清言|ai|华章)?|豆包|字节(?:跳动)?|混元|腾讯|讯飞(?:星火)?|星火"
    r"|minimax|海螺|百川(?:智能|大模型)?|零一万物|书生[·.]?浦语|盘古|华为|meta|llama|微软|小冰|小爱同学|天猫精灵|小度|mistral|商汤|日日新|昆仑万维|天工|紫东太初"
)
_SELF = Gated(
    rf"\b(?:i(?:['’]?m| am| was)|my name is|this is|call me|you are (?:now )?(?:talking|speaking"
    rf"|chatting) (?:to|with))\s+(?:called |named |actually |just |an? |the )*(?:{_MODELS})\b"
    rf"|\b(?:i(?:['’]?m| am| was)|as)\s+(?:\w+\s+){{0,3}}?(?:an?\s+)?(?:[\w-]+\s+){{0,4}}(?:model|assistant|ai"
    rf"|chatbot|llm|bot)\s*,?\s+(?:called\s+|named\s+|known\s+as\s+)?(?:\w+,\s*)?(?:that\s+(?:is"
    rf"|was)\s+)?(?:developed|created|trained|made|built|designed|from)\s+(?:and\s+\w+\s+)?(?:by|at"
    rf"|from)?\s*(?:the\s+)?(?:team\s+at\s+|researchers\s+at\s+|company\s+)?(?:{_MODELS})\b"
    rf"|\b(?:i\s+(?:was|am|have\s+been)|i['’]?m)\s+(?:developed|created|trained|made|built|designed"
    rf"|programmed)\s+by\s+(?:the\s+)?(?:team\s+at\s+|researchers\s+at\s+)?(?:{_MODELS})\b"
    r"|\b(?:as|i(?:['’]?m| am)(?: just| only| simply)?|being)\s+an?\s+(?:(?:large|advanced|responsible|helpful"
    r"|text[- ]based|neutral|friendly|virtual)\s+)*(?:a\.?i\.?|artificial\s+intelligence)(?:\s+(?:language"
    r"|chat)?\s?(?:model|assistant|system|program|chatbot|bot|machine))?(?=\s*[,.;!]|\s+(?:and|so|i|that|which"
    r"|without|trained|developed|designed|created)\b)"
    r"|\b(?:as|i(?:['’]?m| am)(?: just| only| simply)?|being)\s+an?\s+(?:large\s+)?(?:language\s+model|llm"
    r"|virtual\s+assistant|digital\s+assistant|chat\s?bot)\b"
    r"(?=\s*,?\s+(?:i|my|we|trained|developed|created|without)\b|\s*[.!,])"
    rf"|我(?:的名字)?(?:叫|是|名叫|就是)(?:一个|一款|一名|一种)?[^，。\n]{{0,12}}?(?:{_ZH_MODELS})(?![^，。\n]{{0,8}}(?:用户|员工|工程师"
    rf"|产品经理|粉丝|总裁|创始人|的(?:一名|一位)))"
    rf"|我(?:是)?(?:由|被|来自于?)(?:[^，。\n]{{0,12}}?)(?:{_ZH_MODELS})[^，。\n]{{0,12}}?(?:开发|研发|训练|创建|创造|设计|推出|打造|构建)"
    r"|(?:作为|身为|我(?:只|仅仅|目前|只不过)?是)(?:一个|一款|一名|一种|一位|个)?(?:[^，。\n]{0,8}的)?(?:大型|大)?(?:AI|人工智能|人工智慧|语言模型|聊天机器人"
    r"|虚拟助手|智能助手|大模型|机器学习模型)(?:语言模型|模型|助手|助理|程序|机器人|系统)?(?=[，,。、；]|我|，|没有|并|不)",
    re.IGNORECASE,
)
_OTHER_PERSON = re.compile(
    r"(?i)\b(?:she|he|they|who|patient|customer)\s+(?:said|asked|replied)|\bquote|扮演|假设你是|假如你是"
)


def _identities(part: Part) -> Iterator[Found]:
    if part.view.voiced and not re.search(
        r"(?i)who are you|your name|are you (?:an? )?(?:ai|chat|gpt|robot|human)|你是谁|你叫什么|介绍(?:一下)?你自己",
        part.asked,
    ):
        return
    for found in _SELF.find_all(part):
        before = part.prose[max(0, found.start() - 1) : found.start()]
        if before in ('"', "“", "「", "'") and before:
            continue
        yield Found(*found.span(), found[0].strip()[:60])
        return


_FLATTERY = re.compile(
    r"[\s*_#>\"“]*(?:(?:wow|ah|oh|well|hi|hello|hey|yes)[,!.]?\s+)?(?:(?:that(?:'s|’s| is)|this is"
    r"|what) )?(?:(?:an?|such an?|really|truly|indeed|very|quite) )*"
    r"(?:great|good|excellent|fantastic|wonderful|awesome|amazing|brilliant|interesting|fascinating|insightful"
    r"|thoughtful|important|terrific|superb|lovely|perfect|nice|deep|profound|thought-provoking)"
    r"(?:,? (?:and )?\w+)? (?:question|idea|point|query|topic|thought|choice|prompt|request|observation"
    r"|suggestion|inquiry|task)\b(?=\s*[!.,:;—-]|\s+(?:and|to ask|you|indeed)\b|\s*\Z)"
    r"|[\s*_#>\"“]*(?:you(?:'re|’re| are) (?:absolutely|totally|completely|so|quite|100%) (?:right|correct)"
    r"|(?:i )?(?:absolutely |really |truly )?(?:love|admire|appreciate) (?:this|that|your"
    r"|how you) (?:\w+ )?(?:question|idea|enthusiasm|curiosity|thinking|creativity|passion|request)"
    r"|what a (?:\w+ )?(?:great|wonderful|fantastic|lovely|fascinating|clever|brilliant|beautiful|thoughtful"
    r"|creative|interesting|good|excellent)(?: and \w+)?"
    r" (?:question|idea|plan|thought|topic|request|prompt|project|goal)\b"
    r"|(?:absolutely|certainly|definitely|of course|sure|sure thing)[,!.]+ (?:i(?:'d|’d"
    r"| would) be (?:more than )?(?:happy|delighted|glad|thrilled|honou?red) to"
    r"|that(?:'s|’s| is) an? (?:\w+ )?(?:question|idea|request))"
    r"|i(?:'d|’d| would) be (?:more than |absolutely )?(?:delighted|thrilled|honou?red|happy) to (?:help"
    r"|assist)|it(?:'s|’s| is| would be) (?:an? )?(?:honou?r|pleasure|delight) to (?:help|assist|answer))"
    r"|[\s*_#>\"“]*(?:哇|嗯|啊|是的|您好|你好)?[，,！!]?(?:这(?:真)?是(?:一?个)?|(?:您|你)(?:的这个|的|这个|提的|提出的|提出了一个|问了一个"
    r"|问的)?)?(?:问题|想法|主意|提问|观点|见解)?(?:真|真是|是|非常|很|太|十分|特别|相当|极)?(?:一?个)?(?:非常|很|十分|极其|特别|相当)?(?:好|棒|精彩|有趣|有意思"
    r"|有深度|深刻|有见地|重要|优秀|经典|聪明|值得探讨)(?:的|极)?(?:一个)?(?:问题|想法|主意|提问|选择|观点|话题|见解)(?=[！!。，,：:～~]|\s*\Z)"
    r"|[\s*_#>\"“]*(?:您|你)(?:的)?(?:这个)?(?:问题|想法|提问|观点|思考)?(?:问得|提得|说得|想得)?(?:真|太|非常|很|十分)(?:好|棒|对|精彩|正确|聪明|有深度"
    r"|有见地)(?:了|极了)?[！!。，]|[\s*_#>\"“]*(?:好问题|问得好|说得好|好主意|绝妙的问题)[！!。，]|[\s*_#>\"“]*(?:当然可以|没问题"
    r"|好的)[！!，,]?(?:我)?(?:非常|很|十分)(?:乐意|高兴|荣幸)(?:能)?(?:为您|为你|帮助|协助|解答|回答)",
    re.IGNORECASE,
)


def _flattery(part: Part) -> Iterator[Found]:
    if not part.text or part.view.voiced:
        return
    found = _FLATTERY.match(part.text[:300])
    if found is not None and found[0].strip() and not part.view.voiced:
        yield Found(*found.span(), found[0].strip()[:60])


RULES = (
    Rule(
        "refusal",
        "voice",
        "An answer that refuses, where nobody asked for a refusal.",
        _refusals,
        languages=("en", "zh"),
        roles=("assistant",),
        examples=(
            Example("I'm sorry, but I can't help with that.", True, asked="How do I sort a list?"),
            Example("抱歉，我无法回答这个问题。", True, asked="怎样排序？"),
            Example("Dear Ann, I'm sorry that I was late.", False, asked="Write an apology to Ann."),
            Example("抱歉的意思是心里过意不去。", False, asked="“抱歉”是什么意思？"),
        ),
    ),
    Rule(
        "moralising",
        "voice",
        "A lecture on ethics, law or respect that the prompt did not ask for.",
        _morals,
        languages=("en", "zh"),
        roles=("assistant",),
        examples=(
            Example(
                "Cut it thin. It is important to remember to always treat animals with respect.",
                True,
                asked="How do I slice beef?",
            ),
            Example("切薄片。我们应该始终尊重他人的饮食习惯。", True, asked="牛肉怎么切？"),
            Example("It is important to remember that steam burns.", False, asked="How do I boil eggs?"),
            Example("请注意安全，蒸汽很烫。", False, asked="怎样煮鸡蛋？"),
        ),
    ),
    Rule(
        "self_identification",
        "voice",
        "A model that says what it is or who made it (ChatGPT, DeepSeek, 通义千问), or speaks as an AI.",
        _identities,
        languages=("en", "zh"),
        roles=("assistant",),
        examples=(
            Example("As an AI language model, I like the sea.", True, asked="Do you like the sea?"),
            Example("我是由百度研发的文心一言。", True, asked="你好"),
            Example("OpenAI made ChatGPT in 2022.", False, asked="Who made ChatGPT?"),
            Example("文心一言由百度研发。", False, asked="谁研发了文心一言？"),
        ),
    ),
    Rule(
        "sycophancy",
        "voice",
        'An answer that opens with praise of the question or of its asker ("Great question!").',
        _flattery,
        languages=("en", "zh"),
        roles=("assistant",),
        examples=(
            Example("Great question! Salt comes from rocks.", True, asked="Why is the sea salty?"),
            Example("这是一个非常好的问题！盐来自岩石。", True, asked="海水为什么是咸的？"),
            Example("A good question opens a talk; it is short.", False, asked="How do I open a talk?"),
            Example("好问题往往很短。", False, asked="怎样提问？"),
        ),
    ),
)
