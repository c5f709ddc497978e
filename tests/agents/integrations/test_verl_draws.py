"""A curriculum that verl draws from: no lag, the rule of our own loop, exact continuation; needs no verl."""

import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from edgewise.agents.integrations.verl_config import VerlConfig
from edgewise.agents.integrations.verl_draws import Completion, Draws
from edgewise.agents.training import samples
from edgewise.agents.training.replay import replay
from edgewise.agents.training.report import write_report
from edgewise.agents.training.run_folder import RunFolder
from edgewise.pool import TooManyUnverified
from edgewise.wrappers import vector

P, G = 4, 4


@pytest.fixture(scope="module")
def tokenizer():
    from edgewise.agents.seedlings.pretrain import build_tokenizer

    return build_tokenizer()


def config_of(path, **changes):
    config = VerlConfig(
        model="seedling",
        preset="seedling",
        curriculum="sec:temperature=0.2",
        num_steps=5,
        num_problems=P,
        group_size=G,
        seed=5,
        output=path,
        max_tokens=32,
        max_prompt_tokens=48,
    )
    return replace(config, **changes)


def script(batch):
    """What the completions of a batch earn, (P, G): less often at later groups."""
    coins = np.random.default_rng([7, batch]).random((P, G))
    return (coins < np.linspace(0.8, 0.2, P)[:, None]) * 1.0


def completions(batch, rewards, sizes=None):
    """What comes back of a batch, the last first."""
    return [
        Completion(
            batch=batch,
            group=group,
            member=member,
            reward=rewards[group, member],
            correct=rewards[group, member] == 1,
            length=7 + member,
            num_tokens=3 + member,
            abs_advantage=None if sizes is None else sizes[group, member],
        )
        for group, member in reversed(list(np.ndindex(P, G)))
    ]


def train(draws, batches):
    """Draw and teach some batches; return the rows that were drawn."""
    rows = []
    for batch in batches:
        rows.append(draws.draw())
        draws.teach(completions(batch, script(batch)), step=batch)
    return rows


def by_hand(config, batches):
    """The records and the state of a curriculum that our own loop would drive, with these rewards."""
    envs = config.envs()
    curriculum = vector.with_rule(envs, config.rule.make(envs), config.pool_size)
    curriculum.reset(seed=config.seed)
    curriculum.lesson.forget()
    records = []
    for batch in batches:
        curriculum.reset()
        rewards = script(batch)
        for group in range(P):
            right = (rewards[group] == 1).tolist()
            lengths = [7 + member for member in range(G)]
            curriculum.lesson.set_outcomes(group, rewards[group].tolist(), right, True, lengths)
        curriculum.learn()
        records += [{"step": batch, **record} for record in curriculum.records()]
    return records, curriculum.state_dict()


@pytest.mark.parametrize("curriculum", ["sec:temperature=0.2", "mopps", "e2h-gaussian"])
def test_the_rule_is_that_of_our_own_loop(curriculum, tokenizer, tmp_path):
    config = config_of(tmp_path, curriculum=curriculum, pool_size=40)
    draws = Draws(config, tokenizer)
    train(draws, range(1, 6))
    records, state = by_hand(config, range(1, 6))
    found = list(RunFolder(tmp_path).lines("groups.jsonl"))
    assert [{name: row[name] for name in own} for row, own in zip(found, records, strict=True)] == (
        records
    )
    assert [row["num_tokens"] for row in found] == [[3 + member for member in range(G)]] * 5 * P
    assert json.dumps(draws.state_dict()["curriculum"]) == json.dumps(state)
    metrics = list(RunFolder(tmp_path).lines("metrics.jsonl"))
    assert [(row["lag"], row["heard_at_step"]) for row in metrics] == [(0, n) for n in range(1, 6)]
    assert replay(RunFolder.open(tmp_path)).num_steps == 5


def test_reports_read_the_records(tokenizer, tmp_path):
    train(Draws(config_of(tmp_path), tokenizer), [1, 2])
    text = write_report(RunFolder.open(tmp_path)).read_text()
    assert "# Countdown-v0, SEC, GRPO of verl, seed 5" in text
    assert "2 of 5 steps of 4 problems, 4 completions each" in text


def test_rows_name_their_problem_and_their_place(tokenizer, tmp_path):
    [rows] = train(Draws(config_of(tmp_path), tokenizer), [1])
    names = [row["reward_model"]["ground_truth"] for row in rows]
    told = list(RunFolder(tmp_path).lines("groups.jsonl"))
    assert names == [record["problem"] for record in told]
    assert [(row["edgewise_batch"], row["edgewise_group"]) for row in rows] == [
        (1, group) for group in range(P)
    ]


def test_a_batch_is_not_drawn_before_the_one_before_has_taught(tokenizer, tmp_path):
    draws = Draws(config_of(tmp_path), tokenizer)
    draws.draw()
    with pytest.raises(RuntimeError, match="batch 2 is drawn before batch 1 has taught"):
        draws.draw()
    with pytest.raises(RuntimeError, match="batch 1 must teach the rule before it is saved"):
        draws.state_dict()


def test_other_batches_do_not_teach(tokenizer, tmp_path):
    draws = Draws(config_of(tmp_path), tokenizer)
    with pytest.raises(RuntimeError, match="completions must be of batch 0"):
        draws.teach(completions(1, script(1)), step=1)
    draws.draw()
    with pytest.raises(RuntimeError, match=r"must be of batch 1, which is out, got \[1, 2\]"):
        draws.teach([*completions(1, script(1)), *completions(2, script(2))], step=1)
    draws.teach(completions(1, script(1)), step=1)
    with pytest.raises(RuntimeError, match="when 1 batches have taught"):
        draws.teach(completions(1, script(1)), step=1)


def test_the_trainer_s_own_advantages_are_what_the_rule_hears(tokenizer, tmp_path):
    draws = Draws(config_of(tmp_path), tokenizer)
    rows = draws.draw()
    assert len(rows) == P
    arms = draws.lesson.arms.copy()
    draws.teach(completions(1, script(1), sizes=np.full((P, G), 0.25)), step=1)
    values = draws.lesson.rule.values
    assert all(values[arm] == 0.5 * 0.25 for arm in set(arms.tolist()))


def test_what_does_not_come_back_has_no_verdict(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr("edgewise.pool.MAX_UNVERIFIED", 0.5)
    draws = Draws(config_of(tmp_path), tokenizer)
    draws.draw()
    arms = draws.lesson.arms.copy()
    rewards = np.zeros((P, G))
    rewards[:, :2] = 1.0
    came = [
        completion
        for completion in completions(1, rewards)
        if completion.group > 0 and (completion.group, completion.member) != (1, 3)
    ]
    told = draws.teach(came, step=1)
    assert told["curriculum/unverified"] == G + 1
    assert sum(told[f"curriculum/arm/{arm}_count"] for arm in range(3)) == P - 1
    records = list(RunFolder(tmp_path).lines("groups.jsonl"))
    assert records[0]["verified"] == [False] * G
    assert records[1]["verified"] == [True, True, True, False]
    assert records[1]["abs_advantages"][3] == 0.0
    assert [record["arm"] for record in records] == arms.tolist()
    assert replay(RunFolder(tmp_path)).num_steps == 1


def test_too_much_that_is_lost_stops_the_run(tokenizer, tmp_path):
    draws = Draws(config_of(tmp_path), tokenizer)
    draws.draw()
    with pytest.raises(TooManyUnverified, match="1 of 16 answers"):
        draws.teach(completions(1, script(1))[1:], step=1)


@pytest.mark.parametrize("curriculum", ["sec:temperature=0.2", "plr"])
def test_a_run_continues_exactly(curriculum, tokenizer, tmp_path):
    whole = Draws(config_of(tmp_path / "whole", curriculum=curriculum, pool_size=40), tokenizer)
    rows = train(whole, range(1, 6))
    config = config_of(tmp_path / "killed", curriculum=curriculum, pool_size=40)
    killed = Draws(config, tokenizer)
    train(killed, range(1, 4))
    (config.output / "global_step_3").mkdir()
    saved = json.loads(json.dumps(killed.state_dict()))
    train(killed, range(4, 5))
    (config.output / "global_step_4").mkdir()
    killed.state_dict()
    resumed = Draws(config, tokenizer)
    resumed.load_state_dict(saved)
    assert train(resumed, range(4, 6)) == rows[3:]
    assert resumed.state_dict() == whole.state_dict()
    lines = [(tmp_path / name / "groups.jsonl").read_text() for name in ("whole", "killed")]
    assert lines[0] == lines[1]
    told = replay(RunFolder.open(config.output))
    assert (told.num_steps, told.state_step) == (5, 3)  # that of step 4 was of what was dropped


def test_a_folder_with_a_run_is_refused(tokenizer, tmp_path):
    train(Draws(config_of(tmp_path), tokenizer), [1])
    with pytest.raises(ValueError, match="`output` must hold no run"):
        Draws(config_of(tmp_path), tokenizer).draw()


def test_a_rule_that_learns_after_the_update_is_refused(tokenizer, tmp_path):
    with pytest.raises(ValueError, match="`curriculum` must be a rule that learns before"):
        Draws(config_of(tmp_path, curriculum="mt-grpo"), tokenizer)


def test_problems_with_long_prompts_are_left_out(tokenizer, tmp_path):
    config = config_of(tmp_path, max_prompt_tokens=24)
    with pytest.raises(ValueError, match="`max_prompt_tokens` must be at least"):
        Draws(replace(config, max_prompt_tokens=2), tokenizer)
    draws = Draws(config, tokenizer)
    [rows] = train(draws, [1])
    assert all(len(tokenizer.encode(row["raw_prompt"][0]["content"])) <= 24 for row in rows)


def test_samples_are_kept_as_in_our_own_runs(tmp_path, tokenizer):
    draws = Draws(config_of(tmp_path / "run", max_tokens=4), tokenizer)
    rows = draws.draw()
    end, (word,) = tokenizer.eos_token_id, tokenizer.encode("7", add_special_tokens=False)
    said = {  # by member: what it is, and what is sampled
        0: ("right", (word, end)), 1: ("wrong", (word, word, word, end)), 2: ("no answer", (word,)),
        3: ("cut", (word, word, word, word)),
    }  # fmt: skip
    completions = [
        Completion(1, group, member, float(kind == "right"), kind == "right", 1, len(tokens),
                   formatted=kind != "no answer", response=tokens)
        for group in range(P)
        for member, (kind, tokens) in said.items()
    ]  # fmt: skip
    draws.teach(completions, step=1)
    kept = list(samples.read(RunFolder(tmp_path / "run")))
    groups = list(RunFolder(tmp_path / "run").lines("groups.jsonl"))
    assert len(kept) == 4 and {one["step"] for one in kept} == {1}
    for one in kept:
        kinds = {kind: tokens for kind, tokens in said.values()}
        assert one["completion"] == tokenizer.decode(list(kinds[one["outcome"]]))
        assert one["num_tokens"] == len(kinds[one["outcome"]])
        group = groups[one["place"]]
        assert (one["arm"], one["problem"]) == (group["arm"], group["problem"])
        assert rows[one["place"]]["raw_prompt"][-1]["content"] in one["prompt"]
    assert len({(one["arm"], one["outcome"]) for one in kept}) == 4
