"""Read a logic grid puzzle out of its text: the listed values, and each clue as a relation of two.

Layouts of ZebraLogic (Lin et al., 2025, arXiv 2502.01100) and of SEC (Chen et al., 2025, arXiv
2505.14970). Whoever a clue describes, "the person who keeps horses", must be exactly one of the
values, or the clue is refused: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from edgewise.envs.zebra.problem import Clue
from edgewise.envs.zebra.solver import MAX_HOUSES
from edgewise.envs.zebra.words import ORDINALS
from edgewise.errors import shown
from edgewise.rows import quoted

MAX_ATTRIBUTES = 12
MAX_CLUES = 200
MAX_SENTENCE = 400  # characters
LISTED = re.compile(r"^ *[-*] +([^`:\n]+):(.+)$", re.MULTILINE)
QUOTED = re.compile(r"`([^`\n]+)`")
NUMBERED = re.compile(r"^ *(\d{1,3})[.)] +(.+)$", re.MULTILINE)
HOUSE = r"(?:the (\w+) house|house (\d))"
SHAPES = (  # of a whole clue: kind, whether the two change places, and how it is written
    ("not_at", False, re.compile(rf"(.+) is not in {HOUSE}")),
    ("at", False, re.compile(rf"(.+) is in {HOUSE}")),
    ("next", False, re.compile(r"(.+) are next to each other")),
    ("one_between", False, re.compile(r"there is one house between (.+)")),
    ("two_between", False, re.compile(r"there are two houses between (.+)")),
)
RELATIONS = (  # between two descriptions
    ("directly_left", False, " is directly left of "),
    ("directly_left", True, " is directly right of "),
    ("left", False, " is somewhere to the left of "),
    ("left", True, " is somewhere to the right of "),
    ("not_same", False, " is not "),
    ("same", False, " is "),
)
ALSO = {  # other words for a value
    "brit": "british", "swede": "swedish", "painting": "paint",
    "woodworking": "woodwork", "mar": "march", "oct": "october", "aug": "august",
}  # fmt: skip
# What tells apart values of the same name: of each attribute, found by a word of its introduction,
# how its people are described.
CUES = (
    ("child", re.compile(r"\b(?:child|mother of)\b")),
    ("mother", re.compile(r"\bmother s name\b")),
    ("hair", re.compile(r"\bhair\b")),
    ("color", re.compile(r"\bfavorite color\b|\bloves\b")),
    ("pet", re.compile(r"\bpet\b|\bowns an?\b|\bhas an?\b|\baquarium\b")),
    ("animal", re.compile(r"\b(?:owner|lover|keeper|enthusiast|keeps)\b")),
    ("smoothie", re.compile(r"\bsmoothies?\b")),
    ("education", re.compile(r"\b(?:degree|diploma|school|doctorate)\b")),
    ("cigar", re.compile(r"\b(?:smokes|smoker|partial)\b")),
)


class Listed(NamedTuple):
    """An attribute as the puzzle lists it."""

    introduction: str
    values: tuple[str, ...]


class Span(NamedTuple):
    """Where a description mentions a value: its words from `start` to `stop`."""

    item: int
    start: int
    stop: int
    exact: bool


@dataclass(frozen=True)
class Puzzle:
    """The values and sentences of a puzzle."""

    attributes: tuple[Listed, ...]
    sentences: tuple[str, ...]

    @property
    def num_houses(self) -> int:
        """The count of houses."""
        return len(self.attributes[0].values)

    @cached_property
    def words(self) -> list[tuple[int, list[str]]]:
        """The items, each with the words of its value, and again with those that are used for it."""
        found = []
        for a, (_, values) in enumerate(self.attributes):
            for v, value in enumerate(values):
                item = a * self.num_houses + v
                found.append((item, words_of(value)))
                if value.lower() in ALSO:
                    found.append((item, words_of(ALSO[value.lower()])))
        return found

    def introduction(self, item: int) -> str:
        """Return the introduction of the attribute of an item, in small letters."""
        return self.attributes[item // self.num_houses].introduction.lower()

    def clues(self) -> tuple[Clue, ...]:
        """Return what the sentences say; ValueError for one that cannot be read."""
        return tuple(dict.fromkeys(self.clue(sentence) for sentence in self.sentences))

    def clue(self, sentence: str) -> Clue:
        """Return what one sentence says; ValueError if it has no reading, or several."""
        readings = set(self.readings(" ".join(sentence.split()).removesuffix(".")))
        if len(readings) != 1:
            count = "no reading" if not readings else f"{len(readings)} readings"
            raise ValueError(f"the clue {shown(sentence)} has {count}")
        return readings.pop()

    def readings(self, sentence: str) -> Iterator[Clue]:
        """Yield the readings of a sentence as the first of the shapes that fits."""
        lowered = sentence.lower()
        size = len(self.attributes) * self.num_houses
        for kind, _, pattern in SHAPES:
            match = pattern.fullmatch(lowered)
            if match is None:
                continue
            told = sentence[match.start(1) : match.end(1)]
            if kind not in ("at", "not_at"):
                yield from self.pairs(kind, False, told, " and ")
                return
            house = read_house(match[2], match[3], self.num_houses)
            item = self.item(told)
            if item is not None and house is not None:
                yield Clue(kind, item, size + house)
            return
        for kind, turned, separator in RELATIONS:
            if separator in lowered:
                yield from self.pairs(kind, turned, sentence, separator)
                return

    def pairs(self, kind: str, turned: bool, text: str, separator: str) -> Iterator[Clue]:
        """Yield a clue for each place where `separator` has a description on either side."""
        parts = re.split(f"(?i:{separator})", text)
        for place in range(1, len(parts)):
            one, two = separator.join(parts[:place]), separator.join(parts[place:])
            first = self.item(one)
            second = None if first is None else self.item(two)
            if first is not None and second is not None:
                yield Clue(kind, *((second, first) if turned else (first, second)))

    def item(self, description: str) -> int | None:
        """Return the only item that is described; None if there is none, or there are several."""
        is_name = not description.lower().startswith("the ")
        words = words_of(description)
        if is_name:
            found = {item for item, value in self.words if value == words}
        else:
            spans = [span for item, value in self.words for span in spans_of(item, value, words)]
            found = {span.item for span in widest(spans)}
        if len(found) > 1:
            found = {item for item in found if self.is_meant(item, description, is_name)}
        return found.pop() if len(found) == 1 else None

    def is_meant(self, item: int, description: str, is_name: bool) -> bool:
        """Return whether a description is of the kind that the attribute of an item has."""
        introduction = self.introduction(item)
        cue = next((cue for word, cue in CUES if word in introduction), None)
        if is_name:
            return cue is None and "name" in introduction
        text = " ".join(plain(description).split())
        return cue is not None and cue.search(text) is not None


def read_puzzle(text: str) -> Puzzle:
    """Return the values that a text lists, and its numbered sentences; ValueError if it has none."""
    attributes = []
    end = 0
    for match in LISTED.finditer(text):
        listed = QUOTED.findall(match[2]) or [part.strip() for part in match[2].split(",")]
        attributes.append(Listed(match[1].strip(), tuple(listed)))
        end = match.end()
    if not 1 <= len(attributes) <= MAX_ATTRIBUTES:
        raise ValueError(f"the puzzle must list 1 to {MAX_ATTRIBUTES} attributes, one a line")
    num_houses = len(attributes[0].values)
    if not 2 <= num_houses <= MAX_HOUSES:
        raise ValueError(f"the puzzle must have 2 to {MAX_HOUSES} houses, got {num_houses}")
    for introduction, values in attributes:
        if len({value.lower() for value in values}) != num_houses or len(values) != num_houses:
            raise ValueError(f"{quoted(introduction)} must list {num_houses} different values")
    numbered = NUMBERED.findall(text, end)
    if not 1 <= len(numbered) <= MAX_CLUES:
        raise ValueError(f"the puzzle must have 1 to {MAX_CLUES} numbered clues")
    if [int(number) for number, _ in numbered] != list(range(1, len(numbered) + 1)):
        raise ValueError("the clues must be numbered from 1 on")
    sentences = tuple(sentence.strip() for _, sentence in numbered)
    if any(len(sentence) > MAX_SENTENCE for sentence in sentences):
        raise ValueError(f"a clue must have at most {MAX_SENTENCE} characters")
    return Puzzle(tuple(attributes), sentences)


def read_house(ordinal: str | None, digit: str | None, num_houses: int) -> int | None:
    """Return the house, from 0, that "third" or "3" names; None if there is none such."""
    place = ORDINALS.index(ordinal) if ordinal in ORDINALS else int(digit or 0) - 1
    return place if 0 <= place < num_houses else None


def plain(text: str) -> str:
    """Return `text` in small letters, with nothing but letters, digits and spaces."""
    joined = re.sub(r"(?<=[a-z])-(?=\d)", "", text.lower())  # F-150
    return re.sub(r"[^\w]+", " ", joined)


def words_of(text: str) -> list[str]:
    """Return the words of a text, without the s that some end with.

    >>> words_of("the person who keeps a Master's horses")
    ['the', 'person', 'who', 'keep', 'a', 'master', 'horse']
    """
    return [
        word[:-1] if len(word) > 2 and word.endswith("s") else word
        for word in plain(text).split()
        if word != "s"
    ]


def spans_of(item: int, value: Sequence[str], words: Sequence[str]) -> Iterator[Span]:
    """Yield where `words` have those of a value, or words that begin as they do: Jan, January."""
    for start in range(len(words) - len(value) + 1):
        there = words[start : start + len(value)]
        exact = list(there) == list(value)
        if exact or all(map(is_short_for, value, there)):
            yield Span(item, start, start + len(value), exact)


def is_short_for(value: str, word: str) -> bool:
    """Return whether `value`, of three letters or more, begins `word`, or is it."""
    return value == word or (len(value) > 2 and word.startswith(value))


def widest(spans: Sequence[Span]) -> list[Span]:
    """Return the exact spans if there are any, without those that are within a wider one."""
    best = [span for span in spans if span.exact] or list(spans)
    return [
        span
        for span in best
        if not any(
            other.start <= span.start
            and span.stop <= other.stop
            and other.stop - other.start > span.stop - span.start
            for other in best
        )
    ]
