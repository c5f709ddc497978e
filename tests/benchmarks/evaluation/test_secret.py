"""A key is hidden however it is written, and nothing else is."""

import base64
import html
import json
import string
from urllib.parse import quote, quote_plus

import pytest

pytest.importorskip("httpx")
pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.benchmarks.evaluation.secret import HIDDEN, Secret

KEYS = st.text(string.ascii_letters + string.digits + '-_+/=.&"\\ %', min_size=16, max_size=60)
AROUND = st.text(st.characters(codec="utf-8"), max_size=40)
FORMS = [
    str,
    quote_plus,
    html.escape,
    json.dumps,
    str.upper,
    lambda key: quote(key, safe=""),
    lambda key: f"Bearer {key}",
    lambda key: key.encode().hex(),
    lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    lambda key: "".join(f"\\u{ord(sign):04x}" for sign in key),
    *(
        lambda key, code=code, user=user: code(f"{user}:{key}".encode()).decode()
        for code in (base64.b64encode, base64.urlsafe_b64encode)
        for user in ("", "a", "ab")
    ),
]


def parts(text):
    return {text[start : start + 8] for start in range(len(text) - 7)}


@settings(max_examples=60, deadline=None)
@given(KEYS, st.sampled_from(FORMS), AROUND, AROUND)
def test_no_eight_characters_of_a_key_are_told(key, form, before, after):
    written = before + form(key) + after
    hidden = Secret(key).hide(written)
    assert HIDDEN in hidden
    assert not parts(key.lower()) & parts(hidden.replace(HIDDEN, "\0").lower())
    assert not parts(form(key)[6:-6]) & parts(hidden.replace(HIDDEN, "\0"))


@settings(max_examples=50, deadline=None)
@given(KEYS, st.integers(8, 16), AROUND)
def test_the_beginning_of_a_key_is_hidden_too(key, size, after):
    assert Secret(key).hide(f"key {key[:size]}{after}").startswith(f"key {HIDDEN}")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200))
def test_other_text_stays_as_it_is(text):
    secret = Secret("sk-7f9Qx2Lm8Vt4Zw1N")
    assert secret.hide(text) == secret.remove(text) == text
    assert Secret("").hide(text) == Secret("").remove(text) == text


def test_a_model_may_write_a_part_of_a_key_and_a_placeholder_but_no_key():
    assert Secret("local-development").remove("developments are local") == "developments are local"
    assert Secret("EMPTY").remove("the set is EMPTY") == "the set is EMPTY"
    assert Secret("EMPTY").hide("key EMPTY refused") == f"key {HIDDEN} refused"
    key = "sk-7f9Qx2Lm8Vt4Zw1N"
    assert Secret(key).remove(f"it is {key} and {key.upper()}.") == f"it is {HIDDEN} and {HIDDEN}."
