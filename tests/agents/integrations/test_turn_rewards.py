"""Scripted episodes earn the same in our loop, in TRL's `environment_factory`, in verl's loop and by name."""

import gymnasium as gym
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from edgewise.agents.algorithms.rollout import collect  # noqa: E402
from edgewise.agents.integrations import trl_turns  # noqa: E402
from edgewise.agents.integrations.episode import Episode  # noqa: E402
from edgewise.agents.integrations.trl_turns import TurnEnvironment  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.policy import append  # noqa: E402
from edgewise.agents.policies.room import empty_completions, left_pad  # noqa: E402
from edgewise.agents.seedlings.pretrain import build_tokenizer  # noqa: E402
from edgewise.scoring import score  # noqa: E402
from edgewise.wrappers import SEC, vector  # noqa: E402

P, G = 2, 5
EPISODES = [
    ("Countdown-v0", {"attempts": {"most": 3, "discount": 0.5, "explain": True}}),
    ("Countdown-v0", {"attempts": 2, "tools": {"tools": ["calculator"], "max_calls": 2}}),
    ("Blocksworld-v0", {"interactive": True, "max_turns": 4}),
    ("Guess-v0", {}),
]


class Scripted:
    """A sampler that says what the plan of each row says, then nothing."""

    def __init__(self, plans, tokenizer):
        self.plans, self.tokenizer, self.turn, self.told = plans, tokenizer, 0, []

    def say(self, start, rows):
        texts, tokens = list(start.texts), [[] for _ in self.plans]
        for row in rows:
            plan = self.plans[row]
            texts[row] = plan[self.turn] if self.turn < len(plan) else ""
            tokens[row] = [*self.tokenizer.encode(texts[row], add_special_tokens=False), 2]
        self.turn += 1
        found, attention = left_pad(tokens, 0)
        return append(start, found, attention, attention.float(), attention * -1.0, texts)

    def generate(self, prompts, sampling, generator):
        start = empty_completions(*left_pad([self.tokenizer.encode(x) for x in prompts], 0), 1.0)
        return self.say(start, range(len(prompts)))

    def extend(self, completions, observations, sampling, generator):
        self.told.append(list(observations))
        rows = [row for row, text in enumerate(observations) if text]
        further = [self.tokenizer.encode(x, add_special_tokens=False) for x in observations]
        return self.say(append(completions, *left_pad(further, 0)), rows)


def plans_of(name):
    """What a member does: all right, right at last, wrong, hostile, and nothing at all."""
    env = TurnEnvironment()
    env.reset(name)
    task, problem, right, answers = env._env.task, env._env.problem, [], []
    for _ in range(9):
        right.append(task.next_turn(problem, answers).rpartition("{")[2].rstrip("}"))
        answers.append(right[-1])
    wrong = "<calculator>1+1</calculator>"
    return [right, [wrong, *right], ["1", "sing", "2"], ["\0" * 99, "{}", "a" * 999] * 3, []]


@pytest.mark.parametrize(("env_id", "options"), EPISODES)
def test_rewards_are_the_same_whoever_plays(env_id, options):
    tokenizer = build_tokenizer()
    envs = gym.make_vec(
        env_id, num_envs=P * G, group_size=G, preset="seedling", levels=(1, 2), **options
    )
    curriculum = vector.Curriculum(envs, SEC())
    curriculum.reset(seed=0)
    state = curriculum.state_dict()
    names = curriculum.reset()[1]["problem"]
    curriculum.load_state_dict(state)
    plans = [plan for group in range(P) for plan in plans_of(names[group * G])]
    texts = [[rf"\boxed{{{action}}}" for action in plan] for plan in plans]
    sampler = Scripted(texts, tokenizer)
    rollout = collect(curriculum, sampler, Sampling(), torch.Generator())
    assert rollout.infos["problem"].tolist() == names[::G].tolist()
    ours = rollout.rewards.flatten().tolist()

    environments = [TurnEnvironment() for _ in plans]
    for name, plan, environment in zip(names, plans, environments, strict=True):
        environment.reset(name)
        for action in plan:
            environment.act(action)
    assert trl_turns.reward(environments) == pytest.approx(ours, abs=1e-6)

    for name, turns, earned in zip(names, texts, ours, strict=True):
        episode = Episode(name, tokenizer)
        for text in turns:
            if not episode.done:
                tokens = [*tokenizer.encode(text, add_special_tokens=False), 2]
                episode.answer(tokens, [-1.0] * len(tokens))
        episode.stop()
        assert episode.reward == pytest.approx(earned, abs=1e-6)
        assert score(name, *turns, *[""] * 9)["reward"] == pytest.approx(earned, abs=1e-6)

    assert max(ours) > min(ours) and 1.0 in ours  # and members end at different turns
    sampled = rollout.completions.mask.sum(dim=1)
    assert len(set(sampled.tolist())) > 2
    curriculum.learn()
    heard = [record["rewards"] for record in curriculum.records()]
    assert heard == [pytest.approx(row) for row in rollout.rewards.tolist()]
