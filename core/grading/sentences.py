"""Extract the only value of a concluding sentence."""

from __future__ import annotations

import re

from edgewise.grading import languages
from edgewise.grading.languages import COLONS, FOREIGN, LETTERS, MARKS, PERCENTS, STOPS
from edgewise.grading.phrases import known_unit
from edgewise.grading.vocabulary import NO_UNITS, NUMBER_WORDS, listed

FORMULA = re.compile(r"\$\$?[^$]+\$\$?|\\\(.*?\\\)|\\\[.*?\\\]", re.DOTALL)
DOUBT = re.compile(
    r"\b(?:or|but|not|\w+n't|never|if|unless|either|neither|maybe|perhaps|possibly|could|might|may|"
    r"would|should|think|guess|probably|wrong|false|incorrect|instead|except|although|though|however)\b",
    re.IGNORECASE,
)
AMOUNT = re.compile(
    r"\b(?:least|most|more|less|fewer|greater|smaller|larger|than|about|around|approximately|roughly|"
    r"nearly|almost|between|over|under|above|below|exceeds?|up|anything|everything|any|all|no)\b",
    re.IGNORECASE,
)
CONDITION = re.compile(
    r"\b(?:since|because|given|assuming|assume|when|where|whenever|suppose)\b", re.I
)
COPULA = re.compile(  # of a main clause
    r"(?<!\bthat )(?<!\bwhich )(?<!\bwho )(?<!\bthere )\b(?:is|are|equals)\b\s*:?\s*", re.IGNORECASE
)
DESCRIPTION = re.compile(  # of a subject, up to its verb: the number that could, the most we might
    r"(?<=\bthe )(?:[\w-]+ ){1,12}?(?:that|which|who|whom|we|you|he|she|they|one|it) [^,;:!?]*$",
    re.IGNORECASE,
)
CONDITIONS = re.compile(r"\b(?:could|might|may|would|should|not|\w+n't|or)\b", re.IGNORECASE)
LINKS = frozenset(  # of the words that are no units, those that may stand beside a number
    listed("of to from by with is are was were be been exactly so thus hence than what which")
    + listed("where when while")
)
COUNTS = re.compile(
    rf"\b(?:{'|'.join(sorted((NO_UNITS - LINKS) - {'and', 'for'}))})\b", re.IGNORECASE
)
PARTS = re.compile(  # 7 and a half
    rf"{'|'.join(NUMBER_WORDS)}|hal(?:f|ves)|quarters?|thirds?|dozens?", re.IGNORECASE
)
ENGLISH = re.compile(
    r"\b(?:the|is|are|of|we|so|thus|hence|therefore|has|have|answer)\b", re.IGNORECASE
)
NUMBER = r"[0-9]+(?:[.,][0-9]+)*"
VALUE = re.compile(
    rf"{FORMULA.pattern}"
    rf"|(?:(?P<sign>[-\u2212])\s?)?(?:(?P<before>[$€£])\s?)?(?P<number>{NUMBER}(?:\s?/\s?{NUMBER})?"
    rf"(?P<chain>(?:\s*[-+*/=×÷·\u2212]\s*{NUMBER})*))(?:\s?(?P<after>[°$€£{PERCENTS}]))?",
    re.DOTALL,
)
AMBIGUOUS = re.compile(
    r"(?<![0-9.,])[1-9][0-9]{0,2}\.[0-9]{3}(?![0-9])"
)  # 1.000 is a thousand or one
DECIMAL = re.compile(r",(?![0-9]{3}(?![0-9]))|(?<=(?<![0-9])0),")  # comma, which groups no digits
PLAIN = re.compile(  # words alone
    rf"(?:[a-zA-Z\s,.;{COLONS}{MARKS}{STOPS}\u064b-\u0652]|(?!\d)[{LETTERS}]"
    rf"|(?<=[a-zA-Z{LETTERS}])['\u2019-](?=[a-zA-Z{LETTERS}]))*"
)
OPEN = re.compile(rf"(?:^|[\s,={COLONS}{MARKS}]|[{LETTERS}])$")  # what may stand before a number
WORD = re.compile(r"[^\W\d_]+")
BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
MAX_UNIT = 4  # words
NEAR, SEEN = 3, 60  # words, and characters, beside a number that could make another of it


def doubtful(sentence: str) -> bool:
    r"""Check a sentence for words of doubt, ignoring those that only describe its subject.

    >>> doubtful("So the largest number that could not be reached is 7."), doubtful("It could be 7.")
    (False, True)
    """
    other = not is_english(sentence) and languages.DOUBT.search(sentence)
    copula = COPULA.search(sentence)
    end = copula.start() if copula else 0
    subject = DESCRIPTION.sub(lambda match: CONDITIONS.sub("", match[0]), sentence[:end])
    return bool(other or DOUBT.search(subject) or DOUBT.search(sentence, end))


def is_english(sentence: str) -> bool:
    """Check whether to apply the English word lists to a sentence."""
    return FOREIGN.search(sentence) is None and ENGLISH.search(sentence) is not None


def only_value(sentence: str) -> str | None:
    r"""Extract the only value of a sentence; None if it has none, several, or words of doubt.

    A number is taken with its unit, a chain of equalities as a whole. Values before the last one do not
    count if the only "is" of the sentence stands between them and it.

    >>> only_value("So she has 79 g of wax."), only_value("Donc le total est de 100 - 30 = 70.")
    ('79 \\text{g}', '100 - 30 = 70')
    >>> only_value("So she has 3 of 79 pens."), only_value("所以有858颗糖果。")
    (None, '858 \\text{counted}')
    """
    if AMOUNT.search(sentence) or CONDITION.search(sentence) or doubtful(sentence):
        return None
    sentence = sentence.replace("**", "")
    matches = list(VALUE.finditer(sentence))
    if not matches or not PLAIN.fullmatch(without_values(sentence, matches)):
        return None
    last = matches[-1]
    if len(matches) > 1 and len({match[0].strip() for match in matches}) > 1:
        copula = languages.COPULA if not is_english(sentence) else COPULA
        places = [match.end() for match in copula.finditer(sentence)]
        if len(places) != 1 or sentence[places[0] : last.start()].strip():
            return None
    return value_at(sentence, last)


def without_values(sentence: str, matches: list[re.Match[str]]) -> str:
    """Return the text between the values, without the equals signs before them."""
    ends = [0, *(match.end() for match in matches)]
    starts = [*(match.start() for match in matches), len(sentence)]
    parts = [sentence[end:start] for end, start in zip(ends, starts, strict=True)]
    return " ".join([*(part.rstrip().removesuffix("=") for part in parts[:-1]), parts[-1]])


def value_at(sentence: str, match: re.Match[str]) -> str | None:
    """Extract a value with its unit; None if a neighbouring word changes it."""
    before, after = sentence[: match.start()], sentence[match.end() :]
    english = is_english(sentence)
    if is_reshaped(before, after, english):
        return None
    unit = unit_after(after, english)
    if match["number"] is None:
        inside, (name, _) = match[0].strip("$"), unit or ("", True)
        return f"{inside}{name}" if name else match[0]
    number, mark = number_of(match, english), match["before"] or match["after"]
    if number is None or not OPEN.search(before) or (match["before"] and match["after"]):
        return None
    if mark in (*PERCENTS, "°"):
        return number + (r"^\circ" if mark == "°" else r"\%")
    if mark:
        return f"{mark} {number}".replace("$", r"\$")
    return None if unit is None else number + unit[0]


def is_reshaped(before: str, after: str, english: bool) -> bool:
    """Check whether a neighbouring word changes the number: "twice 7", "7 thousand"."""
    reshapes, parts = (COUNTS, PARTS) if english else (languages.RESHAPES, languages.RESHAPES)
    beside = reshapes.match(after.lstrip()) and not is_unit(after.lstrip())
    words = WORD.findall(before[-SEEN:])[-NEAR:], WORD.findall(after[:SEEN])[:NEAR]
    return (
        bool(beside)
        or any(map(reshapes.fullmatch, words[0]))
        or any(map(parts.fullmatch, words[1]))
    )


def number_of(match: re.Match[str], english: bool) -> str | None:
    """Return the matched number or chain of equalities, with a point for a decimal comma."""
    number = match["number"]
    if match["chain"] and "=" not in match["chain"]:
        return None
    if not english:
        if AMBIGUOUS.search(number):
            return None
        number = DECIMAL.sub(".", number)
    return f"{'-' if match['sign'] else ''}{number}"


def is_unit(text: str) -> bool:
    """Check whether a text begins with a unit in another language."""
    return any(names.match(text) for names in languages.UNITS.values())


def unit_after(after: str, english: bool) -> tuple[str, bool] | None:
    r"""Return the unit after a number and whether it is known; None if it could be a factor.

    A word that is no unit stands for what is counted.

    >>> unit_after(" square feet of it", True), unit_after(" pens", True), unit_after("x", True)
    ((' \\text{square feet}', True), (' \\text{pens}', False), None)
    """
    rest = after.strip()
    word = WORD.match(rest)
    if word is None:
        return "", True
    found = next((u for u, names in languages.UNITS.items() if names.match(rest)), None)
    if found and not english:
        return (r"\%" if found == "%" else rf" \text{{{found}}}"), True
    if not word[0].isascii():
        return r" \text{counted}", False
    words = re.split(r"[^a-zA-Z\s]", rest)[0].split()
    for size in range(min(MAX_UNIT, len(words)), 0, -1):
        if known_unit(words[:size]) and not (size == 1 < len(words) and words[0] in ("in", "a")):
            return rf" \text{{{' '.join(words[:size])}}}", True
    if len(words[0]) == 1 or not after[0].isspace():
        return None
    linked = words[0].lower() in LINKS | {"and", "in"}
    return ("", True) if linked else (rf" \text{{{words[0]}}}", False)
