"""Turns through TRL's `environment_factory`: a group shares its problem, and the curriculum hears."""

import json
import os
from pathlib import Path

import gymnasium as gym
import pytest

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("trl")
datasets = pytest.importorskip("datasets")
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from edgewise.agents.integrations import trl_turns  # noqa: E402
from edgewise.agents.integrations.export import problem_rows  # noqa: E402
from edgewise.agents.integrations.trl import CurriculumGRPOTrainer  # noqa: E402
from edgewise.agents.integrations.trl_turns import TurnEnvironment  # noqa: E402
from edgewise.agents.policies.load import load_policy  # noqa: E402
from edgewise.agents.training.replay import replay  # noqa: E402
from edgewise.agents.training.run_folder import RunFolder  # noqa: E402
from edgewise.wrappers import SEC, vector  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # of TRL and what it imports
P, G = 2, 4
TURNS = {  # of one action, and of two
    "preset": "seedling",
    "interactive": True,
    "max_turns": 3,
    "levels": (1, 2),
    "rewards": (3.0, 1.0, 0.0),
    "frame": {"before": "Move blocks.", "chat": True},
}
TEMPLATE = Path(theirs.__file__).parent / "chat_templates" / "qwen2_5.jinja"


def plan(env):
    """The actions that solve the problem that is posed."""
    return env.task.solve(env.problem).split(",")


def moves(envs):
    """What the members of a group do: all of the plan, half of it, what is impossible, nothing."""
    for place, env in enumerate(envs):
        steps = plan(env)
        yield [steps, steps[: len(steps) // 2], ["sing"] * 9, []][place % G]


def posed_to(trainer):
    """What each member is posed."""
    return [environment._env for environment in trainer.environments]


def call(action):
    told = json.dumps({"name": "act", "arguments": {"action": action}})
    return f"<tool_call>\n{told}\n</tool_call><|im_end|>"


class Scripted:
    """A model that calls what `moves` says, one action a turn, and is told what comes of it."""

    def _generate_single_turn(self, prompt_ids, *args, **kwargs):
        texts = self.processing_class.batch_decode(prompt_ids)
        if "num_generations" not in kwargs:  # the first turn
            self.plans = list(moves(posed_to(self)))
            self.prompts, self.shown = texts, []
            left = range(len(texts))
        else:
            left = [slot for slot in self.left if len(self.plans[slot]) > self.turn - 1]
            self.shown += texts
        self.turn = 1 if "num_generations" not in kwargs else self.turn + 1
        self.left = list(left)
        said = [self.say(slot) for slot in self.left]
        return [self.processing_class(text)["input_ids"][1:] for text in said], None

    def say(self, slot):
        steps = self.plans[slot]
        return call(steps[self.turn - 1]) if self.turn <= len(steps) else "I stop.<|im_end|>"


def arguments(folder, **options):
    return theirs.GRPOConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        num_generations=G,
        max_completion_length=800,
        per_device_train_batch_size=P * G,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        **options,
    )


def tokenizer_of(policy):
    policy.tokenizer.chat_template = TEMPLATE.read_text(encoding="utf-8")
    return policy.tokenizer


def envs():
    return gym.make_vec("Blocksworld-v0", num_envs=P * G, group_size=G, **TURNS)


def check_groups(trainer):
    """All members of a group have the same problem."""
    keys = [env.task.canonical(env.problem) for env in posed_to(trainer)]
    assert [len(set(keys[i : i + G])) for i in range(0, P * G, G)] == [1] * P


def test_a_curriculum_poses_problems_in_turns_and_hears_of_them(tiny_model, tmp_path):
    class Trainer(Scripted, CurriculumGRPOTrainer):
        pass

    policy = load_policy(f"hf:{tiny_model}")
    curriculum = vector.Curriculum(envs(), SEC(temperature=0.2))
    rows, _ = problem_rows(gym.make("Blocksworld-v0", split="test", **TURNS), "trl-turns", 1)
    evaluation = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": P * G}
    trainer = Trainer(
        curriculum,
        policy.model,
        arguments(tmp_path, max_steps=2, **evaluation),
        processing_class=tokenizer_of(policy),
        environment_factory=TurnEnvironment,
        eval_dataset=datasets.Dataset.from_list(rows),
    )
    trainer.train()
    told = [entry["eval_reward"] for entry in trainer.state.log_history if "eval_reward" in entry]
    assert told == [1.0, 1.0]  # the mean of what the members earn
    records = list(RunFolder(tmp_path).lines("groups.jsonl"))
    assert len(records) == 2 * P
    for record in records:  # solved; stopped; impossible until the turns are over; no answer
        assert record["rewards"] == [3.0, 0.0, 1.0, 0.0]
        assert record["correct"] == [True, False, False, False]
        least = len(call("")) - len("<|im_end|>")  # what the tools say is not counted
        assert record["num_tokens"][3] < least < record["num_tokens"][0] < 300
    check_groups(trainer)
    assert all("Call the function `act`" in text and '"act"' in text for text in trainer.prompts)
    assert any("Not possible. " in text for text in trainer.shown)
    assert replay(RunFolder.open(tmp_path)).num_steps == 2


def test_rows_that_were_exported_are_answered_in_turns(tiny_model, tmp_path):
    class Trainer(Scripted, theirs.GRPOTrainer):
        pass

    rows, _ = problem_rows(gym.make("Blocksworld-v0", **TURNS), "trl-turns", 1)
    assert [message["role"] for message in rows[0]["prompt"]] == ["system", "user"]
    policy = load_policy(f"hf:{tiny_model}")
    trainer = Trainer(
        policy.model,
        trl_turns.reward,
        arguments(tmp_path, max_steps=1),
        datasets.Dataset.from_list(rows),
        processing_class=tokenizer_of(policy),
        environment_factory=TurnEnvironment,
    )
    trainer.train()
    assert trl_turns.reward(trainer.environments) == [3.0, 0.0, 1.0, 0.0] * P
    check_groups(trainer)


def test_a_member_is_told_the_state_and_goes_on_alone():
    name = problem_rows(gym.make("Blocksworld-v0", **TURNS), "trl-turns", 1)[0][1]["problem"]
    one, other = TurnEnvironment(), TurnEnvironment()
    assert one.act("sing") == trl_turns.OVER  # before the first problem
    with pytest.raises(ValueError, match="must have been reset"):
        trl_turns.reward([one])
    assert one.reset(name, level=2) == other.reset(problem=name) == trl_turns.HOW
    first, second = plan(trl_turns.posed(name))
    assert "Not possible" in other.act(second) and "Not possible" not in one.act(first)
    with pytest.raises(ValueError, match="`action` must be a text, got 3"):
        one.act(3)
    assert one.act(second) == trl_turns.OVER == one.act("sing")
    assert trl_turns.reward([one, other]) == [3.0, 0.0] and len(trl_turns.actions_of(one)) == 2
    one.reset(name)
    assert trl_turns.reward([one]) == [0.0] and trl_turns.actions_of(one) == []


@pytest.mark.parametrize("form", trl_turns.ANSWERS)
def test_an_action_has_the_answer_format_of_the_preset(form):
    env = gym.make("Blocksworld-v0", answer=form, **TURNS).unwrapped
    _, info = env.reset(seed=0)
    member = TurnEnvironment()
    member.reset(info["problem"])
    for action in plan(env):
        member.act(action)
    assert trl_turns.reward([member]) == [3.0]


def test_what_does_not_fit_is_refused(tiny_model, tmp_path):
    model = str(tiny_model)
    framed = vector.Curriculum(vector.PromptFormat(envs()), SEC())
    args = arguments(tmp_path, max_steps=1)
    with pytest.raises(ValueError, match="must be without `PromptFormat`"):
        CurriculumGRPOTrainer(framed, model, args, environment_factory=TurnEnvironment)
    curriculum = vector.Curriculum(envs(), SEC())
    with pytest.raises(ValueError, match="does not support tool calling"):  # says TRL
        CurriculumGRPOTrainer(curriculum, model, args, environment_factory=TurnEnvironment)
    curriculum.reset(seed=0)
    with pytest.raises(ValueError, match="answered in one turn, unless"):
        trl_turns.answer(curriculum, slice(0, P * G), [r"\boxed{sing}"] * P * G)
