"""Worked episodes of several turns: what is said, what is observed, and what is learned of it."""

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from edgewise.agents.seedlings.pretrain import build_tokenizer, row_of, worked_episode


def begun(**options):
    env = gym.make(preset="seedling", **options).unwrapped
    env.reset(seed=0, options={"level": 3})
    return env, env.problem


def test_attempts_are_wrong_on_purpose_until_the_last():
    env, problem = begun(id="Countdown-v0", attempts={"most": 3, "explain": True})
    turns = worked_episode(env, problem, np.random.default_rng(0), slips=1.0)
    assert [turn.is_slip for turn in turns] == [True, True, False]
    answers = [env.extract(turn.text) for turn in turns]
    assert [env.task.verify(problem, answer) for answer in answers] == [False, False, True]
    assert all(turn.observation.startswith("Wrong. It equals") for turn in turns[:2])
    assert turns[-1].observation == ""
    assert len(worked_episode(env, problem, np.random.default_rng(0))) == 1


def test_a_mistake_is_the_first_attempt_and_not_learned():
    env, problem = begun(id="Countdown-v0", attempts=3)
    turns = worked_episode(env, problem, np.random.default_rng(0), mistake="1+1,\\boxed{1+1}")
    assert [turn.is_slip for turn in turns] == [True, False]
    assert turns[0][:2] == ("1+1,\\boxed{1+1}", "Wrong. Try again.")


def test_only_right_turns_and_their_ends_are_learned():
    env, problem = begun(id="Countdown-v0", attempts=2)
    tokenizer = build_tokenizer()
    turns = worked_episode(env, problem, np.random.default_rng(0), slips=1.0)
    prompt = tokenizer.encode(env.prompt(problem))
    tokens, learned = row_of(turns, prompt, tokenizer)
    told = [token for token, part in zip(tokens, learned, strict=True) if part]
    assert tokenizer.decode(told) == f"{turns[1].text}<eos>"
    whole = f"<bos>{env.prompt(problem)}{turns[0].text}<eos>Wrong. Try again.{turns[1].text}<eos>"
    assert tokenizer.decode(tokens) == whole


def test_a_world_is_played_action_by_action():
    env, problem = begun(id="Blocksworld-v0", interactive=True)
    turns = worked_episode(env, problem, np.random.default_rng(0), slips=1.0)
    assert len(turns) == 4 and not any(turn.is_slip for turn in turns)
    assert all(turn.text.startswith(r"\boxed{") for turn in turns)
