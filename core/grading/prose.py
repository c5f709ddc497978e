"""Find the answer that a text in sentences states, without a box."""

from __future__ import annotations

import re

WORDS = re.compile(r"(?:(?<![\\a-zA-Z{])[a-zA-Z]{2,}[\s,:]+){2}|\banswer\b", re.IGNORECASE)
STATED = re.compile(
    r"\banswer\b(?:\s+(?:to|of|for|in)\b[^.$=:]{0,80}?)?\s*(?:\bis\b|\bare\b|=|:|(?=\s[$\\]))\s*:?\s*\}?\s*",
    re.IGNORECASE,
)
FORMULA = re.compile(r"\$\$?[^$]+\$\$?|\\\(.*?\\\)|\\\[.*?\\\]", re.DOTALL)
CLOSED = re.compile(r"[.!](?=\s|$)|\n|<\||\*\*(?=[\s.]|$)")
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n+")
COPULA = re.compile(r"\b(?:is|are|equals)\b\s*:?\s*", re.IGNORECASE)
CONCLUDES = re.compile(
    r"^\W*(?:therefore|thus|so|hence|consequently|finally|in conclusion|final answer)\b", re.I
)
DOUBT = re.compile(
    r"\b(?:or|but|not|\w+n't|never|if|unless|either|neither|maybe|perhaps|possibly|could|might|may|"
    r"would|should|think|guess|probably|wrong|false|incorrect|instead|except|although|though|however)\b",
    re.IGNORECASE,
)
MAX_LENGTH = 5_000  # characters at the end of a text that are looked at
AMOUNT = re.compile(
    r"\b(?:least|most|more|less|fewer|greater|smaller|larger|than|about|around|approximately|roughly|"
    r"nearly|almost|between|over|under|above|below|exceeds?|up|anything|everything|any|all|no)\b",
    re.IGNORECASE,
)
BEFORE = re.compile(r"[a-zA-Z\s,']+:?\s*")  # words alone
AFTER = re.compile(r"(?:\s|[.!*$]|I hope (?:it|this) is correct|<\|.*)*", re.IGNORECASE | re.DOTALL)


def conclusion(text: str) -> str:
    r"""Return the answer that a text in sentences states, all of a text that has none.

    That is what follows "answer is", "answer:" up to the end of the sentence, with nothing after it
    but that it may be correct, and not stated differently elsewhere. Without "answer", it is what
    follows the only "is" of a last sentence that concludes, without a word of doubt: "Thus the sum is
    7.", or the only formula, if that ends it: "We find that $x = 7$."

    >>> conclusion("Adding gives 8. The final answer is $7$. I hope it is correct.")
    '$7$'
    >>> conclusion("So the sum is 7."), conclusion("I think 7, but it could also be 8")
    ('7', 'I think 7, but it could also be 8')
    """
    text = text[-MAX_LENGTH:]
    if not WORDS.search(text):
        return text
    stated = [stated_from(text, match) for match in STATED.finditer(text)]
    stated = [one for one in stated if not STATED.search(one[0])]
    if stated:
        last, end = stated[-1]
        same = {" ".join(one.strip(" $*.").split()) for one, _ in stated}
        alone = len(same) == 1 and AFTER.fullmatch(text, end)
        doubt = DOUBT.search(sentence_of(text, text.rindex(last) if last else 0))
        return concluded(last, last) if alone and last and not doubt else text
    last = text.partition("<|")[0].strip().removesuffix("I hope it is correct.").rstrip()
    sentence = SENTENCE.split(last)[-1]
    if not CONCLUDES.search(sentence) and sentence != last:
        return text
    formulas = list(FORMULA.finditer(sentence))
    if len(formulas) == 1 and AFTER.fullmatch(sentence, formulas[0].end()):
        before = sentence[: formulas[0].start()]
        if BEFORE.fullmatch(before) and not COPULA.search(before):
            return text if DOUBT.search(before) or AMOUNT.search(before) else formulas[0][0]
    return concluded(sentence, text)


def concluded(sentence: str, text: str) -> str:
    """Return what follows the only "is" of a sentence without doubt; `text` if there is no such."""
    copulas = list(COPULA.finditer(sentence))
    if len(copulas) != 1 or DOUBT.search(sentence):
        return text
    found = sentence[copulas[0].end() :].strip().rstrip(".")
    head = sentence[: copulas[0].start()].strip()
    if re.fullmatch(r"(?:the |our |an? )?(?:\w+ )?(?:solution|answer|result)s?", found, re.I):
        formulas = FORMULA.findall(head)
        return formulas[0] if len(formulas) == 1 else head
    return found


def stated_from(text: str, match: re.Match[str]) -> tuple[str, int]:
    """Return what is stated after a mark, up to the end of the sentence, and where it ends."""
    formula = FORMULA.match(text, match.end())
    start = formula.end() if formula else match.end()
    end = CLOSED.search(text, start)
    stop = end.start() if end else len(text)
    return text[match.end() : stop].strip(), stop


def sentence_of(text: str, place: int) -> str:
    """Return the sentence that a place is in, up to there."""
    starts = [match.end() for match in SENTENCE.finditer(text, 0, place)]
    return text[starts[-1] if starts else 0 : place]
