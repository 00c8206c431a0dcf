"""What a model that will not answer says in other languages than Chinese and English."""

from __future__ import annotations

import re

# An apology or none, what cannot be done, and that it is to help: no letter or part in a play says all of it.
REFUSES = re.compile(
    r"""
    # Spanish, Portuguese, Italian
    (?:(?:lo\s+siento|lo\s+lamento|disculp[ae]|perd[oó]n)\b[^.!?\n]{0,30}?)?\bno\s+(?:te\s+|le\s+|me\s+es\s+posible\s+)?
      (?:puedo|podemos|es\s+posible)\s+(?:ayudar|asistir|proporcionar|responder|cumplir|ofrecer|generar|continuar\s+con)
    |(?:(?:desculpe|sinto\s+muito|lamento)\b[^.!?\n]{0,30}?)?\bn[ãa]o\s+(?:o\s+|te\s+|lhe\s+)?(?:posso|podemos|consigo)\s+
      (?:ajud|auxiliar|fornecer|responder|atender|gerar|oferecer)
    |(?:(?:mi\s+dispiace|spiacente|scusa)\b[^.!?\n]{0,30}?)?\bnon\s+posso\s+(?:aiut|assister|fornir|rispond|soddisfar|generar)
    # French, German, Dutch
    |(?:(?:je\s+suis\s+)?(?:désolée?|navrée?)\b[^.!?\n]{0,30}?)?\bje\s+ne\s+(?:peux|puis)\s+(?:malheureusement\s+)?pas\s+
      (?:(?:vous|t['’]|te)\s*)?(?:aid|assister|fournir|répondre|satisfaire|générer)
    |(?:(?:es\s+tut\s+mir\s+leid|tut\s+mir\s+leid|entschuldigung|leider)\b[^.!?\n]{0,30}?)?\b(?:ich\s+kann|kann\s+ich)\b
      [^.!?\n]{0,40}?\b(?:nicht|keine\w*)\b[^.!?\n]{0,40}?\b(?:helfen|beantworten|bereitstellen|unterstützen|erfüllen|geben)\b
    |(?:(?:het\s+spijt\s+me|sorry)\b[^.!?\n]{0,30}?)?\bik\s+kan\b[^.!?\n]{0,40}?\bniet\b[^.!?\n]{0,30}?\b(?:helpen|beantwoorden)
    # Russian, Ukrainian
    |(?:(?:извините|простите|к\s+сожалению|вибачте|на\s+жаль)[^.!?\n]{0,30}?)?\bя?\s*не\s+(?:могу|можу)\s+
      (?:(?:вам|тебе|с\s+этим|цим)\s+)?(?:помочь|ответить|предоставить|выполнить|допомогти|відповісти)
    # Japanese, Korean
    |(?:申し訳(?:ありません|ございません)|すみません|恐れ入ります|ごめんなさい)[^。！？\n]{0,30}?
      (?:お(?:手伝|答え|応え)|提供|回答|対応|協力)[^。！？\n]{0,12}?(?:できません|できかねます|いたしかねます)
    |(?:죄송하지만|죄송합니다만?|미안하지만)[^.!?\n]{0,40}?(?:도와\s*드릴|도울|제공할|답변할|답변드릴|대답할|응할)\s*수\s*없
    """,
    re.IGNORECASE | re.VERBOSE,
)
