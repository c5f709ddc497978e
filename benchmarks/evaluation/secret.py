"""A key that is sent to a server and never printed or stored, plain, encoded or in part."""

from __future__ import annotations

import base64
import html
import json
from string import ascii_lowercase, ascii_uppercase
from urllib.parse import quote, quote_plus

HIDDEN = "[key]"
SHORTEST = 8  # characters of a part that is hidden, and of a key that is one and no placeholder
LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)  # keeps the length, unlike str.lower


class Secret:
    """A key, and how it may look in what a server says."""

    def __init__(self, key: str) -> None:
        """Take a key; "" for none, which hides nothing."""
        self.forms = sorted({form.translate(LOWER) for form in forms_of(key)}, key=len)[::-1]
        self.size = min(SHORTEST, len(key))
        self.parts = {
            form[start : start + self.size]
            for form in self.forms
            for start in range(len(form) - self.size + 1)
        }

    def hide(self, text: str) -> str:
        """Return `text` without the key, and without parts of it of `SHORTEST` characters."""
        if not self.forms:
            return text
        lower = text.translate(LOWER)
        kept, end = [], 0  # of what is hidden already
        for start in range(len(text)):
            if lower[start : start + self.size] in self.parts:
                if start > end or not start:
                    kept.append(HIDDEN)
                end = start + self.size
            elif start >= end:
                kept.append(text[start])
        return "".join(kept)

    def remove(self, text: str) -> str:
        """Remove the whole key from a model's output; placeholders, which are short, stay."""
        if self.size < SHORTEST:
            return text
        for form in self.forms:
            while (start := text.translate(LOWER).find(form)) >= 0:
                text = text[:start] + HIDDEN + text[start + len(form) :]
        return text


def forms_of(key: str) -> set[str]:
    """Return the key as it is and as the formats of the web write it, "" left out."""
    inner = json.dumps(key)[1:-1]
    texts = {key, inner, inner.replace("/", "\\/"), html.escape(key), html.escape(key, quote=False)}
    texts |= {quote(key), quote(key, safe=""), quote_plus(key)}
    texts |= {key.encode().hex(), "".join(f"\\u{ord(sign):04x}" for sign in key)}
    for shift in range(3):  # of the key within a longer text in base64, without the digits that
        code = base64.b64encode(b"\0" * shift + key.encode()).decode().rstrip("=")
        end = len(code) if (shift + len(key)) % 3 == 0 else -1  # the text around it decides
        whole = code[(0, 2, 3)[shift] : end]
        texts |= {whole, whole.replace("+", "-").replace("/", "_")}
    return {text for text in texts if len(text) >= len(key)} - {""}
