"""Find the answer in a completion, in time linear in its length."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

BRACE = re.compile(
    r"""\\\\?(?:boxed|fbox)(?:
        \s*+\{                                            # \boxed{7}, \boxed {7}
      | (?:\s*+(?P<token>\d|\\(?!boxed|fbox)[A-Za-z]++)|\s++(?P<letter>[A-Za-z]))
        (?=[.,;]?[ \t]*+(?:\$|\\[)\]]|[}<\n]|\Z))         # \boxed 7, and nothing more
    )
    | \\[\\{}] | [{}]""",
    re.VERBOSE | re.ASCII,
)
MAX_SEARCHED = 100_000  # characters at the end of a completion in which a box counts
BOXES = ("\\boxed", "\\fbox")
TAGS = ("<think>", "</think>", "<answer>", "</answer>")
FORMATS = ("any", "boxed", "answer", "think_answer")
THOUGHTS = ("open", "closed", "begun")


class Box(NamedTuple):
    """A span of a text that is a box, as slice indices."""

    start: int  # of the command
    begin: int  # of what it holds
    end: int
    stop: int  # of the whole


MARKERS = re.compile(r"\\f?box(?:ed)?|</?answer\s*>", re.IGNORECASE)


def without_markers(text: str) -> str:
    r"""Return `text` without what begins or ends an answer, so that none is found in it.

    >>> without_markers(r"<think>Is it \boxed{4}? <answer>4</answer>")
    '<think>Is it {4}? 4'
    """
    return MARKERS.sub("", text)


def extract_answer(
    completion: str, form: str = "any", thought: str = "open", thinking: bool = False
) -> str | None:
    r"""Extract the last ``\boxed{...}`` or ``<answer>`` of a completion, or None if it has none.

    Braces must balance. Of two that nest, the inner one counts. ``\fbox`` is a box too, and a box
    may hold, without braces, what TeX and a reader both take for all of it: one digit, letter or
    command before the end of the formula, of the line or of the text. ``\boxed 72`` holds nothing.
    A box counts if it begins in the last 100,000 characters.

    Args:
        completion: What a model wrote.
        form: Accepts one of the two only, "boxed" or "answer", or "think_answer", the gate of E2H
            (arXiv 2506.06632): the whole completion is one ``<think>`` and one ``<answer>``,
            neither empty.
        thought: Whether an answer in a thought counts: with "closed", the text up to the last
            ``</think>`` is not searched, and after a ``<think>`` that is not closed there is none;
            "begun" is the same where the prompt has opened a thought, as some chat templates do.
        thinking: Whether the completion begins in a thought that its prompt has opened.

    >>> extract_answer(r"\boxed{1}, no: \boxed{\frac{1}{2}}")
    '\\frac{1}{2}'
    >>> extract_answer(r"<answer> \boxed{3} </answer>")
    '3'
    >>> extract_answer(r"It is $\boxed 7$.")
    '7'
    >>> extract_answer("<think>1 < 2</think> <answer>2</answer>", "think_answer")
    '2'
    >>> extract_answer(r"\boxed{4") is None
    True
    >>> extract_answer(r"<think>Is it \boxed{5}?", thought="closed") is None
    True

    Raises:
        ValueError: If `form` or `thought` is none that there is.
    """
    if form not in FORMATS:
        raise ValueError(f"`form` must be one of {FORMATS}, got {form!r}")
    if thought not in THOUGHTS:
        raise ValueError(f"`thought` must be one of {THOUGHTS}, got {thought!r}")
    if form == "think_answer" and not is_think_answer(completion):
        return None
    if thought != "open":
        _, closed, completion = completion.rpartition("</think>")
        if "<think>" in completion or ((thinking or thought == "begun") and not closed):
            return None
    start, end = -1, -1
    if form != "boxed":
        close = completion.rfind("</answer>")
        opening = completion.rfind("<answer>", 0, max(close, 0))
        if opening >= 0:
            start, end = opening + len("<answer>"), close
    if form in ("any", "boxed"):
        box = next(boxes_from_end(completion), None)
        if box is not None and box.begin > start:
            start, end = box.begin, box.end
    return completion[start:end].strip() if start >= 0 else None


def boxes_from_end(text: str) -> Iterator[Box]:
    r"""Iterate over the innermost boxes of `text`, the last one first.

    A box without its closing brace is none. ``\\boxed`` is a box of a text that was quoted twice. Only the
    last MAX_SEARCHED characters are searched, from the end to the box that is asked for.

    >>> text = r"\boxed{\fbox{7}} and \boxed 8"
    >>> [text[box.begin : box.end] for box in boxes_from_end(text)]
    ['8', '7']
    """
    closing: list[int] = []  # closing braces that are not matched yet
    first = stop = len(text)  # of the boxes found; of the text searched, next box included
    for start in starts_from_end(text):
        for brace in reversed(list(BRACE.finditer(text, start, stop + 1))):
            if brace.lastgroup is not None:
                first = brace.start()
                yield Box(first, *brace.span(brace.lastgroup), brace.end())
            elif brace[0] == "}":
                closing.append(brace.start())
            elif brace[0][-1] == "{" and brace[0] != r"\{" and closing:
                end = closing.pop()
                if len(brace[0]) > 1 and end < first:  # else it is around another
                    first = brace.start()
                    yield Box(first, brace.end(), end, end + 1)
        stop = start


def starts_from_end(text: str) -> Iterator[int]:
    """Iterate over the indices of the box commands in the last part of `text`, the last one first."""
    least = max(0, len(text) - MAX_SEARCHED)
    places = {command: text.rfind(command, least) for command in BOXES}
    while (place := max(places.values())) >= 0:
        start = place
        while start > least and text[start - 1] == "\\":
            start -= 1
        yield start
        for command, found in places.items():
            if found == place:
                places[command] = text.rfind(command, least, place)


def is_think_answer(completion: str) -> bool:
    """Check that `completion` is one <think> and one <answer>, and nothing else."""
    text = completion.strip()
    if any(text.count(tag) != 1 for tag in TAGS):
        return False
    begin, think, answer, _ = (text.find(tag) for tag in TAGS)
    if begin != 0 or not text.endswith("</answer>") or not think < answer:
        return False
    thought, between = text[len("<think>") : think], text[think + len("</think>") : answer]
    content = text[answer + len("<answer>") : -len("</answer>")]
    return bool(thought.strip()) and not between.strip() and bool(content.strip())
