"""TRL's trainers under a curriculum: no lag, exact draws, exact continuation, untouched by evaluation."""

import json
import os

import gymnasium as gym
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from transformers import TrainerCallback  # noqa: E402

from edgewise.agents.policies.load import load_policy  # noqa: E402
from edgewise.agents.training import samples  # noqa: E402
from edgewise.agents.training.replay import replay  # noqa: E402
from edgewise.agents.training.report import write_report  # noqa: E402
from edgewise.agents.training.run_folder import RunFolder  # noqa: E402
from edgewise.env import ReasoningEnv  # noqa: E402
from edgewise.pool import TooManyUnverified  # noqa: E402
from edgewise.scoring import posed  # noqa: E402
from edgewise.wrappers import SEC, E2HGaussian, MoPPS, vector  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of TRL and what it imports
P, G = 4, 4
LAYOUTS = {
    "plain": {"per_device_train_batch_size": 16},
    "accumulated": {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4},
    "iterated": {"per_device_train_batch_size": 16, "num_iterations": 2},
    "both": {
        "per_device_train_batch_size": 8,
        "gradient_accumulation_steps": 2,
        "num_iterations": 3,
    },
}
SCALES = {
    "GRPO": lambda rewards: (
        (rewards - rewards.mean(1, keepdims=True)) / (rewards.std(1, ddof=1, keepdims=True) + 1e-4)
    ),
    "RLOO": lambda rewards: (
        rewards - (rewards.sum(1, keepdims=True) - rewards) / (rewards.shape[1] - 1)
    ),
}


def script(batch, base):
    """What the completions of a batch are: right less often at higher levels."""
    coins = np.random.default_rng([7, batch]).random((len(base.problems), G))
    texts = []
    for problem, row in zip(base.problems, coins, strict=True):
        right = base.env.demonstrate(problem)
        bound = 0.9 - 0.25 * (len(problem.numbers) - 2)
        texts += [right if coin < bound else r"\boxed{1}" for coin in row]
    return texts


def curriculum_of(rule):
    envs = gym.make_vec("Countdown-v0", num_envs=P * G, group_size=G, preset="seedling")
    return vector.with_rule(vector.PromptFormat(envs), rule, pool_size=50)


def by_hand(rule, kind, num_batches):
    """The records of a curriculum that hears of each batch before it draws the next."""
    curriculum = curriculum_of(rule)
    curriculum.reset(seed=5)
    curriculum.lesson.forget()
    records = []
    for batch in range(num_batches):
        curriculum.reset()
        curriculum.step(script(batch, curriculum.base))
        curriculum.feedback(np.abs(SCALES[kind](curriculum.lesson.rewards)))
        curriculum.learn()
        records += [{"step": batch + 1, **record} for record in curriculum.records()]
    return records


def make(model, folder, rule, kind="GRPO", scripted=True, evaluated=None, **options):
    """A trainer of the model, whose completions are by default those of the script."""
    import trl as theirs

    from edgewise.agents.integrations import trl

    class Scripted(getattr(trl, f"Curriculum{kind}Trainer")):
        def _generate_single_turn(self, prompt_ids, *args, **kwargs):
            if not scripted:
                return super()._generate_single_turn(prompt_ids, *args, **kwargs)
            texts = ["no idea"] * len(prompt_ids)
            if self._own is not None:
                texts = script(self.num_batches, self.curriculum.base)
            ids = [self.processing_class(text)["input_ids"][1:] for text in texts]
            return (ids, None) if kind == "GRPO" else ids

    settings = {
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "num_generations": G,
        "max_completion_length": 12,
        "learning_rate": 1e-3,
        "report_to": [],
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "seed": 5,
    }
    policy = load_policy(model)
    return Scripted(
        curriculum_of(rule),
        policy.model,
        getattr(theirs, f"{kind}Config")(output_dir=str(folder), **{**settings, **options}),
        processing_class=policy.tokenizer,
        eval_dataset=evaluated,
    )


def recorded(folder):
    return list(RunFolder(folder).lines("groups.jsonl"))


def check(records, expected):
    """Compare what was drawn, and what the rule was told, whose |A| TRL computes in float32."""
    assert len(records) == len(expected)
    for record, other in zip(records, expected, strict=True):
        told = {name: record[name] for name in other}
        assert told.pop("abs_advantages") == pytest.approx(other.pop("abs_advantages"), abs=1e-5)
        assert told.pop("arm_probability", None) == pytest.approx(
            other.pop("arm_probability", None)
        )
        assert told == other


@pytest.mark.parametrize(
    "layout", ["plain", *(pytest.param(name, marks=pytest.mark.slow) for name in list(LAYOUTS)[1:])]
)
def test_every_draw_knows_all_rewards_before(layout, tiny_model, tmp_path):
    # optimiser steps that make five batches
    options = LAYOUTS[layout]
    steps = 5 * options.get("num_iterations", 1)
    trainer = make(f"hf:{tiny_model}", tmp_path, SEC(temperature=0.2), max_steps=steps, **options)
    trainer.train()
    expected = by_hand(SEC(temperature=0.2), "GRPO", 5)
    assert len({record["arm_probability"] for record in expected}) > 5  # so a lag would show
    check(recorded(tmp_path), expected)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["GRPO", "RLOO"])
@pytest.mark.parametrize("rule", [MoPPS(), E2HGaussian(num_steps=4)], ids=["mopps", "e2h"])
def test_rules_over_problems_and_schedules_and_rloo(kind, rule, tiny_model, tmp_path):
    # TRL's RLOO would put the divergence, beta, into the rewards
    options = {"max_steps": 4, "beta": 0.0, **LAYOUTS["plain"]}
    make(f"hf:{tiny_model}", tmp_path, rule, kind, **options).train()
    check(recorded(tmp_path), by_hand(rule, kind, 4))
    assert replay(RunFolder.open(tmp_path)).num_steps == 4


def check_samples(folder):
    """Every sample is a completion of its group, with the outcome that the rule heard of."""
    groups = {(row["step"], row["place"]): row for row in folder.lines("groups.jsonl")}
    kept = list(samples.read(folder))
    assert [sum(one["step"] == step for one in kept) for step in (1, 2, 3)] == [4, 4, 4]
    for one in kept:
        group = groups[one["step"], one["place"]]
        assert (one["arm"], one["problem"]) == (group["arm"], group["problem"])
        level = json.loads(one["problem"])["level"]
        _, problem = posed(one["problem"])
        assert str(problem.target) in one["prompt"] and level == one["level"]
        right = one["outcome"] == "right"
        assert right == (one["completion"] != r"\boxed{1}") and right in group["correct"]
        assert one["outcome"] in ("right", "wrong", "cut") and one["num_tokens"] > 0
    assert {one["outcome"] for one in kept} > {"right"}


def test_reports_and_replay_read_the_records(tiny_model, tmp_path):
    trainer = make(
        f"hf:{tiny_model}",
        tmp_path,
        SEC(),
        max_steps=3,
        save_strategy="steps",
        save_steps=2,
        **LAYOUTS["plain"],
    )
    trainer.train()
    folder = RunFolder.open(tmp_path)
    told = replay(folder)
    assert (told.num_steps, told.num_groups, told.state_step) == (3, 3 * P, 3)
    text = write_report(folder).read_text()
    assert "3 of 3 steps of 4 problems, 4 completions each" in text and "48 completions" in text
    assert "curriculum/arm/0_probability" in trainer.state.log_history[0]
    check_samples(folder)
    lines = (tmp_path / "groups.jsonl").read_text().splitlines()
    changed = json.loads(lines[-1])
    changed["arm"] = (changed["arm"] + 1) % 3
    (tmp_path / "groups.jsonl").write_text("\n".join([*lines[:-1], json.dumps(changed)]) + "\n")
    with pytest.raises(ValueError, match="step 3, group 3"):
        replay(folder)


def test_evaluation_does_not_touch_the_curriculum(tiny_model, tmp_path):
    env = gym.make("Countdown-v0", preset="seedling", split="test")
    rows = []
    for _ in range(4):
        prompt, info = env.reset()
        rows.append({"prompt": prompt, "problem": info["problem"]})
    evaluation = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": 8}
    trainer = make(
        f"hf:{tiny_model}",
        tmp_path,
        SEC(temperature=0.2),
        evaluated=datasets.Dataset.from_list(rows),
        max_steps=3,
        eval_on_start=True,
        **evaluation,
        **LAYOUTS["plain"],
    )
    trainer.train()
    check(recorded(tmp_path), by_hand(SEC(temperature=0.2), "GRPO", 3))
    told = [entry for entry in trainer.state.log_history if "eval_reward" in entry]
    assert len(told) == 4 and {entry["eval_reward"] for entry in told} == {0.0}


class Kill(TrainerCallback):
    """Stop as Ctrl-C does, after a step."""

    def __init__(self, step):
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise KeyboardInterrupt


SAMPLED = {"scripted": False, "max_completion_length": 40, "learning_rate": 2e-4}  # the seedling's
SAVED = {"save_strategy": "steps", "max_steps": 8, **SAMPLED}


@pytest.mark.slow
@pytest.mark.parametrize(
    "layout", ["plain", "both"]
)  # in the latter, 3 is the end of a batch, 5 not
@pytest.mark.parametrize("every", [3, 5])
def test_a_killed_run_continues_exactly(layout, every, tmp_path):
    options = {**SAVED, **LAYOUTS[layout], "save_steps": every}

    def trainer(folder):
        return make("seedling", tmp_path / folder, SEC(temperature=0.2), **options)

    whole = trainer("whole")
    whole.train()
    killed = trainer("killed")  # now, for TRL seeds torch when it is made
    killed.add_callback(Kill(7))
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    resumed = trainer("killed")
    resumed.train(resume_from_checkpoint=True)
    records = recorded(tmp_path / "whole")
    assert any(len(set(record["rewards"])) > 1 for record in records)  # the rule has learned
    assert recorded(tmp_path / "killed") == records
    assert resumed.curriculum.state_dict() == whole.curriculum.state_dict()
    pairs = zip(resumed.model.parameters(), whole.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_what_does_not_fit_is_refused(tiny_model, tmp_path):
    def trainer(**options):
        return make(
            f"hf:{tiny_model}", tmp_path, SEC(), **{**LAYOUTS["plain"], "max_steps": 1, **options}
        )

    with pytest.raises(ValueError, match="`max_steps` must be positive"):
        trainer(max_steps=-1)
    with pytest.raises(ValueError, match=r"num_envs = 8, args\.generation_batch_size, got 16"):
        trainer(per_device_train_batch_size=8)
    with pytest.raises(ValueError, match=r"group_size = 8, args\.num_generations, got 4"):
        trainer(num_generations=8)
    (tmp_path / "groups.jsonl").write_text("")
    with pytest.raises(ValueError, match="`output_dir` must hold no run"):
        trainer().train()
    (tmp_path / "checkpoint-1").mkdir()
    with pytest.raises(ValueError, match="must be of a run under a curriculum"):
        trainer().train(resume_from_checkpoint=True)


@pytest.mark.parametrize("found", ["1.15.2", "1.17.0", "2.0.0.dev0", "unknown"])
def test_other_versions_are_refused(found):
    from edgewise.agents.integrations.versions import TRL

    TRL.check("1.16.3")
    with pytest.raises(ImportError, match=f"must have TRL >=1.16,<1.17, got {found}"):
        TRL.check(found)


@pytest.mark.parametrize("kind", ["GRPO", "RLOO"])
def test_a_prompt_begins_once(kind, tiny_model, tmp_path):
    from edgewise.agents.policies.chat import render_chat

    trainer = make(
        f"hf:{tiny_model}", tmp_path, SEC(), kind, max_steps=1, per_device_train_batch_size=16
    )
    tokenizer = trainer.processing_class
    tokenizer.chat_template = "{{ bos_token }}{{ messages[-1]['content'] }}"
    chat = render_chat(tokenizer, [{"role": "user", "content": "1 + 1?"}])
    prompts = [chat, "1 + 1?", "<bos>1 + 1?"]
    found, images, fields = trainer._tokenize_prompts(prompts)
    assert found[0] == found[1] == found[2] and (images, fields) == (None, {})
    assert found[0].count(tokenizer.bos_token_id) == 1
    told, _, _ = trainer._tokenize_prompts([[{"role": "user", "content": "1 + 1?"}]])
    assert told == [found[0]]


def first_group(lost):
    """Scores whose first group has one completion without a verdict, or rewards that are equal."""
    score = ReasoningEnv.score

    def scored(self, problems, histories, actions):
        found = score(self, problems, histories, actions)
        if lost:
            return [found[0]._replace(correct=None, reward=0.0), *found[1:]]
        return [each._replace(correct=False, reward=0.0) for each in found[:G]] + found[G:]

    return scored


def test_a_group_that_is_lost_teaches_neither_trl_nor_the_rule(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr("edgewise.pool.MAX_UNVERIFIED", 1.0)
    weights = []
    for lost in (True, False):
        folder = tmp_path / str(lost)
        with monkeypatch.context() as patch:
            patch.setattr(ReasoningEnv, "score", first_group(lost))
            trainer = make(f"hf:{tiny_model}", folder, SEC(), max_steps=1, **LAYOUTS["plain"])
            trainer.train()
        weights.append([weight.detach().clone() for weight in trainer.model.parameters()])
        assert replay(RunFolder(folder)).num_steps == 1
    assert all(map(torch.equal, *weights))
    [metrics] = RunFolder(tmp_path / "True").lines("metrics.jsonl")
    assert metrics["unverified"] == 1
    told = [record.get("verified") for record in recorded(tmp_path / "True")]
    assert told == [[False] * G] + [None] * (P - 1)
    heard = [metrics[f"arm/{arm}_count"] for arm in range(3)]
    assert sum(heard) == P - 1


def test_a_batch_of_which_too_much_is_lost_stops_trl(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(ReasoningEnv, "score", first_group(lost=True))
    trainer = make(f"hf:{tiny_model}", tmp_path, SEC(), max_steps=1, **LAYOUTS["plain"])
    with pytest.raises(TooManyUnverified, match="1 of 16 answers"):
        trainer.train()
