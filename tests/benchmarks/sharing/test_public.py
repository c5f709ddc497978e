"""What goes to a hub has no path from a root and no key, whatever it is made of; all else stays as it is."""

import json
from string import ascii_letters, digits

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgewise.benchmarks.sharing.public import is_key_name, places, public, public_value

PART = st.text(ascii_letters + digits + "._- é", min_size=3, max_size=9).map(
    lambda part: f"Q{part.strip(' .')}Q"  # marked, so that a rest of it is found
)
ROOT = st.sampled_from(
    ["/", "~/", "C:\\", "d:/", "\\\\host\\", "\\\\?\\C:\\", "file:///", "hf:/", "hf:C:\\"]
)
KEYS = st.sampled_from(
    [
        "hf_" + "a1B2" * 9,
        "sk-proj-" + "a1B2" * 6,
        "ghp_" + "a1B2" * 9,
        "AKIA" + "A1B2" * 4,
        "Bearer " + "a1B2" * 5,
    ]
)
KEY_NAMES = st.sampled_from(
    ["api_key", "wandb_api_key", "OPENAI_API_KEY", "hub_token", "hubToken", "token", "password", "client_secret",
     "Authorization", "aws_secret_access_key", "db.password", "private-key"]
)  # fmt: skip
SAFE_NAMES = st.sampled_from(
    ["max_tokens", "pad_token", "bos_token", "num_key_value_heads", "tokens_per_second", "learning_rate",
     "key_variable", "eos_token_id", "tokenizer", "passes", "monkey", "secretary", "author"]
)  # fmt: skip


@st.composite
def paths(draw):
    """A path of POSIX or Windows, and the parts of it that must not be seen."""
    root, parts = draw(ROOT), draw(st.lists(PART, min_size=2, max_size=4))
    between = "\\" if "\\" in root else "/"
    parts[0] = parts[0].replace(" ", "")  # as folders of a root have none
    if not draw(st.booleans()):  # without spaces a path is found within a text, too
        return root + between.join([*parts, "last"]), parts, False
    parts = [part.replace(" ", "") for part in parts]
    return root + between.join([*parts, "last"]), parts, True


@st.composite
def documents(draw):
    """JSON with paths and keys in it, in lists, objects, texts and JSON in texts, and what must not be seen."""
    hidden, value = [], {"rate": draw(st.floats(0, 1)), "steps": draw(st.integers())}
    for number in range(draw(st.integers(1, 4))):
        path, parts, is_plain = draw(paths())
        hidden += parts
        value[f"p{number}"] = f"read {path}, then go on" if is_plain else path
    shape, name = draw(KEYS), draw(KEY_NAMES)
    value["said"] = f"with {shape} it works"
    value["held"] = [{name: "QkeyQ", "ok": True}, {draw(SAFE_NAMES): "stays"}]
    hidden += [shape.split()[-1], "QkeyQ"]
    for _ in range(draw(st.integers(0, 3))):
        value = draw(st.sampled_from([{"in": value}, [value, 1], {"text": json.dumps(value)}]))
    return value, hidden


@given(documents())
def test_no_part_of_a_path_and_no_key_is_seen(document):
    value, hidden = document
    text = json.dumps(public_value(value), ensure_ascii=False)
    assert not [part for part in hidden if part in text]
    assert ("stays" in text and "then go on" in text) or "p0" in text
    assert public_value(public_value(value)) == public_value(value)


@settings(max_examples=30)
@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False), st.lists)
)
def test_numbers_stay_as_they_are(value):
    assert public_value({"value": value}) == {"value": value}


@given(st.text())
@example("~/" * 1000 + "\\\\a" * 1000)
@example("[" * 10_000)
@example("C:" * 5000 + "/a" * 5000)
def test_any_text_is_read_and_read_once(text):
    once = public(text)
    assert public(once) == once or "/" in text or "\\" in text or text[:1] in "[{"
    assert list(places(text)) in ([], [text]) or text.lstrip()[:1] in "[{"


@pytest.mark.parametrize(
    "text",
    [
        "openai:http://127.0.0.1:8000/v1#M", "runs/sec", "Qwen/Qwen2.5-3B", "hf:Qwen/Qwen2.5-3B", "1/2 and 3/4",
        "and/or", "</think>", "<|im_end|>", "{{ a }}", "https://example.org/a/b/c", "sec:temperature=0.4", "a: b/c/d",
        "q_proj", "vllm:max_length=2048", "9 * 60 / 2 / 3", "E2H-G 0.25/0.75", "{not json", "2505.14970",
    ],
)  # fmt: skip
def test_what_is_no_path_and_no_key_stays_as_it_is(text):
    assert public(text) == text and not list(places(text))


@given(SAFE_NAMES, KEY_NAMES)
def test_keys_are_told_from_counts_and_tokens_of_a_text(safe, secret):
    assert is_key_name(secret) and not is_key_name(safe)
