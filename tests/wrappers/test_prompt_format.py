"""The papers' prompts, character for character, and what a completion is scored with."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

from edgewise import Frame, ReasoningEnv
from edgewise.envs.countdown.task import Countdown, Problem
from edgewise.wrappers import SEC, Curriculum, PromptFormat, vector

SEC_PROMPT = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves "
    "it. The assistant first thinks about the reasoning process in the mind and then provides the "
    "user with the answer.\nUser: Using the numbers [5, 17, 91], create an equation that equals "
    "113. You can only use basic arithmetic operations (+, -, *, /) and each number should be used "
    r"exactly once. Return the final answer in \boxed{}, for example \boxed{(1 + 2) / 3}."
    "\nAssistant: Let me solve this step by step."
)
E2H_PROMPT = (
    "<|im_start|>system\nYou are a helpful assistant. You first thinks about the reasoning process "
    "in the mind and then provides the user with the answer.\n<|im_end|>\n<|im_start|>user\nUsing "
    "the numbers [5, 17, 91], create an equation that equals 113. You can use basic arithmetic "
    "operations (+, -, *, /) and each number can only be used once. Show your work in <think> "
    "</think> tags. And return the final answer in <answer> </answer> tags, for example <answer> "
    "(1 + 2) / 3 </answer>.<|im_end|>\n<|im_start|>assistant\nLet me solve this step by step.\n"
    "<think>"
)


@dataclass(frozen=True)
class OneProblem(Countdown):
    def draw(self, rng, problem_seed, split, **params):
        return Problem((5, 17, 91), 113, "91 + 17 + 5")


def e2h(**kwargs):
    return gym.make("Countdown-v0", preset="e2h", **kwargs)


@pytest.mark.parametrize(("preset", "prompt"), [("sec", SEC_PROMPT), ("e2h", E2H_PROMPT)])
def test_the_prompt_of_the_paper(preset, prompt):
    env = PromptFormat(ReasoningEnv(OneProblem, preset=preset))
    assert env.reset(seed=0)[0] == prompt


def test_the_opening_is_scored_with_the_completion():
    env = PromptFormat(e2h())
    env.reset(seed=0)
    solution = env.unwrapped.problem.solution
    _, reward, _, _, info = env.step(f"so</think> <answer>{solution}</answer>")
    assert reward == 1.0 and info["answer"] == solution
    env.reset()
    assert not env.step("<think>so</think> <answer>1</answer>")[4]["formatted"]


def test_a_chat_is_rendered_by_what_is_given():
    env = PromptFormat(e2h(), render=lambda messages: "|".join(m["role"] for m in messages))
    assert env.reset(seed=0)[0] == "system|user|assistant"


def test_a_frame_may_be_given():
    bare = gym.make("Countdown-v0")
    framed = PromptFormat(gym.make("Countdown-v0"), frame={"before": "Q: ", "after": "\nA:"})
    assert framed.reset(seed=0)[0] == f"Q: {bare.reset(seed=0)[0]}\nA:"


def test_an_action_must_be_a_text():
    env = PromptFormat(e2h())
    env.reset(seed=0)
    with pytest.raises(TypeError):
        env.step(1)


@pytest.mark.parametrize("frame", [None, Frame(before="Q: ", after=" A:", stop=("\n",))])
def test_stacks_are_rebuilt_from_their_spec(frame):
    inner = Curriculum(PromptFormat(e2h(levels=(1, 2)), frame=frame), SEC(), group_size=2)
    outer = PromptFormat(Curriculum(e2h(levels=(1, 2)), SEC(), group_size=2), frame=frame)
    prompts = [env.reset(seed=3)[0] for env in (inner, outer)]
    assert prompts[0] == prompts[1] and prompts[0].startswith("Q: " if frame else "<|im_start|>")
    for env in (inner, outer):
        for spec in (env.spec, EnvSpec.from_json(env.spec.to_json())):
            again = gym.make(spec)
            assert type(again) is type(env) and again.reset(seed=3)[0] == prompts[0]
            again.step("</think>"), env.step("</think>")
            assert again.reset()[0] == env.reset()[0]
            env.reset(seed=3)


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped")
def test_gymnasium_accepts_it():
    check_env(PromptFormat(gym.make("Countdown-v0").unwrapped), skip_render_check=True)


def test_the_vector_form_is_the_single_one():
    envs = vector.PromptFormat(gym.make_vec("Countdown-v0", preset="e2h", num_envs=4, group_size=2))
    env = PromptFormat(e2h())
    prompts, info = envs.reset(seed=0)
    assert prompts in envs.observation_space and prompts[0] == prompts[1]
    answers = [problem.solution for problem in envs.unwrapped.problems]
    actions = [f"so</think> <answer>{answers[0]}</answer>", "no", "<answer>1</answer>", ""]
    _, rewards, _, _, scored = envs.step(actions)
    assert rewards.tolist() == [1.0, 0.0, 0.0, 0.0]
    for i, action in enumerate(actions):
        options = {key: info[key][i] for key in ("level", "problem_seed")}
        assert env.reset(options=options)[0] == prompts[i]
        assert env.step(action)[1] == rewards[i]
        assert scored["_correct"][i]


def test_a_masked_reset_keeps_the_other_prompts():
    envs = vector.PromptFormat(gym.make_vec("Countdown-v0", preset="e2h", num_envs=4, group_size=2))
    prompts, _ = envs.reset(seed=0)
    again, _ = envs.reset(options={"reset_mask": np.array([True, True, False, False])})
    assert again[2:] == prompts[2:] and again[0] != prompts[0]
    _, rewards, *_ = envs.step(["so</think> <answer>1</answer>"] * 4)
    assert rewards.tolist() == [0.1] * 4


def test_members_of_a_mixture_keep_their_frames():
    members = ["Countdown-v0", {"id": "Countdown-v0", "preset": "e2h"}]
    env = PromptFormat(gym.make("Mixture-v0", envs=members))
    assert env.reset(seed=0, options={"env": 0})[0].startswith("A conversation")
    assert env.reset(seed=0, options={"env": 1})[0].startswith("<|im_start|>")
    envs = vector.PromptFormat(gym.make_vec("Mixture-v0", num_envs=2, envs=members))
    prompts, _ = envs.reset(seed=0, options={"groups": [{"env": 0}, {"env": 1}]})
    assert [prompt[:2] for prompt in prompts] == ["A ", "<|"]


def test_curricula_learn_through_it():
    envs = gym.make_vec("Countdown-v0", preset="e2h", levels=(1, 2), num_envs=4, group_size=2)
    rule = SEC()
    envs = vector.Curriculum(vector.PromptFormat(envs), rule)
    envs.reset(seed=0)
    solution = envs.unwrapped.problems[0].solution
    envs.step([f"so</think> <answer>{solution}</answer>", "", "", ""])
    arm = envs.lesson.arms[0]
    envs.learn()
    assert rule.values[arm] > 0
