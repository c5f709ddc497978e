r"""Normalise the text of an answer."""

from __future__ import annotations

import re
import unicodedata

MAX_TEXT = 20_000  # characters of a solution that an answer is in
MAX_LENGTH = 2_000  # of the answer itself

SYMBOLS = {
    "−": "-", "\u2013": "-", "\u2010": "-", "\u2011": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ",
    "∙": r"\cdot ", "\u2217": "*", "÷": r"\div ", "\u2215": "/", "\u2044": "/", "±": r"\pm ", "∓": r"\mp ",
    "≤": r"\le ", "⩽": r"\le ", "≦": r"\le ", "≥": r"\ge ", "⩾": r"\ge ", "≧": r"\ge ",
    "≠": r"\ne ", "≈": r"\approx ", "∞": r"\infty ", "\u222a": r"\cup ", "∩": r"\cap ", "\u2216": r"\setminus ",
    "∈": r"\in ", "∅": r"\emptyset ", "°": r"^\circ ", "\u00ba": r"^\circ ", "\u02da": r"^\circ ", "\u2022": r"\cdot ", "\u2060": "", "√": r"\sqrt ", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]",
    "\u2032": "'", "\u2019": "'", "\u2018": "'", "″": '"', "“": '"', "”": '"', "∠": r"\angle ", "∀": r"\forall ",
    "\u211d": r"\mathbb{R}", "\u2124": r"\mathbb{Z}", "\u2115": r"\mathbb{N}", "\u211a": r"\mathbb{Q}", "\u2102": r"\mathbb{C}",
    "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "\u2223": "|", "\u2113": r"\ell ",
    "⟨": r"\langle ", "⟩": r"\rangle ", "€": r"\euro ", "£": r"\pounds ", "…": r"\ldots ",
    "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u2002": " ", "\u2003": " ", "\u200a": " ", "\u200b": "",
    "\u2061": "", "\u2062": "", "\ufeff": "", "\u3000": " ", "∆": r"\Delta ", "µ": r"\mu ",
}  # fmt: skip
GREEK = dict(
    zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩϕϵ",
        [
            "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa",
            "lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi",
            "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega",
            "phi", "epsilon",
        ],
        strict=True,
    )
)  # fmt: skip
VULGAR = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5),
    "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅐": (1, 7), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8),
    "⅞": (7, 8), "⅑": (1, 9), "⅒": (1, 10),
}  # fmt: skip
FULL_WIDTH = {chr(0xFEE0 + code): chr(code) for code in range(0x21, 0x7F)}
TABLE = str.maketrans(
    FULL_WIDTH
    | SYMBOLS
    | {letter: rf"\{name} " for letter, name in GREEK.items()}
    | {sign: rf"\frac{{{top}}}{{{bottom}}}" for sign, (top, bottom) in VULGAR.items()}
)
STYLED = re.compile("[\U0001d400-\U0001d7ff]")  # mathematical letters and digits
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱˣ", "0123456789+-=()nix", strict=True))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₙₖ", "0123456789+-=()nk", strict=True))
SCRIPTS = (
    (re.compile(f"[{''.join(RAISED)}]+"), "^", str.maketrans(RAISED)),
    (re.compile(f"[{''.join(LOWERED)}]+"), "_", str.maketrans(LOWERED)),
)
MARKED = re.compile(  # as a whole: **7**, _7_, `7`, "even"
    r"(\*{1,3}|_{1,2}|`{1,3})(?!\s)([^*_`]+)\1|(?:\"|''?|``)([^\"'`]+)(?:\"|''?)", re.DOTALL
)
TIMES = re.compile(r"(?<=[0-9])\s*[xX]\s*(?=10\s*(?:\^|\*\*))")  # 3.2 x 10^5
UNIT_MARK = re.compile(r"\\text\s*\{\s*\\\$\s*\}|\\textdollar(?![a-zA-Z])|\\euro(?![a-zA-Z])")
DOLLAR = re.compile(r"\\[\\$]|\$\$?")
DISPLAY = re.compile(r"\\\\|\\[()\[\]]")
MONEY = re.compile(r"(-?)\s*\$\s*(?=[0-9.])")
HTML = re.compile(r"<su([pb])>([^<>]{1,50})</su[pb]>")
DOUBLED = re.compile(r"\\\\(?=[a-zA-Z]{2})")  # backslashes of a text that was quoted twice
BOUND = "\x01"  # between two pieces of mathematics that stand apart


def normalise(text: str) -> str:
    r"""Normalise `text` to ASCII: map Unicode, drop markup, mark boundaries of formulas.

    >>> normalise("x² ≤ ½")
    'x^{2} \\le  \\frac{1}{2}'
    """
    if not text.isascii():
        text = STYLED.sub(lambda letter: unicodedata.normalize("NFKC", letter[0]), text)
        for pattern, mark, table in SCRIPTS:
            text = pattern.sub(lambda run: f"{mark}{{{run[0].translate(table)}}}", text)  # noqa: B023
        text = text.translate(TABLE)
    if "<su" in text:
        text = HTML.sub(lambda tag: f"{'^' if tag[1] == 'p' else '_'}{{{tag[2]}}}", text)
    if "\\\\" in text and r"\begin" not in text:
        text = DOUBLED.sub(r"\\", text)
    text = text.strip()
    if text and text[0] in "*_`\"'" and (marked := MARKED.fullmatch(text.removesuffix("."))):
        text = (marked[2] or marked[3]).strip()
    if "10" in text:
        text = TIMES.sub(r" \\times ", text)
    if "\\(" in text or "\\[" in text or "\\)" in text or "\\]" in text:
        text = DISPLAY.sub(lambda mark: mark[0] if mark[0] == "\\\\" else f" {BOUND} ", text)
    if "$" in text:
        text = undelimit(text)
    return re.sub(r"\n[ \t\r]*\n", f" {BOUND} ", text.strip()) if "\n" in text else text.strip()


def undelimit(text: str) -> str:
    r"""Resolve dollar signs: formula delimiters or money."""
    text = UNIT_MARK.sub(r"\\$", text)
    marks = [mark for mark in DOLLAR.finditer(text) if mark[0][0] == "$"]
    if len(marks) == 1 and (money := MONEY.match(text)):
        return rf"{money[1]}\$ {text[money.end() :]}"
    if len(marks) % 2:
        return text  # not delimiters: the sign is left, and nothing reads it
    return DOLLAR.sub(lambda mark: f" {BOUND} " if mark[0][0] == "$" else mark[0], text)
