"""Validation while a run trains: its records, the model that is kept, and the end for want of a better."""

import io
import json
import shutil
from contextlib import closing

import pytest

torch = pytest.importorskip("torch")

from rich.console import Console  # noqa: E402

from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.training.config import TrainConfig  # noqa: E402
from edgewise.agents.training.display import Display  # noqa: E402
from edgewise.agents.training.flags import ValidationPlan  # noqa: E402
from edgewise.agents.training.run import begin, resume  # noqa: E402
from edgewise.agents.training.validation import (  # noqa: E402
    best_of,
    is_exhausted,
    num_since_best,
    scalars,
    score_of,
)
from edgewise.cli import main  # noqa: E402


def looks(*means):
    return [
        {"step": step, "mean": mean, "mean_ood": 0.9, "levels": []}
        for step, mean in enumerate(means)
    ]


def test_the_best_is_the_first_of_the_highest_scores():
    found = looks(0.1, 0.3, 0.2, 0.3)
    assert best_of(found)["step"] == 1 and best_of([]) is None
    assert [num_since_best(found[:count]) for count in range(5)] == [0, 0, 0, 1, 2]
    assert scalars(found)["validation/best"] == 0.3 and scalars(found)["validation/mean"] == 0.3
    assert score_of({"mean": None, "mean_ood": 0.9}) == 0.9  # all levels are out of distribution


def test_patience_counts_validations_without_a_better_score():
    found = looks(0.1, 0.3, 0.2, 0.3)
    assert [is_exhausted(found[:count], 2) for count in range(5)] == [False] * 4 + [True]
    assert not is_exhausted(found, 3) and not is_exhausted(found, None)


def make(path, **changes):
    plan = ValidationPlan(num_problems=6, num_samples=2)
    options = {"agent": "seedling:sums", "env": "Arithmetic-v0", "output": path, "evaluate": False}
    options["levels"] = (1, 2)
    size = {"num_steps": 4, "num_problems": 4, "group_size": 4, "learning_rate": 3e-3}
    more = {"checkpoint_every": 3, "keep_checkpoints": 9, "eval_every": 2, "validation": plan}
    return begin(TrainConfig(**{**options, **size, **more, **changes}))


def records(path, name="validation.jsonl"):
    found = [json.loads(line) for line in (path / name).read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith("time/")} for line in found]


def weights(folder):
    return TransformersPolicy.load(folder).state_dict()


def kept(path):
    return json.loads((path / "best" / "edgewise.json").read_text())["step"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "whole"
    list(make(path).steps())
    return path


def test_validations_are_recorded_and_change_nothing_of_the_training(tmp_path, whole):
    list(make(tmp_path / "run", eval_every=None).steps())
    assert records(tmp_path / "run", "metrics.jsonl") == records(whole, "metrics.jsonl")
    last = weights(whole / "checkpoints" / "4" / "model")
    torch.testing.assert_close(last, weights(tmp_path / "run/checkpoints/4/model"), rtol=0, atol=0)
    assert not (tmp_path / "run" / "validation.jsonl").exists()
    found = records(whole)
    assert [record["step"] for record in found] == [0, 2, 4]
    assert all(level["num_problems"] == 6 for record in found for level in record["levels"])
    assert len({record["mean"] for record in found}) > 1  # else nothing below is tested


def test_the_best_model_is_kept_with_its_step_and_can_be_asked(whole, tmp_path, capsys):
    best = best_of(records(whole))
    assert kept(whole) == best["step"]
    words = f"eval --agent hf:{whole}/best --env Arithmetic-v0 --plan.split validation"
    size = f"--plan.num-problems 6 --samples 2 --output {tmp_path / 'asked'}"
    assert main([*words.split(), *size.split()]) == 0
    told = capsys.readouterr().out
    assert all(f"Arithmetic-v0 {level['level']}" in told for level in best["levels"])


@pytest.mark.parametrize(
    "steps", [2, *(pytest.param(steps, marks=pytest.mark.slow) for steps in (1, 3))]
)
def test_a_stopped_run_validates_and_keeps_as_one_that_went_through(tmp_path, whole, steps):
    path = tmp_path / "run"
    with closing(make(path).steps()) as begun:
        for _ in range(steps):
            next(begun)
    list(resume(path).steps())
    assert records(path) == records(whole) and kept(path) == kept(whole)
    torch.testing.assert_close(weights(path / "best"), weights(whole / "best"), rtol=0, atol=0)


def test_a_kill_between_the_checkpoint_and_the_model_is_made_good(tmp_path, whole):
    best = kept(whole)
    shutil.copytree(whole, tmp_path / "run")
    for later in (tmp_path / "run" / "checkpoints").iterdir():
        if int(later.name) > best:
            shutil.rmtree(later)
    shutil.rmtree(tmp_path / "run" / "best")
    list(resume(tmp_path / "run").steps())
    assert records(tmp_path / "run") == records(whole)
    torch.testing.assert_close(
        weights(tmp_path / "run" / "best"), weights(whole / "best"), rtol=0, atol=0
    )


def test_a_run_without_a_better_score_ends_early_and_stays_so(tiny_model, tmp_path, capsys):
    plan = "--validation.num-problems 2 --validation.num-samples 1"  # nothing is right in 2 tokens
    flags = (
        f"--output {tmp_path}/run --preset sec --max-tokens 2 --eval-every 1 --patience 2 {plan}"
    )
    words = f"train --agent hf:{tiny_model} --no-evaluate {flags}".split()
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "ended after step 2: 2 validations without a better score" in told
    assert "validation 0.000, best 0.000 at step 0" in told
    assert f"best     {tmp_path}/run/best, of step 0, 0.000 on validation problems" in told
    assert [record["step"] for record in records(tmp_path / "run")] == [0, 1, 2]
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0
    assert [record["step"] for record in records(tmp_path / "run")] == [0, 1, 2]
    assert len(records(tmp_path / "run", "metrics.jsonl")) == 2
    report = (tmp_path / "run" / "report.md").read_text()
    assert "best of 3 validations: 0.000 at step 0, whose model is in best/" in report
    assert "training ended after 2 without a better one" in report
    assert "| 0 (best) | 0.000 |" in report


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--patience 2", "`patience` must be left out without `eval_every`, got 2"),
        ("--eval-every 0", "`eval_every` must be at least 1, got 0"),
        ("--eval-every 2 --validation.split test", "`validation.split` must not be test"),
    ],
)
def test_validations_that_cannot_be_are_refused(flags, message, capsys):
    assert main(["train", *flags.split()]) == 2
    assert message in capsys.readouterr().err


def test_the_live_table_has_the_last_validation_beside_the_best():
    shown = io.StringIO()
    metrics = {"step": 1, "reward": 0.5, "frac_reward_zero_std": 0.0, "time/step_seconds": 1.0}
    metrics["time/tokens_per_second"] = 9.0
    found = {"validation/mean": 0.25, "validation/best": 0.5, "validation/best_step": 20}
    console = Console(file=shown, force_terminal=True, width=100)
    with Display(console, ["level 1"], 40) as display:
        display.update({**metrics, **found})
        display.update({**metrics, "step": 2})  # it stays until the next
    assert "step 2/40" in shown.getvalue()
    assert (
        shown.getvalue().rpartition("step 2/40")[2].count("validation 0.250, best 0.500 at step 20")
    )
