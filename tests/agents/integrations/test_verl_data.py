"""The dataset in verl's own loader, and what it and the buffer refuse; run by `make test-verl`."""

import json

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("verl")

from omegaconf import OmegaConf
from torchdata.stateful_dataloader import StatefulDataLoader
from verl.trainer.ppo.utils import create_rl_sampler
from verl.utils.dataset.rl_dataset import collate_fn, get_dataset_class
from verl.utils.import_utils import load_extern_type

from edgewise.agents.integrations.verl_config import VerlConfig
from edgewise.agents.integrations.verl_draws import Completion
from edgewise.agents.integrations.verl_settings import NAMES, flags
from edgewise.agents.seedlings.pretrain import build_tokenizer
from edgewise.env import evaluation_set, unwrap

pytestmark = [pytest.mark.verl, pytest.mark.filterwarnings("ignore")]
P, G = 4, 2


def settings_of(path, **changes):
    """verl's `data`, as `edgewise verl` sets it."""
    config = VerlConfig(
        preset="seedling", num_problems=P, group_size=G, num_test=3, output=path, max_tokens=32,
        max_prompt_tokens=48, curriculum="sec:temperature=0.2",
    )  # fmt: skip
    told = {
        name: value if type(value) in (int, float) else str(value)
        for name, value in flags(config).items()
    }
    plain = {
        "custom_cls": {"path": NAMES, "name": "EdgewiseDataset"},
        "train_batch_size": P,
        "gen_batch_size": None,
        "dataloader_num_workers": 0,
        "shuffle": False,
        "edgewise": told,
    }
    return OmegaConf.create({**plain, **changes})


def dataset_of(settings, split="train"):
    kind = get_dataset_class(settings)
    return kind(split, build_tokenizer(), None, settings)


def loader_of(dataset, settings):
    """As verl's trainer makes it."""
    return StatefulDataLoader(
        dataset=dataset,
        batch_size=P,
        num_workers=0,
        drop_last=True,
        collate_fn=collate_fn,
        sampler=create_rl_sampler(settings, dataset),
    )


def teach(dataset, step):
    coins = np.random.default_rng([3, step]).random((P, G)) < 0.5
    told = [
        Completion(
            step, group, member, float(coins[group, member]), bool(coins[group, member]), 3, 2
        )
        for group, member in np.ndindex(P, G)
    ]
    dataset.draws.teach(told, step)


def names(batch):
    return [row["ground_truth"] for row in batch["reward_model"]]


def test_the_loader_draws_when_it_is_asked_and_its_state_continues(tmp_path):
    settings = settings_of(tmp_path / "whole")
    whole, drawn, saved = dataset_of(settings), [], None
    loader = loader_of(whole, settings)
    batches = iter(loader)
    for step in range(1, 6):
        assert whole.draws.num_drawn == step - 1
        batch = next(batches)
        assert whole.draws.num_drawn == step and set(batch["edgewise_batch"]) == {step}
        drawn.append(names(batch))
        teach(whole, step)
        if step == 3:
            saved = json.loads(json.dumps(loader.state_dict(), default=str))
    other = settings_of(tmp_path / "other")
    resumed = dataset_of(other)
    again = loader_of(resumed, other)
    again.load_state_dict(saved)
    batches = iter(again)
    for step in (4, 5):
        assert names(next(batches)) == drawn[step - 1]
        teach(resumed, step)
    assert resumed.state_dict() == whole.state_dict()


def test_a_loader_that_asks_before_the_rule_has_learned_is_refused(tmp_path):
    settings = settings_of(tmp_path)
    batches = iter(loader_of(dataset_of(settings), settings))
    next(batches)
    with pytest.raises(RuntimeError, match="batch 2 is drawn before batch 1 has taught the rule"):
        next(batches)


@pytest.mark.parametrize(
    ("name", "value"),
    [("dataloader_num_workers", 8), ("shuffle", True), ("gen_batch_size", 1)],
)
def test_settings_that_draw_ahead_are_refused_in_one_line(name, value, tmp_path):
    with pytest.raises(ValueError, match=rf"`data\.{name}` must be .* got {value}") as refused:
        dataset_of(settings_of(tmp_path, **{name: value}))
    assert "\n" not in str(refused.value)


def test_a_trainer_that_turns_asynchronous_later_is_refused(tmp_path):
    settings = settings_of(tmp_path)
    dataset = dataset_of(settings)
    settings.gen_batch_size = 1  # verl sets it after the dataset is made
    with pytest.raises(ValueError, match=r"`data\.gen_batch_size` must be 4"):
        dataset[0]


@pytest.mark.parametrize("mode", ["colocate_async", "separate_async"])
def test_the_buffer_refuses_asynchronous_trainers(mode):
    kind = load_extern_type(NAMES, "CurriculumBuffer")
    with pytest.raises(ValueError, match=f"`trainer.v1.trainer_mode` must be sync .* got {mode}"):
        kind(
            trainer_mode=mode,
            trainer_config={},
            max_off_policy_threshold=8,
            max_off_policy_strategy="drop",
            sampler_kwargs={},
            refill_fn=None,
        )


def test_the_test_set_is_that_of_eval(tmp_path):
    settings = settings_of(tmp_path)
    rows = dataset_of(settings, "test")
    env = unwrap(gym.make("Countdown-v0", preset="seedling", split="test"))
    expected = [
        env.pose(options)[1]["problem"]
        for level in env.levels
        for options in evaluation_set(env, level, 3)
    ]
    assert [rows[place]["reward_model"]["ground_truth"] for place in range(len(rows))] == expected
    assert len(expected) == 9 and rows.state_dict() == {}
