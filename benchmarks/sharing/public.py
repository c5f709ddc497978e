r"""What of a value may be public: no place on a disk, and nothing that opens a door.

A path from the root, of POSIX or of Windows, becomes its last part. What has the name of a key, as
`api_key`, is left out, and what has the shape of one is replaced by `***`. JSON in texts is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

HIDDEN = "***"
MAX_NESTED = 4  # JSON in the text of JSON

# a key by its name, not a count such as max_tokens nor a text of a tokenizer such as pad_token
KEY_NAME = re.compile(
    r"(?:^|[_.])(?:api_?key|access_?key|secret|secret_?key|private_?key|password|passwd|passphrase|pwd|"
    r"credentials?|authorization|cookie|bearer|(?:auth|access|api|hub|hf|session|refresh|id|push_to_hub)_?token"
    r")(?:$|[_.])",
    re.IGNORECASE,
)
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
KEY_SHAPES = re.compile(
    r"hf_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9_-]{16,}|gh[opsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|"
    r"xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|"
    r"(?:Bearer|Basic) [\w.~+/=-]{12,}|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-(?!----END))*",
    re.ASCII,
)
ADDRESS = re.compile(r"\b(?!file:)[A-Za-z][\w+.-]*://[^\s\"'<>]*")
LOGIN = re.compile(r"//[^\s/@\"']+@")  # name and password in an address
QUERY = re.compile(r"([?&][^=&#\s]+)=[^&#\s\"']+")  # and what is asked with it, such as ?key=
FILE = re.compile(r"\bfile:/{2,}(?=[^/])")

DRIVE = r"(?:[\\/]{2}[?.][\\/])?[A-Za-z]:[\\/]+|\\\\[^\\/\s\"'<>|]+[\\/]"  # of Windows, and of its networks
# a text that is a path as a whole, with spaces in it or not, perhaps behind a scheme such as "hf:"
WHOLE = re.compile(
    rf"(?P<scheme>(?:[a-z]{{2,}}:)*)(?:{DRIVE}|(?:~\w*)?/(?!/)(?=[^/\s]+/)).*", re.DOTALL
)
# one within a text, but for its last part; not what follows "//" or a word
WITHIN = re.compile(
    rf"(?<![\w/.~\\])(?:(?:{DRIVE})(?:[^\s\"'<>|:/\\][^\"'<>|:/\\\n]*[\\/]+)*|"
    r"(?:~\w*)?/(?!/)(?:[^\s\"'<>|:/\\]+/+)+)"
)


def public(text: str) -> str:
    r"""Return a text without paths from a root, logins in addresses, and keys.

    >>> public("hf:/home/me/models/mine"), public('{"data": "/data/gsm8k.jsonl"}')
    ('hf:mine', '{"data": "gsm8k.jsonl"}')
    >>> public("C:\\Users\\Jane Doe\\mine"), public("see \\\\server\\share\\runs\\one, or D:/runs/two")
    ('mine', 'see one, or two')
    >>> public("openai:http://127.0.0.1:8000/v1#M"), public("runs/sec"), public("Qwen/Qwen2.5-3B")
    ('openai:http://127.0.0.1:8000/v1#M', 'runs/sec', 'Qwen/Qwen2.5-3B')
    >>> public("http://me:pass@host/v1?key=abc"), public("Authorization: Bearer abcdefghijklmnop")
    ('http://host/v1?key=***', 'Authorization: ***')
    """
    return str(public_value(text))


def public_value(value: Any, depth: int = 0) -> Any:
    """Return JSON without paths, logins and keys, whatever it holds; numbers stay as they are.

    >>> public_value({"beta": 0.1, "hub_token": "x", "max_tokens": 8, "headers": {"apiKey": "y"}})
    {'beta': 0.1, 'max_tokens': 8, 'headers': {}}

    Args:
        value: Of JSON.
        depth: How many texts it stands in.
    """
    if isinstance(value, Mapping):
        return {
            clean(str(name)): public_value(inner, depth)
            for name, inner in value.items()
            if not (
                is_key_name(str(name)) and not isinstance(inner, (bool, int, float, type(None)))
            )
        }
    if isinstance(value, (list, tuple)):
        return [public_value(inner, depth) for inner in value]
    if not isinstance(value, str):
        return value
    if depth < MAX_NESTED and value.lstrip()[:1] in ("{", "["):
        try:
            inner = json.loads(value)
        except (ValueError, RecursionError):
            return clean(value)
        kept = public_value(inner, depth + 1)
        return value if kept == inner else json.dumps(kept, ensure_ascii=False)
    return clean(value)


def clean(text: str) -> str:
    """Return a text that is no JSON without paths, logins and keys."""
    text = FILE.sub("/", KEY_SHAPES.sub(HIDDEN, text))
    if (found := WHOLE.fullmatch(text)) is not None and "\n" not in text:
        path = text[len(found["scheme"]) :].rstrip("/\\")
        return found["scheme"] + re.split(r"[/\\]", path)[-1]
    parts, end = [], 0
    for address in ADDRESS.finditer(text):  # whose slashes are no paths
        parts += [WITHIN.sub("", text[end : address.start()])]
        parts += [QUERY.sub(rf"\1={HIDDEN}", LOGIN.sub("//", address[0]))]
        end = address.end()
    return "".join([*parts, WITHIN.sub("", text[end:])])


def is_key_name(name: str) -> bool:
    """Return whether a field is named as a key is: api_key, hubToken, AWS_SECRET, but not pad_token.

    >>> [is_key_name(name) for name in ("wandb_api_key", "hubToken", "token", "pad_token", "max_tokens")]
    [True, True, True, False, False]
    """
    words = CAMEL.sub("_", name).replace("-", "_")
    return name.lower() == "token" or KEY_NAME.search(words) is not None


def places(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the texts of JSON that are a path from a root, or a key, as a whole.

    Args:
        value: Of JSON.
        depth: How many texts it stands in.
    """
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from places(inner, depth)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from places(inner, depth)
    elif isinstance(value, str):
        if depth < MAX_NESTED and value.lstrip()[:1] in ("{", "["):
            try:
                inner = json.loads(value)
            except (ValueError, RecursionError):
                return
            yield from places(inner, depth + 1)
        elif WHOLE.fullmatch(value) or KEY_SHAPES.fullmatch(value):
            yield value
