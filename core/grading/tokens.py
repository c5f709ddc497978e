r"""Tokenise a normalised answer into numbers, letters, words, commands and signs."""

from __future__ import annotations

import re
from typing import NamedTuple

from edgewise.grading.text import BOUND
from edgewise.grading.vocabulary import FUNCTIONS, GREEK, JOINERS, SPELLED

MAX_TOKENS = 1_000
MAX_NESTED = 10  # texts within texts


class Unreadable(ValueError):
    """The grammar does not cover this text."""


class Token(NamedTuple):
    """A token of an answer."""

    kind: str  # "number", "letter", "run" of letters, "word", "command", "sign" or "bound"
    text: str
    spaced: bool = False  # from the token before it


GAP = r"(?:,\s*\\[!,;]|\{,\}|\\,|\\!)\s*"  # between groups of digits, and nowhere else
NUMBER = re.compile(
    rf"(?P<whole>[0-9]{{1,3}}(?:{GAP}[0-9]{{3}})+(?![0-9])|[0-9]{{1,3}}(?:\ [0-9]{{3}})+(?![0-9])"
    r"|(?P<commas>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9]))|[0-9]+)?"
    r"(?:\.(?P<part>[0-9]+|(?=\s*(?:[/(]|\{?\\(?:overline|bar|dot))))"
    r"(?:\{?\\(?:overline|bar|dot)\s*(?:\{\s*(?P<block>[0-9]+)\s*\}|(?P<digit>[0-9]))\}?"
    r"|(?<=\.)\((?P<round>[0-9]+)\))?)?"
    r"(?P<power>[eE][-+]?[0-9]{1,5}(?![a-zA-Z]|\.?[0-9]))?"
)
GROUPING = re.compile(r"[^0-9]")
LETTERS = re.compile(r"[a-zA-Z]+")
WORD = re.compile(r"[a-zA-Z]+(?:['-][a-zA-Z]+)*")
COMMAND = re.compile(r"\\(?:[a-zA-Z]+|.)", re.DOTALL)
SIGN = re.compile(r"\*\*|\+/-|<=|>=|!=|=<|\{[-+:]\}|.", re.DOTALL)
HALF_DAY = re.compile(r"([aApP])(\.?)\s*[mM](?![a-zA-Z])(\.?)")
SPACE = re.compile(r"(?:\s|\\[,;:> ]|~|\\q?quad(?![a-zA-Z]{2})|\\[hv]space\s*\{[^{}]{0,20}\})+")
SILENT = re.compile(
    r"\\!|\\(?:left|right)(?![a-zA-Z])\s*\.?|\\(?:middle|[bB]igg?[lrm]?|displaystyle|textstyle|large|Large|LARGE|huge|Huge|small|normalsize|tiny|therefore|"
    r"scriptstyle|limits|nolimits|bf|rm|it|sf|tt|strut|mathstrut|normalfont|bfseries|itshape)(?![a-zA-Z])"
    r"|\\(?:textcolor|color)\s*\{[a-zA-Z0-9!]*\}|\\[vh]?phantom\s*(?:\{[^{}]*\}|[^{\\])"
)
ENVIRONMENT = re.compile(r"\s*\{([a-z]+)\*?\}(?:\s*\{[clr|@{} ]*\}(?=.*\\end))?", re.DOTALL)
CONTENT = re.compile(r"\s*\{")
ROW_GAP = re.compile(r"\s*\[[0-9.]+\s*(?:pt|em|ex|mm|cm)\]")  # \\[4pt]
LOGIC = {r"\lor": "or", r"\vee": "or", r"\land": "and", r"\wedge": "and"}
BLACKBOARD = re.compile(r"\s*(?:\{\s*([A-Z])\s*\}|([A-Z]))")
WORDY = re.compile(
    r"[\s.]*[a-zA-Z]{2}[a-zA-Z\s.,'-]*(?:\^\s*\{?\s*[23]\s*\}?)?|\s*[aApP]\.\s*[mM]\.?\s*"
)
TEXT = frozenset({
    r"\text", r"\textbf", r"\textit", r"\textrm", r"\mbox", r"\hbox", r"\textnormal", r"\texttt",
    r"\textsf", r"\emph", r"\textup", r"\textsc",
})  # fmt: skip
UPRIGHT = frozenset({r"\mathrm", r"\operatorname", r"\mathsf", r"\mathtt", r"\mathit", r"\mathbf"})
STYLE = UPRIGHT | {
    r"\boldsymbol", r"\bm", r"\underline", r"\ensuremath", r"\mathcal", r"\mathnormal", r"\pmb", r"\vec", r"\mathscr", r"\mathop",
}  # fmt: skip
SAME = {
    r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\cfrac": r"\frac", r"\nicefrac": r"\frac", r"\sfrac": r"\frac", r"\cr": r"\\", r"\bigcup": r"\cup", r"+/-": r"\pm", r"\dbinom": r"\binom",
    r"\tbinom": r"\binom", r"\leq": r"\le", r"\leqslant": r"\le", r"\geq": r"\ge", r"\geqslant": r"\ge",
    r"\neq": r"\ne", r"\lt": "<", r"\gt": ">", r"\lvert": "|", r"\rvert": "|", r"\vert": "|",
    r"\lbrace": r"\{", r"\rbrace": r"\}", r"\lparen": "(", r"\rparen": ")", r"\lbrack": "[",
    r"\rbrack": "]", r"\times": "*", r"\cdot": "*", r"\ast": "*", r"\div": "/", r"\degree": "°",
    r"\degrees": "°", r"\textdegree": "°", r"\%": "%", r"\colon": ":", r"\mid": "|", r"\$": "$",
    r"\varnothing": r"\emptyset", r"\textdollar": "$", r"\pounds": "£", r"\euro": "€",
    r"\backslash": r"\setminus", r"\smallsetminus": r"\setminus", r"\prime": "'", r"\imath": "i",
    r"\simeq": r"\approx", r"\slash": "/", r"\varepsilon": r"\epsilon", r"\vartheta": r"\theta",
    r"\varphi": r"\phi", "**": "^", "<=": r"\le", "=<": r"\le", ">=": r"\ge", "!=": r"\ne", "{:}": ":", "{-}": "-", "{+}": "+",
    r"\tg": r"\tan", r"\ctg": r"\cot", r"\arctg": r"\arctan",
}  # fmt: skip
OPENING, CLOSING = (
    frozenset({"(", "[", r"\{", r"\langle"}),
    frozenset({")", "]", r"\}", r"\rangle"}),
)


NAMED = FUNCTIONS.keys() | GREEK | {"pi"}
JOINED = re.compile(rf"\\({'|'.join(sorted(NAMED, key=len, reverse=True))})[a-zA-Z]{{1,2}}")
BESIDE = frozenset({",", ";", "%", ".", "$"})  # end a piece of mathematics themselves


def lex(text: str) -> list[Token]:
    r"""Tokenise a normalised text.

    >>> [token.text for token in lex(r"1,234 + \dfrac{x}{2}\text{ cm}")]
    ['1234', '+', '\\frac', '{', 'x', '}', '{', '2', '}', 'cm']

    Raises:
        Unreadable: If there are too many, or a group is not closed.
    """
    lexer = Lexer(text)
    lexer.run(0, len(text), is_text=False, level=0)
    return settle(lexer.tokens)


class Lexer:
    """The lexer's state."""

    def __init__(self, text: str) -> None:
        """Begin before the first character."""
        self.text, self.tokens = text, list[Token]()
        self.depth = 0  # of brackets, in which a comma separates
        self.spaced = False

    def run(self, place: int, end: int, is_text: bool, level: int) -> None:
        r"""Tokenise `place` to `end`; `is_text` for the inside of \text."""
        if level > MAX_NESTED:
            raise Unreadable("too many texts within texts")
        while place < end:
            if len(self.tokens) > MAX_TOKENS:
                raise Unreadable("too long")
            match = SPACE.match(self.text, place, end)
            if match is not None:
                self.spaced = True
                place = match.end()
                continue
            letter = self.text[place]
            if letter in "0123456789.":
                place = self.number(place, end)
            elif letter == "\\":
                place = self.command(place, end, level)
            elif letter.isascii() and letter.isalpha():
                place = self.letters(place, end, is_text)
            else:
                place = self.sign(place, end)

    def add(self, kind: str, text: str) -> None:
        """Append a token."""
        self.tokens.append(Token(kind, text, self.spaced))
        self.spaced = False
        if text in OPENING:
            self.depth += 1
        elif text in CLOSING:
            self.depth -= 1

    def number(self, place: int, end: int) -> int:
        """Read a number, dropping digit grouping; in brackets a comma separates."""
        match = NUMBER.match(self.text, place, end)
        if match is None or match.end() == place or not any(map(str.isdigit, match[0])):
            return self.sign(place, end)
        if match["commas"] and self.depth > 0:
            stop = self.text.index(",", place)
            self.add("number", self.text[place:stop])
            return stop
        block = match["block"] or match["digit"] or match["round"]
        text = GROUPING.sub("", match["whole"] or "")
        text += f".{match['part']}" if match["part"] is not None else ""
        self.add("number", text + (f"({block})" if block else "") + (match["power"] or ""))
        return match.end()

    def letters(self, place: int, end: int, is_text: bool) -> int:
        """Read a word, a letter or a run of letters."""
        previous = self.tokens[-1] if self.tokens else None
        if previous is not None and previous.kind == "number":
            half = HALF_DAY.match(self.text, place, end)
            clock = len(self.tokens) > 1 and self.tokens[-2].text == ":"
            if half and (is_text or self.spaced or half[2] or clock):
                self.add("word", f"{half[1].lower()}m")
                return half.end()
        run = (WORD if is_text else LETTERS).match(self.text, place, end)
        assert run is not None  # it begins with a letter
        if run[0] in FUNCTIONS:
            self.add("command", rf"\{FUNCTIONS[run[0]]}")
        elif run[0].lower() in JOINERS or (is_text and run[0] not in SPELLED):
            self.add("word", run[0].lower() if run[0].lower() in JOINERS else run[0])
        elif run[0] in SPELLED:
            self.add("command", SPELLED[run[0]])
        else:
            self.add("run" if len(run[0]) > 1 else "letter", run[0])
        return run.end()

    def sign(self, place: int, end: int) -> int:
        """Read a sign of one or two characters."""
        match = SIGN.match(self.text, place, end)
        assert match is not None  # it begins before the end
        kind = "bound" if match[0] == BOUND else "sign"
        self.add(kind, SAME.get(match[0], match[0]))
        return match.end()

    def command(self, place: int, end: int, level: int) -> int:
        """Read a command, or the content that it formats."""
        silent = SILENT.match(self.text, place, end)
        if silent is not None:
            return silent.end()
        match = COMMAND.match(self.text, place, end)
        if match is None:
            raise Unreadable("a backslash at the end")
        name, stop = match[0], match.end()
        if name in (r"\begin", r"\end"):
            environment = ENVIRONMENT.match(self.text, stop, end)
            if environment is None:
                raise Unreadable(f"{name} of what?")
            self.add("command", f"{name}{{{environment[1]}}}")
            return environment.end()
        if name in LOGIC:
            self.add("word", LOGIC[name])
            return stop
        if name == r"\\" and (gap := ROW_GAP.match(self.text, stop, end)):
            stop = gap.end()
        if name == r"\mathbb" and (field := BLACKBOARD.match(self.text, stop, end)):
            self.add("command", rf"\mathbb{{{field[1] or field[2]}}}")
            return field.end()
        content = CONTENT.match(self.text, stop, end)
        if content is not None and (name in TEXT or name in UPRIGHT):
            close = closing(self.text, content.end(), end)
            inside = self.text[content.end() : close]
            if name in TEXT or WORDY.fullmatch(inside):
                self.run(content.end(), close, is_text=True, level=level + 1)
                return close + 1
        known = JOINED.fullmatch(name) if name[1:] not in NAMED and name not in SAME else None
        if known is not None:  # a space is missing, as in \arctanx
            self.add("command", rf"\{known[1]}")
            return match.start() + 1 + len(known[1])
        if name not in STYLE:
            name = SAME.get(name, name)
            self.add("command" if name[0] == "\\" else "letter" if name == "i" else "sign", name)
        return stop


def closing(text: str, place: int, end: int) -> int:
    """Find the brace that closes the group open at `place`."""
    depth = 1
    for brace in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, place, end):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.start()
    raise Unreadable("a group is not closed")


def settle(tokens: list[Token]) -> list[Token]:
    """Drop redundant formula boundaries and trailing punctuation."""
    kept = list[Token]()
    for i, token in enumerate(tokens):
        if token.kind == "bound":
            around = kept[-1:] + tokens[i + 1 : i + 2]
            if len(around) < 2 or kept[-1].text in ("+", "-", "*", "/", "="):
                continue
            if any(token.kind in ("word", "bound") or token.text in BESIDE for token in around):
                continue
        kept.append(token)
    if len(kept) > 1 and kept[-1].text == r"\\":
        kept.pop()
    stops = 0
    while len(kept) > stops and kept[-1 - stops].text in (".", ","):
        stops += 1
    return kept[: len(kept) - stops] if stops < 3 else kept
