"""Find the answer in a text: the last box, else what the prose states."""

from __future__ import annotations

import re

from edgewise.answer import BOXES, Box, boxes_from_end
from edgewise.grading import languages
from edgewise.grading.sentences import (
    AMOUNT,
    BOLD,
    COPULA,
    FORMULA,
    VALUE,
    doubtful,
    is_english,
    only_value,
)

WORDS = re.compile(r"(?:(?<![\\a-zA-Z{])[a-zA-Z]{2,}[\s,:]+){2}|\banswer\b", re.IGNORECASE)
STATED = re.compile(
    r"(?:\banswer\b(?:\*\*)?(?:\s+(?:to|of|for|in)\b[^.$=:]{0,80}?)?\s*(?:\bis\b|\bare\b|=|:|(?=\s[$\\]))\s*:?"
    rf"|{languages.ANSWER.pattern}|(?:^|\n)[#* ]*(?:final )?answer(?:\*\*)?[ \t]*\n)\s*(?:\*\*)?\s*\}}?\s*",
    re.IGNORECASE,
)
CLOSED = re.compile(rf"[.!](?=\s|$)|[{languages.STOPS}]|\n|<\||\*\*(?=[\s.]|$)")
SENTENCE = re.compile(
    r"(?:(?<=[.!?])|(?<=[.!?]\$)|(?<=[.!?]\\[)\]]))\s+(?=[^\W\d_a-z])|(?<=\\\])(?=[A-Z][a-z])"
    rf"|(?<=[{languages.STOPS}])\s*|(?<!\s)\s+(?={languages.OPENING.pattern})|\n+"
)
MAX_LENGTH = 5_000  # characters at the end of a text that are looked at
COUNTED = re.compile(  # a number or formula and words
    rf"(?:{FORMULA.pattern}|[$€£]?[0-9][0-9.,/]*)\s?(?:[a-zA-Z]{{2}}|[{languages.LETTERS}])[a-zA-Z\s,'{languages.LETTERS}-]*",
    re.IGNORECASE,
)
DEFINES = re.compile(rf"(?:[a-zA-Z\s,'-]|[{languages.LETTERS}])*=")  # words alone and "="
REASON = re.compile(r",?(?<!\s)\s+(?:because|since)\b")
CLAUSE = re.compile(
    rf"(?:[,;{languages.MARKS}]\$?|\\\])\s*(?:and )?(?={languages.CLAUSES.pattern})", re.IGNORECASE
)
KIND = re.compile(  # that a formula is said to be of
    r"^(?:(?:equal to|given by|therefore|then|simply|exactly|the|an?|closed|open|half-open|ordered|only|"
    r"interval|point|set|value|number|pair|triple|vector|matrix|function|polynomial|line|fraction)\s+)+"
    r"(?=\$[^$]+\$\W*$|\\\(.*\\\)\W*$)",
    re.IGNORECASE,
)
BEFORE = re.compile(r"[a-zA-Z\s,']+:?\s*")  # words alone
AFTER = re.compile(
    rf"(?:\s|[.!*${languages.STOPS}]|I hope (?:it|this) is correct|<\|.*)*",
    re.IGNORECASE | re.DOTALL,
)
BETWEEN_BOXES = re.compile(
    r"(?:[\s$,;]|\\[()\[\],;:! ]|\\q?quad|\\(?:text|mbox|mathrm)\s*\{\s*(?:and|or)?\s*\}|\band\b|\bor\b"
    r"|(?<![a-zA-Z])[a-zA-Z]\s*=)*"
)


def conclusion(text: str) -> str:
    r"""Extract the answer that prose states; the whole text if it states none.

    That is what follows "answer is", "answer:" up to the end of the sentence, with nothing after it
    but that it may be correct, and not stated differently elsewhere. Without "answer", it is what the
    last sentence concludes, see `concluded`. Both are known in the languages of `languages`.

    >>> conclusion("Adding gives 8. The final answer is $7$. I hope it is correct.")
    '$7$'
    >>> conclusion("So the sum is 7."), conclusion("I think 7, but it could also be 8")
    ('7', 'I think 7, but it could also be 8')
    """
    text = text[-MAX_LENGTH:]
    if not any(
        words.search(text) for words in (WORDS, languages.FOREIGN, languages.BEGINS, STATED, CLAUSE)
    ):
        return text
    stated = [stated_from(text, match) for match in STATED.finditer(text)]
    stated = [one for one in stated if not introduces(one[0])]
    if stated:
        last, end = stated[-1]
        same = {" ".join(one.strip(" $*.").split()) for one, _ in stated}
        alone = len(same) == 1 and AFTER.fullmatch(text, end)
        doubt = doubtful(sentence_of(text, text.rindex(last) if last else 0))
        return concluded(last, last, True) if alone and last and not doubt else text
    last = text.partition("<|")[0].strip().removesuffix("I hope it is correct.").rstrip()
    *_, previous, sentence = ["", "", *filter(None, SENTENCE.split(last))]
    if FORMULA.fullmatch(sentence.rstrip(f" .{languages.STOPS}")) and previous.rstrip()[
        -1:
    ] not in (".", ""):
        sentence = f"{previous} {sentence}"  # a formula in a line of its own
    sure = concludes(sentence, text)
    return concluded(sentence, text, sure) if sure or sentence == last else text


def introduces(statement: str) -> bool:
    """Check whether a statement only introduces another one: "Answer: the answer is 7"."""
    inner = STATED.search(statement)
    return inner is not None and VALUE.search(statement, 0, inner.start()) is None


def concludes(sentence: str, text: str) -> bool:
    """Check whether the last sentence presents a conclusion.

    It does by a word, as words before "=", or by the one value that is in bold, there or anywhere.
    """
    if any(one.search(sentence) for one in (languages.BEGINS, languages.CONCLUDES, CLAUSE)):
        return True
    bold = BOLD.findall(sentence)
    others = {one for one in BOLD.findall(text) if VALUE.fullmatch(one)} - set(bold)
    one = len(bold) == 1 and VALUE.search(bold[0]) is not None and not others
    return one or DEFINES.match(sentence) is not None


def concluded(sentence: str, text: str, sure: bool) -> str:
    """Extract what a sentence concludes; `text` if it concludes nothing or doubts it.

    It is its only formula, if that ends it; what follows its only "is", or what it names before "the
    answer"; or, if it is `sure` that it concludes, the only value that it names.
    """
    formulas = list(FORMULA.finditer(sentence))
    if len(formulas) == 1 and AFTER.fullmatch(sentence, formulas[0].end()):
        before = sentence[: formulas[0].start()]
        if BEFORE.fullmatch(before) and not COPULA.search(before):
            return text if doubtful(before) or AMOUNT.search(before) else formulas[0][0]
    if doubtful(sentence):
        return text
    sentence = CLAUSE.split(REASON.split(sentence)[0])[-1]
    found = after_copula(sentence)
    value = None
    if found is None or COUNTED.match(found) or (found[:1].isalpha() and not is_english(sentence)):
        value = only_value(sentence) if sure or found else None
    return value or found or text


def after_copula(sentence: str) -> str | None:
    """Return what follows the only "is" of a sentence, or precedes "is the answer"; None otherwise."""
    pattern = COPULA if is_english(sentence) else languages.COPULA
    copulas = list(pattern.finditer(sentence))
    if len(copulas) != 1:
        return None
    found = sentence[copulas[0].end() :].strip().rstrip(f".{languages.STOPS}")
    head = sentence[: copulas[0].start()].strip()
    if re.fullmatch(r"(?:the |our |an? )?(?:\w+ )?(?:solution|answer|result)s?", found, re.I):
        formulas: list[str] = FORMULA.findall(head)
        return formulas[0] if len(formulas) == 1 else head
    return KIND.sub("", found)


def stated_from(text: str, match: re.Match[str]) -> tuple[str, int]:
    """Return the statement after a mark, up to the end of its sentence, and where it ends."""
    formula = FORMULA.match(text, match.end())
    start = formula.end() if formula else match.end()
    end = CLOSED.search(text, start)
    stop = end.start() if end else len(text)
    return text[match.end() : stop].strip(), stop


def sentence_of(text: str, place: int) -> str:
    """Return the sentence around an index, up to the index."""
    starts = [match.end() for match in SENTENCE.finditer(text, 0, place)]
    return text[starts[-1] if starts else 0 : place]


def find_answer(text: str) -> str:
    r"""Extract the last ``\boxed{}`` of `text`, else the answer that its prose states (`conclusion`).

    Boxes with nothing but commas, "and" or "or" between them are one list.

    >>> find_answer(r"so \boxed{7}, no: \boxed{\frac{1}{2}}.")
    '\\frac{1}{2}'
    >>> find_answer(r"\boxed{2} \text{ and } \boxed{3}"), find_answer("7")
    ('2, 3', '7')
    """
    if not any(box in text for box in BOXES):
        return conclusion(text)
    found: list[Box] = []
    for box in boxes_from_end(text):
        if found and not BETWEEN_BOXES.fullmatch(text[box.stop : found[-1].start]):
            break
        found.append(box)
    return ", ".join(text[box.begin : box.end] for box in reversed(found)) if found else text
