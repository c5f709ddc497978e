"""Prompts begin once, and a chat has the day and the options that its run records."""

import json
from datetime import date, timedelta

import gymnasium as gym
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tokenizers import AddedToken, processors  # noqa: E402

from edgewise import Frame  # noqa: E402
from edgewise.agents.policies.chat import (  # noqa: E402
    ChatOptions,
    Rendered,
    bare,
    encode_prompt,
    is_dated,
    read_chat_options,
    render_chat,
)
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.seedlings.pretrain import build_tokenizer  # noqa: E402
from edgewise.agents.training.config import TrainConfig  # noqa: E402
from edgewise.agents.training.run import begin, resume  # noqa: E402
from edgewise.cli import main  # noqa: E402
from edgewise.wrappers import vector  # noqa: E402

LLAMA = (
    "{{- bos_token }}{%- if not date_string is defined %}"
    "{%- if strftime_now is defined %}{%- set date_string = strftime_now('%d %b %Y') %}"
    "{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}"
    "{{- '<|start_header_id|>system<|end_header_id|>\n\nToday Date: ' + date_string + '\n\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '/no_think' }}{%- endif %}"
    "{{- '<|eot_id|>' }}"
    "{%- for message in messages %}"
    "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{{- message['content'] + '<|eot_id|>' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
    "{%- endif %}"
)
ASKED = Frame(chat=True).messages("1 + 1?")
BEGUN = Frame(chat=True, before="Be brief.", after="So").messages("1 + 1?")


def llama():
    """Return a tokenizer that begins texts with a token, which its chat template has too."""
    tokenizer = build_tokenizer()
    markup = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    tokenizer.add_tokens([AddedToken(word, special=True) for word in markup])
    tokenizer.bos_token = "<|begin_of_text|>"
    first = ("<|begin_of_text|>", tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[first]
    )
    tokenizer.chat_template = LLAMA
    return tokenizer


def chatml():
    """Return a tokenizer without a token of the beginning, as those of Qwen."""
    tokenizer = build_tokenizer()
    tokenizer.bos_token = None
    tokenizer.backend_tokenizer.post_processor = processors.Sequence([])
    return tokenizer


def policy_with(tiny_model, tokenizer):
    policy = TransformersPolicy.load(tiny_model)
    policy.model.resize_token_embeddings(len(tokenizer))
    return TransformersPolicy(policy.model, tokenizer, fast=False)


@pytest.mark.parametrize("messages", [ASKED, BEGUN])
@pytest.mark.parametrize(("make", "count"), [(llama, 1), (chatml, 0)])
def test_a_rendered_chat_has_the_tokens_that_its_template_writes(make, count, messages):
    tokenizer = make()
    begun = messages[-1]["role"] == "assistant"
    found = encode_prompt(tokenizer, render_chat(tokenizer, messages))
    expected = tokenizer.apply_chat_template(
        messages, add_generation_prompt=not begun, continue_final_message=begun, return_dict=False
    )
    assert found == expected
    assert found.count(tokenizer.bos_token_id) == count


@settings(deadline=None, max_examples=20)
@given(st.text(max_size=20))
def test_a_text_begins_once_whether_or_not_it_says_so(text):
    plain = TOKENIZERS[0].encode(text, add_special_tokens=False)
    for tokenizer in TOKENIZERS[:1]:
        first = tokenizer.bos_token_id
        assert encode_prompt(tokenizer, text) == [first, *plain]
        assert encode_prompt(tokenizer, tokenizer.bos_token + text)[0] == first
        assert encode_prompt(tokenizer, tokenizer.bos_token + text)[1:2] != [first]
    assert encode_prompt(TOKENIZERS[1], text) == TOKENIZERS[1].encode(text)


TOKENIZERS = llama(), chatml()


def test_code_that_adds_special_tokens_to_every_text_adds_no_second_one():
    tokenizer = TOKENIZERS[0]
    chat = render_chat(tokenizer, ASKED)
    assert tokenizer(text=[bare(chat)])["input_ids"] == [encode_prompt(tokenizer, chat)]
    assert bare("as it is") == "as it is"
    chat = render_chat(TOKENIZERS[1], ASKED)
    assert bare(chat) == chat


def test_a_policy_samples_after_one_beginning_and_observations_have_none(tiny_model):
    policy = policy_with(tiny_model, llama())
    envs = gym.make_vec("Countdown-v0", preset="e2h", num_envs=2, group_size=2)
    prompts, _ = vector.PromptFormat(envs, render=policy.render).reset(seed=0)
    assert isinstance(prompts[0], Rendered)
    generator, sampling = torch.Generator().manual_seed(0), Sampling(max_tokens=3)
    found = policy.generate(prompts, sampling, generator)
    found = policy.extend(found, ["more", "more"], sampling, generator)
    given = found.tokens[(found.attention > 0) & (found.mask == 0)]
    assert (given == policy.tokenizer.bos_token_id).sum() == len(prompts)


@settings(deadline=None, max_examples=20)
@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_a_template_takes_the_day_that_it_is_told_for_today(day):
    tokenizer = TOKENIZERS[0]
    text = render_chat(tokenizer, ASKED, ChatOptions(day.isoformat()))
    assert f"Today Date: {day.strftime('%d %b %Y')}\n" in text


@pytest.mark.parametrize("directive", "aAwdbBmyYjUWF")
def test_every_form_of_a_day_is_the_one_that_python_writes(directive):
    day = date(2026, 3, 7)
    for shown in (f"%{directive}", f"at %{directive}, %-d"):
        tokenizer = build_tokenizer()
        tokenizer.chat_template = "{{ strftime_now('" + shown + "') }}|{{ messages|length }}"
        assert is_dated(tokenizer)
        found = render_chat(tokenizer, ASKED, ChatOptions(day.isoformat()))
        assert found == day.strftime(shown.replace("%-d", "7")) + "|1"


def test_without_a_day_it_is_today_and_other_templates_are_as_they_were():
    days = [date.today() + timedelta(days=n) for n in (-1, 0, 1)]
    text = render_chat(TOKENIZERS[0], ASKED)
    assert any(day.strftime("%d %b %Y") in text for day in days)
    assert render_chat(TOKENIZERS[1], ASKED, ChatOptions("2026-01-31")) == Frame(chat=True).text(
        "1 + 1?"
    )
    assert not is_dated(TOKENIZERS[1])


def test_a_template_is_told_its_options():
    told = read_chat_options("2026-01-31", '{"enable_thinking": false, "date_string": "now"}')
    text = render_chat(TOKENIZERS[0], ASKED, told)
    assert "/no_think" in text and "Today Date: now" in text
    assert "/no_think" not in render_chat(TOKENIZERS[0], ASKED)


@pytest.mark.parametrize(
    ("day", "kwargs", "name"),
    [
        ("yesterday", "{}", "chat_date"),
        ("2026-02-30", "{}", "chat_date"),
        (None, "[]", "chat_template_kwargs"),
        (None, "{", "chat_template_kwargs"),
        (None, "[" * 100_000, "chat_template_kwargs"),
        (None, '{"a": {"b": 1}}', "chat_template_kwargs"),
        (None, '{"a": NaN}', "chat_template_kwargs"),
        (None, '{"tokenize": true}', "chat_template_kwargs"),
        (None, '{"chat_template": "x"}', "chat_template_kwargs"),
    ],
)
def test_options_are_a_day_and_a_flat_object(day, kwargs, name):
    with pytest.raises(ValueError, match=f"^`{name}` must"):
        read_chat_options(day, kwargs)


@settings(deadline=None, max_examples=40)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=4))
def test_any_json_is_read_or_refused(value):
    text = json.dumps({"name": value})
    try:
        assert read_chat_options(None, text).kwargs == {"name": value}
    except ValueError as error:
        assert str(error).startswith("`chat_template_kwargs`")
        assert isinstance(value, (list, float))


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('no system\\nmessage') }}",
        "{{ messages[9].content.strip() }}",
        "{{ 1 / 0 }}",
        "{{ messages[0]['role'] + 1 }}",
        "{% if %}",
        "{{ ''.__class__.__mro__ }}{{ x.y.z }}",
        None,
    ],
)
def test_a_template_that_fails_is_told_in_one_line(template):
    tokenizer = build_tokenizer()
    tokenizer.chat_template = template
    with pytest.raises(ValueError, match=r"^`agent` must have a chat template .*; ") as found:
        render_chat(tokenizer, ASKED)
    assert len(str(found.value).splitlines()) == 1


@pytest.fixture(scope="module")
def dated_model(tiny_model, tmp_path_factory):
    """A model whose chats tell the day."""
    policy = TransformersPolicy.load(tiny_model)
    policy.tokenizer.chat_template = (
        "{{ bos_token }}{{ strftime_now('%Y-%m-%d') }}{% if slow is defined %}slow{% endif %}"
        "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    )
    path = tmp_path_factory.mktemp("models") / "dated"
    policy.save(path)
    return path


def test_a_run_that_goes_on_has_the_day_on_which_it_began(dated_model, tmp_path):
    shared = {"preset": "e2h", "num_steps": 1, "num_problems": 2, "group_size": 2, "max_tokens": 4}
    asked = TrainConfig(
        agent=f"hf:{dated_model}",
        output=tmp_path / "run",
        evaluate=False,
        chat_template_kwargs='{"slow": true}',
        max_prompt_tokens=5_000,
        **shared,
    )
    begun = begin(asked)
    path = tmp_path / "run" / "config.json"
    record = json.loads(path.read_text())
    assert record["chat_date"] == begun.setup.model.chat.date is not None
    path.write_text(json.dumps({**record, "chat_date": "2020-01-31"}))
    again = resume(tmp_path / "run")
    assert again.policy.render(ASKED).startswith("<bos>2020-01-31slow")
    prompts, _ = again.envs.reset()
    assert all(prompt.startswith("<bos>2020-01-31slow") for prompt in prompts)


def test_a_profile_that_goes_on_has_the_day_on_which_it_began(dated_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = f"profile --agent hf:{dated_model} --preset e2h --levels 1 --max-tokens 4".split()
    plan = ["--plan.num-problems", "2", "--plan.num-samples", "1", "--max-prompt-tokens", "5000"]
    assert main([*words, *plan, "--chat-date", "2020-01-31"]) == 0
    lines = (tmp_path / "profile.jsonl").read_text()
    assert json.loads(lines.splitlines()[0])["chat_date"] == "2020-01-31"
    assert main([*words, *plan]) == 0
    assert (tmp_path / "profile.jsonl").read_text() == lines
    assert main([*words, *plan, "--chat-date", "2020-02-01"]) == 2
