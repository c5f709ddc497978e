"""A model is not scored on problems that it was trained on."""

import json
from dataclasses import dataclass, replace

import pytest

pytest.importorskip("torch")

import gymnasium as gym

from edgewise.agents.training.clean import check_evaluation, check_model, check_problems
from edgewise.agents.training.config import TrainConfig, complete, from_record
from edgewise.cli import main
from edgewise.problem_set import ProblemSet
from edgewise.task import Preset


@dataclass(frozen=True)
class Shelves(ProblemSet):
    """Ten numbers to repeat for each of two levels; with `leaky`, half of the training rows are test rows."""

    leaky: bool = False

    presets = {
        "plain": Preset(
            r"Say {0} in \boxed{{}}.", levels={1: {"first": 0}, 2: {"first": 100}}, ood=(2,)
        )
    }

    def rows(self, split, *, first):
        offset = {"train": 5 if self.leaky else 10, "validation": 20, "test": 0}[split]
        return [str(first + offset + i) for i in range(10)]

    def prompt(self, problem, template):
        return template.format(problem)

    def verify(self, problem, answer):
        return answer == problem

    def solve(self, problem):
        return problem


@pytest.fixture(autouse=True)
def shelves():
    gym.register(
        id="Shelves-v0",
        entry_point="edgewise.env:ReasoningEnv",
        vector_entry_point="edgewise.vector_env:ReasoningVectorEnv",
        kwargs={"task": Shelves, "env_id": "Shelves-v0"},
    )
    yield
    del gym.registry["Shelves-v0"]


LEAKY = '{"leaky": true}'


def make_run(folder, **config):
    """The folder of a run that has been trained, as far as `check_model` looks."""
    (folder / "checkpoints" / "3" / "model").mkdir(parents=True)
    (folder / "model").mkdir()
    record = {"env": "Shelves-v0", "evaluation": {}, "evaluate": True, **config}
    (folder / "config.json").write_text(json.dumps(record))
    return [f"hf:{folder / place}" for place in ("model", "checkpoints/3/model")]


def test_a_run_is_not_scored_on_what_it_was_trained_on(tmp_path):
    for agent in make_run(tmp_path / "leaky", env_options=LEAKY):
        with pytest.raises(ValueError, match=r"must share no problem .* got 5 that do"):
            check_model(agent, "Shelves-v0", split="test")
        check_model(agent, "Countdown-v0", split="test")
        check_model(agent, "Shelves-v0", split="validation")
    for agent in make_run(tmp_path / "sound"):
        check_model(agent, "Shelves-v0", split="test")
    check_model("seedling", "Shelves-v0", split="test")  # of no run


def test_all_levels_count_for_they_are_all_scored():
    trained = TrainConfig(
        env="Shelves-v0", env_options='{"leaky": true, "allow_ood": true}', levels=(2,)
    )
    with pytest.raises(ValueError, match=r"got 5 that do, such as .*105"):
        check_problems(trained.problems, "Shelves-v0", split="test")
    sound = replace(trained, env_options='{"allow_ood": true}')
    check_problems(sound.problems, "Shelves-v0", split="test")


def test_validation_problems_are_none_of_training(tmp_path):
    options = {"env": "Shelves-v0", "evaluate": False, "env_options": '{"split": "validation"}'}
    check_evaluation(complete(TrainConfig(**options)).setup)  # there is no evaluation
    with pytest.raises(ValueError, match=r"must share no problem .* got 10 that do"):
        check_evaluation(complete(TrainConfig(**options, eval_every=2)).setup)


def test_the_commands_refuse(tmp_path, capsys):
    agent = make_run(tmp_path / "run", env_options=LEAKY)[0]
    assert main(["eval", "--env", "Shelves-v0", "--agent", agent]) == 2
    assert "must share no problem with what is trained on" in capsys.readouterr().err
    output = ["--output", str(tmp_path / "new")]
    assert main(["train", "--env", "Shelves-v0", "--env-options", LEAKY, *output]) == 2
    assert "must share no problem with what is trained on" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_the_config_of_a_run_from_before_a_field_was_new_is_read():
    record = {"env": "Countdown-v0", "evaluation": {"split": "validation"}, "levels": [1, 2]}
    config = from_record(record)
    assert (config.problems.keywords, config.levels, config.evaluation.split) == (
        {},
        (1, 2),
        "validation",
    )


def test_a_student_of_soar_is_not_scored_on_its_training_problems(tmp_path):
    """The record of such a run names the environment of its hard problems within the game."""
    game = {"env": "Shelves-v0", "preset": "plain"}
    agent = make_run(tmp_path, game=game, preset="sums", env=None)[0]
    check_model(agent, "Shelves-v0", split="test")
    with pytest.raises(ValueError, match="must share no problem"):
        check_model(agent, "Shelves-v0", split="train", allow_ood=True)
