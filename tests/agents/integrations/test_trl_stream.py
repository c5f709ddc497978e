"""The stream of prompts for TRL of any version: one batch of lag, and no more."""

import os

import gymnasium as gym
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
pytest.importorskip("datasets")
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

from edgewise.agents.integrations.trl_stream import CurriculumStream  # noqa: E402
from edgewise.wrappers import SEC, vector  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of TRL and what it imports
P, G = 4, 4


class Watched(CurriculumStream):
    """A stream that notes when a batch is drawn and when it is scored."""

    def draw(self):
        rows = super().draw()
        self.events = [*getattr(self, "events", []), ("drawn", self.num_drawn)]
        return rows

    def reward(self, completions, batch=None, **columns):
        rewards = super().reward(completions, batch=batch, **columns)
        self.events.append(("scored", batch[0]))
        return rewards


def stream():
    envs = gym.make_vec("Countdown-v0", num_envs=P * G, group_size=G, preset="seedling")
    return Watched(vector.Curriculum(envs, SEC()))


def train(model, folder, stream, **options):
    from trl import GRPOConfig, GRPOTrainer

    args = GRPOConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        num_generations=G,
        max_completion_length=4,
        per_device_train_batch_size=P * G,
        max_steps=4,
        report_to=[],
        save_strategy="no",
        **options,
    )
    model, tokenizer = (
        kind.from_pretrained(model) for kind in (AutoModelForCausalLM, AutoTokenizer)
    )
    dataset = stream.dataset()
    GRPOTrainer(model, stream.reward, args, dataset, processing_class=tokenizer).train()


def test_a_batch_is_drawn_when_all_but_the_last_are_scored(tiny_model, tmp_path):
    watched = stream()
    train(tiny_model, tmp_path, watched, shuffle_dataset=False)
    order = [
        ("drawn", 1),
        *(event for t in (1, 2, 3) for event in (("drawn", t + 1), ("scored", t))),
    ]
    assert watched.events[: len(order)] == order
    assert ("scored", 4) in watched.events


def test_a_shuffled_stream_is_refused(tiny_model, tmp_path):
    with pytest.raises(RuntimeError, match="`shuffle_dataset` must be False"):
        train(tiny_model, tmp_path, stream())


def test_the_rule_learns_from_the_batch_that_was_scored():
    taught = stream()
    first, _ = taught.draw(), taught.draw()
    columns = {key: [row[key] for row in first for _ in range(G)] for key in first[0]}
    arms = taught.waiting[1][1].arms
    names = columns["problem"]
    from edgewise import pose

    solved = [pose(name) for name in names]
    texts = [
        env.demonstrate(env.problem) if place % G < 2 and arms[place // G] == arms[0] else "?"
        for place, env in enumerate(solved)
    ]
    rewards = taught.reward(completions=texts, **columns)
    assert sum(rewards) > 0
    values = taught.curriculum.lesson.rule.values
    assert values[arms[0]] > 0 and sum(values > 0) == 1
    assert [record["problem"] for record in taught.curriculum.records()] == names[::G]
    with pytest.raises(RuntimeError, match="completions must be of one batch"):
        taught.reward(completions=texts, **columns)


def test_several_processes_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="must be streamed to one process"):
        stream()


def test_evaluation_teaches_nothing():
    taught = stream()
    row = taught.draw()[0]
    assert taught.reward(completions=["?"], problem=[row["problem"]], batch=[None]) == [0.0]
    assert list(taught.waiting) == [1]


def test_a_chat_begins_once_where_trl_encodes_it():
    from edgewise.agents.policies.chat import render_chat
    from edgewise.agents.seedlings.pretrain import build_tokenizer

    tokenizer = build_tokenizer()
    tokenizer.chat_template = "{{ bos_token }}{{ messages[-1]['content'] }}"
    envs = gym.make_vec("Countdown-v0", num_envs=4, group_size=2, preset="e2h")
    framed = vector.PromptFormat(envs, render=lambda chat: render_chat(tokenizer, chat))
    rows = CurriculumStream(vector.Curriculum(framed, SEC())).draw()
    for tokens in tokenizer(text=[row["prompt"] for row in rows])["input_ids"]:
        assert tokens.count(tokenizer.bos_token_id) == 1
