"""A run: what it leaves on disk, and that it continues bit for bit after any kind of stop."""

import json
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.policies.memory import MAX_TOKENS_PER_PASS  # noqa: E402
from edgewise.agents.training.config import TrainConfig, complete  # noqa: E402
from edgewise.agents.training.replay import replay  # noqa: E402
from edgewise.agents.training.report import write_report  # noqa: E402
from edgewise.agents.training.run import begin, resume  # noqa: E402
from edgewise.agents.training.run_folder import RunFolder  # noqa: E402
from edgewise.cli import main  # noqa: E402


def slowly(*values):
    """Parameters of rows that `make test-all` runs alone."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


def lines(path, name="metrics.jsonl"):
    """The records of a run, without its times."""
    records = [json.loads(line) for line in (path / name).read_text().splitlines()]
    return [
        {key: value for key, value in record.items() if not key.startswith("time/")}
        for record in records
    ]


def make(tiny_model, path, **changes):
    options = {"agent": f"hf:{tiny_model}", "output": path, "max_tokens": 12, "evaluate": False}
    more = {"preset": "sec", "num_steps": 4, "checkpoint_every": 2}  # a preset that rewards a box
    return begin(TrainConfig(**{**options, **more, **changes}))


def weights(path, step=4):
    return (path / "checkpoints" / str(step) / "model" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "whole"
    list(make(tiny_model, path).steps())
    return path


def test_what_is_left_open_is_what_the_model_was_made_for(tiny_model):
    config = complete(TrainConfig(agent=f"hf:{tiny_model}"))
    assert (config.preset, config.num_steps, config.learning_rate) == ("seedling", 6, 1e-3)


def test_the_config_tells_the_rule_and_the_hyperparameters_in_full(whole):
    config = json.loads((whole / "config.json").read_text())
    assert config["rule"]["rule"] == "sec"
    assert config["hyperparameters"]["loss_mean"] == "token"


def test_the_run_has_gradients(whole):
    assert sum(record["grad_norm"] > 0 for record in lines(whole)) >= 2


def test_a_group_has_a_record(whole):
    groups = lines(whole, "groups.jsonl")
    assert len(groups) == 4 * 4
    first = groups[0]
    assert first["schema"] == 3 and first["step"] == 1 and first["kept"]
    assert [group["place"] for group in groups[:5]] == [0, 1, 2, 3, 0]
    assert json.loads(first["problem"])["level"] == first["arm"] + 1
    assert first["arm_probability"] == pytest.approx(1 / 3)
    told = ("rewards", "correct", "abs_advantages", "lengths", "num_tokens")
    assert all(len(first[key]) == 4 for key in told)


def test_a_stopped_run_continues_bit_for_bit(tiny_model, tmp_path, whole):
    with closing(make(tiny_model, tmp_path / "run").steps()) as steps:
        for _ in range(3):
            next(steps)
    list(resume(tmp_path / "run").steps())
    assert lines(tmp_path / "run") == lines(whole)
    assert lines(tmp_path / "run", "groups.jsonl") == lines(whole, "groups.jsonl")
    assert weights(tmp_path / "run") == weights(whole)


@pytest.mark.slow
def test_a_run_over_problems_continues_and_is_reported(tiny_model, tmp_path):
    options = {"curriculum": "mopps", "pool_size": 100, "algorithm": "grpo:filter=bae"}
    options["num_steps"] = 6
    for name, stop in (("whole", 6), ("run", 3)):
        with closing(make(tiny_model, tmp_path / name, **options).steps()) as steps:
            for _ in range(stop):
                next(steps)
    resumed = resume(tmp_path / "run")
    list(resumed.steps())
    assert lines(tmp_path / "run") == lines(tmp_path / "whole")
    assert weights(tmp_path / "run", 6) == weights(tmp_path / "whole", 6)
    last = lines(tmp_path / "run")[-1]
    assert last["pool/num_seen"] > 6 * 4 and last["num_extra_rollouts"] > 0
    assert "arm_probability" not in lines(tmp_path / "run", "groups.jsonl")[0]
    assert "mopps" in write_report(resumed.folder).read_text()


def test_steps_after_the_last_checkpoint_are_done_again(tiny_model, tmp_path, whole):
    steps = make(tiny_model, tmp_path / "run").steps()
    for _ in range(3):
        next(steps)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "rew')  # cut off in the middle
    list(resume(tmp_path / "run").steps())
    assert lines(tmp_path / "run") == lines(whole)
    assert weights(tmp_path / "run") == weights(whole)


def test_a_run_that_was_killed_continues_bit_for_bit(start, tiny_model, tmp_path, whole):
    path = tmp_path / "run"
    flags = f"--agent hf:{tiny_model} --output {path} --preset sec --no-evaluate"
    command = start(
        f"train {flags} --max-tokens 12 --num-steps 4 --checkpoint-every 2",
        after=path / "metrics.jsonl",
    )
    command.until(command.held.exists)
    command.process.kill()
    assert command.end()[0] == -signal.SIGKILL
    list(resume(path).steps())
    assert lines(path) == lines(whole)
    assert weights(path) == weights(whole)


@pytest.mark.slow
def test_a_full_disk_is_told_in_one_line(tiny_model, tmp_path):
    run = f"{sys.executable} -m edgewise train --agent hf:{tiny_model} --output {tmp_path}/run"
    limited = f"ulimit -f 20; exec {run} --max-tokens 12 --no-evaluate"  # KiB a file
    ran = subprocess.run(["bash", "-c", limited], capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1 and "too large" in ran.stderr.lower()


@pytest.mark.parametrize(
    "algorithm", ["ppo", *slowly("rloo", "reinforce", "reinforce++:kl_coef=0.01")]
)
def test_every_algorithm_continues_bit_for_bit(tiny_model, tmp_path, algorithm):
    options = {"algorithm": algorithm, "num_steps": 2}
    list(make(tiny_model, tmp_path / "whole", **options).steps())
    with closing(make(tiny_model, tmp_path / "run", **options).steps()) as steps:
        next(steps)
    resumed = resume(tmp_path / "run")
    list(resumed.steps())
    assert lines(tmp_path / "run") == lines(tmp_path / "whole")
    ended = [
        torch.load(tmp_path / run / "checkpoints" / "2" / "algorithm.pt", weights_only=True)
        for run in ("run", "whole")
    ]
    torch.testing.assert_close(*ended, rtol=0, atol=0)
    assert weights(tmp_path / "run", 2) == weights(tmp_path / "whole", 2)
    if algorithm == "ppo":
        assert ended[0]["value_head"]["weight"].any()


@pytest.mark.slow
def test_a_run_in_bfloat16_continues_bit_for_bit(tiny_model, tmp_path):
    options = {"dtype": "bfloat16", "num_steps": 4, "gradient_checkpointing": True}
    list(make(tiny_model, tmp_path / "whole", **options).steps())
    with closing(make(tiny_model, tmp_path / "run", **options).steps()) as steps:
        next(steps)
    list(resume(tmp_path / "run").steps())
    assert lines(tmp_path / "run") == lines(tmp_path / "whole")
    ends = [weights(tmp_path / run, step) for run in ("run", "whole") for step in (2, 4)]
    assert ends[:2] == ends[2:] and ends[0] != ends[1]


def test_a_sampler_of_other_precision_is_corrected_for(tiny_model, tmp_path):
    begun = make(tiny_model, tmp_path / "run", decode_dtype="bfloat16", num_steps=2)
    assert begun.policy.decode_dtype == torch.bfloat16
    list(begun.steps())
    name = "sampling/importance_sampling_ratio/"
    for record in lines(tmp_path / "run"):
        assert record[f"{name}min"] < 1.0 < record[f"{name}max"]
        assert record[f"{name}mean"] == pytest.approx(1.0, abs=0.02)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["hyperparameters"]["importance_cap"] == 2.0
    options = {"decode_dtype": "bfloat16", "algorithm": "rloo:importance_cap=1.5"}
    assert make(tiny_model, tmp_path / "own", **options).hyperparameters.importance_cap == 1.5
    options = {"decode_dtype": "bfloat16", "dtype": "bfloat16"}
    assert make(tiny_model, tmp_path / "same", **options).hyperparameters.importance_cap is None


def test_a_model_that_cannot_be_sampled_in_other_precision_is_refused(tiny_model, tmp_path):
    shutil.copytree(tiny_model, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(path.read_text().replace('"silu"', '"gelu"'))
    with pytest.raises(ValueError, match=r"`decode_dtype` must be left out .* got 'bfloat16'"):
        make(tmp_path / "model", tmp_path / "run", decode_dtype="bfloat16")


@pytest.mark.parametrize("curriculum", ["mt-grpo", *slowly("frontier", "actor-curator-problems")])
def test_rules_that_learn_of_updates_and_a_refill_continue_and_are_recomputed(
    tiny_model, tmp_path, curriculum
):
    options = {"curriculum": curriculum, "algorithm": "grpo:filter=rps:filter_rounds=1"}
    options |= {"levels": (1, 2), "learning_rate": 1e-2, "num_steps": 4, "pool_size": 40}
    list(make(tiny_model, tmp_path / "whole", **options).steps())
    with closing(make(tiny_model, tmp_path / "parts", **options).steps()) as steps:
        next(steps), next(steps)
    list(resume(tmp_path / "parts").steps())
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")
    assert weights(tmp_path / "parts", 4) == weights(tmp_path / "whole", 4)
    assert replay(RunFolder.open(tmp_path / "whole")).state_step == 4
    asked = [record.get("num_scored_tokens", 0) > 0 for record in lines(tmp_path / "whole")]
    assert any(asked) == (curriculum != "frontier")


@pytest.mark.parametrize("curriculum", ["sec", *slowly("mopps")])
def test_a_run_whose_groups_differ_in_size_continues_and_is_recomputed(
    tiny_model, tmp_path, curriculum
):
    options = {"curriculum": curriculum, "allocation": "knapsack:most=9", "pool_size": 8}
    options |= {"algorithm": "grpo:filter=dapo:filter_rounds=1", "num_steps": 3}
    whole = make(tiny_model, tmp_path / "whole", **options)
    list(whole.steps())
    with closing(make(tiny_model, tmp_path / "parts", **options).steps()) as steps:
        next(steps), next(steps)
    list(resume(tmp_path / "parts").steps())
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")
    assert weights(tmp_path / "parts", 3) == weights(tmp_path / "whole", 3)
    assert replay(RunFolder.open(tmp_path / "whole")).state_step == 3
    records = list(whole.folder.lines("groups.jsonl"))
    kept = [record for record in records if record["kept"]]
    assert len({len(record["rewards"]) for record in records}) > 1
    assert all(len(record["num_tokens"]) == len(record["rewards"]) for record in kept)
    batch = whole.setup.batch
    assert (
        sum(len(record["rewards"]) for record in kept) == 3 * batch.num_problems * batch.group_size
    )


def test_training_may_go_on_where_an_evaluation_stops(tiny_model, tmp_path):
    whole = make(tiny_model, tmp_path / "whole", preset="e2h")
    assert whole.hyperparameters.sampling.stop == whole.sampling.stop == ("</answer>",)
    none = make(tiny_model, tmp_path / "none", preset="e2h", stop="none")
    assert none.hyperparameters.sampling.stop == () and none.sampling.stop == ("</answer>",)


def test_a_run_of_before_fields_were_there_continues_bit_for_bit(tiny_model, tmp_path, whole):
    with closing(make(tiny_model, tmp_path / "run").steps()) as steps:
        next(steps)
    path = tmp_path / "run" / "config.json"
    record = json.loads(path.read_text())
    for name in ("decode_dtype", "max_tokens_per_pass", "lora_dropout", "eval_every", "allocation"):
        del record[name]
    path.write_text(json.dumps(record))
    training = resume(tmp_path / "run")
    assert training.setup.model.decode_dtype is None
    assert training.setup.model.max_tokens_per_pass == MAX_TOKENS_PER_PASS
    list(training.steps())
    assert lines(tmp_path / "run") == lines(whole)
    assert weights(tmp_path / "run") == weights(whole)


def test_a_loss_that_is_not_finite_leaves_the_last_checkpoint(tiny_model, tmp_path, whole):
    training = make(tiny_model, tmp_path / "run", checkpoint_every=1)
    steps = training.steps()
    next(steps), next(steps)
    kept = weights(tmp_path / "run", 2)
    next(training.policy.model.parameters()).data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match=r"^after step 2: .*the last checkpoint is .*/2$"):
        next(steps)
    assert weights(tmp_path / "run", 2) == kept
    list(resume(tmp_path / "run").steps())
    assert lines(tmp_path / "run") == lines(whole)
    assert weights(tmp_path / "run") == weights(whole)


def test_a_run_that_diverges_says_so_in_one_line(tiny_model, tmp_path, capsys):
    flags = f"--agent hf:{tiny_model} --output {tmp_path / 'run'} --preset sec --no-evaluate"
    size = "--max-tokens 12 --learning-rate 1e30 --algorithm reinforce++"
    assert main(["train", *flags.split(), *size.split()]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("edgewise: after step 1: `logprobs`")
    assert error.endswith("run/checkpoints/0\n")


def test_a_run_folder_that_exists_is_refused(tiny_model, whole):
    with pytest.raises(ValueError, match=r"`output` must not exist.*--resume"):
        make(tiny_model, whole)


def test_only_a_run_is_resumed(tmp_path):
    with pytest.raises(ValueError, match="`resume` must be the folder of a run"):
        resume(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"env": "Countdown-v1"}, "did you mean 'Countdown-v0'"),
        ({"preset": "seq"}, "did you mean 'sec'"),
        ({"levels": (1, 9)}, r"`levels` must be among \[1, 2, 3\]"),
        ({"levels": (4,)}, r"`levels` must be among \[1, 2, 3\]"),
        ({"curriculum": "sek"}, "did you mean 'sec'"),
        ({"algorithm": "gpro"}, "did you mean 'grpo'"),
        ({"algorithm": "grpo:clip=0.1"}, "did you mean 'clip_eps'"),
        ({"algorithm": "ppo:gae_lambda=2"}, r"`gae_lambda` must be in \[0, 1\], got 2"),
        ({"algorithm": "ppo:discount=high"}, "`discount` must be a finite number, got .high."),
        ({"algorithm": "rloo", "group_size": 1}, "`group_size` must be at least 2 for rloo, got 1"),
        ({"algorithm": "grpo:filter=speed"}, "`group_size` must be at least 5 for grpo.*, got 4"),
        ({"agent": "seedlings"}, "did you mean 'seedling'"),
        ({"agent": "hf:/nowhere"}, "`model` must be a folder or hub id of a causal language model"),
    ],
)
def test_what_is_wrong_is_named_before_a_folder_is_made(tiny_model, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        make(tiny_model, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_the_report_tells_what_happened(whole):
    text = write_report(_folder(whole)).read_text()
    assert "4 of 4 steps of 4 problems, 4 completions each" in text
    assert "64 completions" in text
    assert (whole / "report.png").read_bytes().startswith(b"\x89PNG")


def _folder(path: Path):
    from edgewise.agents.training.run_folder import RunFolder

    return RunFolder.open(path)


def test_several_tasks_are_one_environment(tiny_model, tmp_path):
    envs = "Countdown-v0,ARC1D-v0"
    training = make(tiny_model, tmp_path / "run", env=envs, preset="seedling", num_steps=1)
    list(training.steps())
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["arms"][:4] == [
        "Countdown-v0 level 1",
        "Countdown-v0 level 2",
        "Countdown-v0 level 3",
        "ARC1D-v0 level 1",
    ]
    posed = {
        json.loads(group["problem"])["env"] for group in lines(tmp_path / "run", "groups.jsonl")
    }
    assert posed <= {"Countdown-v0", "ARC1D-v0"}
    card = json.loads((training.finish() / "edgewise.json").read_text())
    assert card["envs"] == ["Countdown-v0", "ARC1D-v0"] and card["preset"] == "seedling"
