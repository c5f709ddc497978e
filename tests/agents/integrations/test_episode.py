"""An episode in tokens: what was sampled counts, what was observed does not; as our own loop has it."""

import gymnasium as gym
import pytest

pytest.importorskip("torch")

from edgewise.agents.integrations.episode import Episode, seed_of
from edgewise.agents.integrations.verl_reward import compute_score
from edgewise.agents.policies.chat import read_chat_options
from edgewise.agents.seedlings.pretrain import build_tokenizer
from edgewise.env import ReasoningEnv, unwrap
from edgewise.wrappers import Random, vector

TURNS = {"preset": "seedling", "interactive": True, "max_turns": 3, "rewards": (3.0, 1.0, 0.0)}


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


def named(env_id, seed=0, **options):
    env = gym.make(env_id, **options)
    _, info = env.reset(seed=seed)
    return unwrap(env), info["problem"]


def take(episode, *texts):
    """Answer with texts, as far as the episode goes; return the tokens of each."""
    answers = []
    for text in texts:
        answers.append(episode.tokenizer.encode(text, add_special_tokens=False))
        episode.answer(answers[-1], [-0.5] * len(answers[-1]))
    return answers


def test_observations_are_masked(tokenizer):
    env, problem = named("Blocksworld-v0", **TURNS)
    episode = Episode(problem, tokenizer)
    answers = take(episode, r"\boxed{sing}", r"\boxed{dance}", r"\boxed{rest}")
    assert episode.done and not episode.correct and episode.reward == 1.0
    sampled = [token for token, mask in zip(episode.tokens, episode.mask, strict=True) if mask]
    assert sampled == [token for answer in answers for token in answer]
    observed = [token for token, mask in zip(episode.tokens, episode.mask, strict=True) if not mask]
    assert "Not possible" in tokenizer.decode(observed)
    assert [
        value for value, mask in zip(episode.logprobs, episode.mask, strict=True) if not mask
    ] == ([0.0] * len(observed))
    assert episode.length == len(r"\boxed{sing}\boxed{dance}\boxed{rest}")
    assert episode.prompt == tokenizer.encode(env.prompt(env.problem))


def test_the_outcome_is_that_of_the_vector_environment(tokenizer):
    """The same answers through `Curriculum.step`, as our own loop scores them."""
    base = gym.make_vec("Blocksworld-v0", num_envs=3, group_size=3, **TURNS)
    envs = vector.Curriculum(vector.PromptFormat(base), Random())
    _, infos = envs.reset(seed=0)
    solution = base.env.task.solve(base.problems[0])
    plan = [rf"\boxed{{{act}}}" for act in solution.split(",")]
    members = [plan[:3], [r"\boxed{sing}"] * 3, ["no idea"]]
    turns = 0
    while not envs.lesson.is_complete:
        envs.step([texts[turns] if turns < len(texts) else None for texts in members])
        turns += 1
    for member, texts in enumerate(members):
        episode = Episode(infos["problem"][0], tokenizer)
        take(episode, *texts)
        assert episode.done
        assert episode.reward == envs.lesson.rewards[0, member]
        assert episode.correct == envs.lesson.correct[0, member]


def test_where_there_is_no_room_it_ends_without_an_answer(tokenizer):
    _, problem = named("Blocksworld-v0", **TURNS)
    episode = Episode(problem, tokenizer)
    take(episode, r"\boxed{sing}")
    assert not episode.done
    episode.stop()
    assert episode.done and episode.reward == 0.0 and not episode.correct
    before = episode.reward
    episode.stop()
    assert episode.reward == before


def test_the_opening_of_a_frame_counts_once(tokenizer):
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    env, problem = named("Countdown-v0", preset="e2h")
    episode = Episode(problem, tokenizer, read_chat_options("2026-01-31", "{}"))
    right = env.demonstrate(env.problem).removeprefix("<think>")
    whole = env.score([env.problem], [()], ["<think>" + right])[0]
    episode.score(episode.frame.opening + right)
    assert episode.reward == whole.reward == max(env.preset.rewards)


def test_an_answer_without_a_verdict_is_told(tokenizer, monkeypatch):
    _, problem = named("Countdown-v0", preset="seedling")
    score = ReasoningEnv.score

    def lost(self, *args):
        return [each._replace(correct=None, reward=0.0) for each in score(self, *args)]

    monkeypatch.setattr(ReasoningEnv, "score", lost)
    episode = Episode(problem, tokenizer)
    take(episode, r"\boxed{1}")
    assert not episode.verified and not episode.correct and episode.reward == 0.0
    with pytest.raises(RuntimeError, match="could not be verified"):
        compute_score("edgewise", r"\boxed{1}", problem)


def test_the_reward_function_verifies_by_name():
    env, problem = named("Countdown-v0", preset="sec")
    right = env.demonstrate(env.problem)
    assert compute_score("edgewise", right, problem) == {
        "score": 1.0,
        "correct": 1.0,
        "formatted": 1.0,
        "length": len(right),
    }
    wrong = compute_score("edgewise", r"\boxed{1}", problem, extra_info={}, num_turns=1)
    assert (wrong["score"], wrong["correct"]) == (0.1, 0.0)
    with pytest.raises(ValueError):
        compute_score("edgewise", right, "no name")


def test_seeds_differ_by_everything():
    seeds = {seed_of(*place) for place in [(0, 1, 0, 0, 0), (1, 1, 0, 0, 0), (0, 2, 0, 0, 0),
             (0, 1, 1, 0, 0), (0, 1, 0, 1, 0), (0, 1, 0, 0, 1)]}  # fmt: skip
    assert len(seeds) == 6 and all(0 <= seed < 2**32 for seed in seeds)
