"""A token stream with one token of lookahead, and bracket matching over tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from edgewise.grading.tokens import CLOSING, OPENING, Token, Unreadable
from edgewise.grading.vocabulary import is_word

END = Token("end", "")
DEPTH = {
    **dict.fromkeys((*OPENING, "{"), 1),
    **dict.fromkeys((*CLOSING, "}"), -1),
}


class Stream:
    """Tokens consumed from left to right."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        """Start at the first token; letters that form no word become single letters."""
        self.tokens = list[Token]()
        for token in tokens:
            if token.kind == "run" and not is_word(token.text):
                self.tokens.append(Token("letter", token.text[0], token.spaced))
                self.tokens += [Token("letter", letter) for letter in token.text[1:]]
            else:
                self.tokens.append(token)
        self.tokens.append(END)
        self.place = self.depth = 0
        self.in_bars = False

    @property
    def next(self) -> Token:
        """Return the lookahead token."""
        return self.tokens[self.place]

    def accept(self, *texts: str) -> bool:
        """Consume the next token if it is one of `texts`."""
        if self.next.text in texts and self.next is not END:
            self.place += 1
            return True
        return False

    def expect(self, text: str) -> None:
        """Consume `text` or raise Unreadable."""
        if not self.accept(text):
            raise Unreadable(f"{self.next.text!r} is not {text!r}")

    def text_of_argument(self) -> str:
        """Consume an index and return its text without braces."""
        if not self.accept("{"):
            if self.next is END:
                raise Unreadable("an index of nothing")
            self.place += 1
            return self.tokens[self.place - 1].text.lstrip("\\")
        depth, texts = 1, list[str]()
        while depth:
            if self.next is END:
                raise Unreadable("an index is not closed")
            depth += {"{": 1, "}": -1}.get(self.next.text, 0)
            texts.append(self.next.text.lstrip("\\"))
            self.place += 1
        if len(texts) == 1:
            raise Unreadable("an empty index")
        return "".join(texts[:-1])

    def letters_of_argument(self) -> str:
        """Consume the letters under an accent."""
        text = self.text_of_argument()
        if any(letter in "0123456789" for letter in text):
            raise Unreadable("an accent over a number")
        return text

    def whole_number(self) -> Fraction | None:
        """Return the value of the next token if it is an integer."""
        token = self.next
        return (
            Fraction(int(token.text)) if token.kind == "number" and token.text.isdigit() else None
        )


def indexed_top(tokens: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    """Yield the tokens outside all brackets, with their indices."""
    depth = 0
    for i, token in enumerate(tokens):
        change = DEPTH.get(token.text, 0)
        if not change and token.kind == "command" and token.text.endswith("}"):
            change = (
                {"\\b": 1, "\\e": -1}.get(token.text[:2], 0)
                if token.text[1:4] in ("beg", "end")
                else 0
            )
        depth += change
        if depth < 0:
            raise Unreadable("a bracket is not opened")
        if depth == 0 and change == 0:
            yield i, token


def top(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield the tokens outside all brackets."""
    return (token for _, token in indexed_top(tokens))


def split(tokens: Sequence[Token], separators: set[str]) -> Iterator[Sequence[Token]]:
    """Split tokens at separators outside all brackets."""
    start = 0
    for i, token in indexed_top(tokens):
        if token.text in separators:
            yield tokens[start:i]
            start = i + 1
    yield tokens[start:]


def closes_at_end(tokens: Sequence[Token]) -> bool:
    """Check whether the last token closes the first bracket."""
    depth = 0
    for i, token in enumerate(tokens):
        depth += DEPTH.get(token.text, 0)
        if depth == 0:
            return i == len(tokens) - 1
    return False
