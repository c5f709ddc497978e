"""The seedlings' tokenizer loads without custom code and says back what it was told."""

import string

import pytest

transformers = pytest.importorskip("transformers")

from edgewise.agents.seedlings.pretrain import build_tokenizer  # noqa: E402


@pytest.fixture(scope="module", params=["built", "saved", "saved beside a Qwen2 model"])
def tokenizer(request, tmp_path_factory):
    if request.param == "built":
        return build_tokenizer()
    folder = tmp_path_factory.mktemp("tokenizer")
    build_tokenizer().save_pretrained(folder)
    if request.param != "saved":
        transformers.Qwen2Config().save_pretrained(folder)
    return transformers.AutoTokenizer.from_pretrained(folder)


def test_all_text_survives(tokenizer):
    text = string.printable + " \n  \\boxed{a} é → 12 # . #\n"
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True) == text


def test_a_character_is_a_token_and_so_is_boxed(tokenizer):
    tokens = tokenizer.encode(r"12  ab=,\boxed{3}", add_special_tokens=False)
    pieces = [tokenizer.decode([token]) for token in tokens]
    assert pieces == ["1", "2", " ", " ", "a", "b", "=", ",", r"\boxed{", "3", "}"]


def test_ids_are_fixed(tokenizer):
    assert tokenizer.encode(r"a\boxed{") == [1, 71, 6]
    assert len(tokenizer) == 263


def test_texts_begin_with_a_token_and_are_padded_on_the_left(tokenizer):
    ids = tokenizer(["1", "12"], padding=True)["input_ids"]
    assert ids[0][:2] == [tokenizer.pad_token_id, tokenizer.bos_token_id]
    assert ids[1][0] == tokenizer.bos_token_id


def test_chat_template_is_that_of_frames(tokenizer):
    messages = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
    shown = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    expected = "<|im_start|>system\na<|im_end|>\n<|im_start|>user\nb<|im_end|>\n"
    assert shown == expected + "<|im_start|>assistant\n"
