"""Stop words of English and Chinese: words without content of their own."""

from __future__ import annotations

import re

from factory.data.text import rouge_tokens

# The list of NLTK, with what is left of a contraction once its apostrophe splits it.
_ENGLISH = """
    a about above after again against ain all am an and any are aren as at be because been before being
    below between both but by can couldn d did didn do does doesn doing don down during each few for from
    further had hadn has hasn have haven having he her here hers herself him himself his how i if in into is
    isn it its itself just ll m ma me mightn more most mustn my myself needn no nor not now o of off on once
    only or other our ours ourselves out over own re s same shan she should shouldn so some such t than that
    the their theirs them themselves then there these they this those through to too under until up ve very
    was wasn we were weren what when where which while who whom why will with won wouldn y you your yours
    yourself yourselves
"""
# The most frequent function words of the lists in common use, simplified and traditional.
_CHINESE = """
    我们 你们 他们 她们 它们 咱们 自己 大家 这个 那个 这些 那些 这里 那里 这样 那样 这么 那么 什么 怎么
    怎样 为什么 哪个 哪些 哪里 多少 一个 一些 一样 一种 以及 而且 并且 或者 还是 但是 可是 不过 然而 因为
    所以 由于 因此 于是 如果 要是 假如 虽然 尽管 即使 既然 只要 只有 除了 关于 对于 至于 根据 按照 通过
    为了 以便 其中 其他 其它 之后 之前 然后 接着 同时 已经 正在 曾经 将要 可以 可能 应该 能够 必须 不是
    没有 就是 也是 还有 还要 非常 十分 比较 更加 些许
    我們 你們 他們 她們 自己 這個 那個 這些 這裡 那裡 這樣 那樣 這麼 那麼 什麼 怎麼 為什麼 哪個 一個 還是
    因為 所以 雖然 然後 已經 應該 沒有 還有 關於 對於
    我 你 您 他 她 它 这 那 哪 谁 的 地 得 了 着 过 吗 呢 吧 啊 呀 哦 嗯 哎 唉 嘛 啦 么 和 与 及 或 而 但
    且 并 则 因 为 由 于 在 从 向 往 到 对 把 被 让 给 跟 同 比 按 以 之 其 所 者 也 都 就 才 又 再 还 很
    太 更 最 不 没 无 是 有 会 能 要 可 个 些 上 下 中 里 等 们 這 誰 著 過 嗎 麼 與 並 則 為 於 從 對 讓 給
    還 沒 無 會 個 裡 們
"""
_ENGLISH_WORDS = frozenset(_ENGLISH.split())
# The longest first: a word goes before the words that it is made of.
_CHINESE_WORD = re.compile("|".join(sorted(_CHINESE.split(), key=len, reverse=True)))


def has_content(text: str) -> bool:
    """Whether `text` holds anything but punctuation and stop words; a number is content."""
    return bool(content_words(text))


def content_words(text: str) -> list[str]:
    """The `rouge_tokens` of `text` that are no stop words, in their order; a number is content.

    Of Chinese each character that belongs to no stop word.
    """
    return [token for token in rouge_tokens(_CHINESE_WORD.sub(" ", text)) if token not in _ENGLISH_WORDS]
