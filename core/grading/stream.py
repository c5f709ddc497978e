"""The tokens that a parser has before it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from edgewise.grading.tokens import Token, Unreadable
from edgewise.grading.vocabulary import is_word

END = Token("end", "")


class Stream:
    """Tokens that are taken one after the other."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        """Begin before the first token, with letters side by side taken apart."""
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
        """Return the next token."""
        return self.tokens[self.place]

    def accept(self, *texts: str) -> bool:
        """Go on after the next token if it is one of `texts`."""
        if self.next.text in texts and self.next is not END:
            self.place += 1
            return True
        return False

    def expect(self, text: str) -> None:
        """Go on after `text`, which must be next."""
        if not self.accept(text):
            raise Unreadable(f"{self.next.text!r} is not {text!r}")

    def text_of_argument(self) -> str:
        """Return an index as it is written, without braces."""
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
        """Return what an accent stands over, which must be letters."""
        text = self.text_of_argument()
        if any(letter in "0123456789" for letter in text):
            raise Unreadable("an accent over a number")
        return text

    def whole_number(self) -> Fraction | None:
        """Return the value of the next token if it is a whole number."""
        token = self.next
        return (
            Fraction(int(token.text)) if token.kind == "number" and token.text.isdigit() else None
        )
