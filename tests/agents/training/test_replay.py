"""The records of a run are enough to recompute its curriculum, and a change of them is found."""

import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.algorithms.filters import RPS  # noqa: E402
from edgewise.agents.training.config import TrainConfig, complete  # noqa: E402
from edgewise.agents.training.replay import difference, replay  # noqa: E402
from edgewise.agents.training.run import begin, to_record  # noqa: E402
from edgewise.agents.training.run_folder import RunFolder  # noqa: E402
from edgewise.cli import main  # noqa: E402
from edgewise.files import FileError  # noqa: E402
from edgewise.wrappers import CURRICULA, PROBLEM_CURRICULA, make_rule, vector  # noqa: E402
from edgewise.wrappers.lessons.batch import SCHEMA, as_current  # noqa: E402
from edgewise.wrappers.rules.catalogue import example_of  # noqa: E402
from edgewise.wrappers.rules.signal import Updated  # noqa: E402

STEPS = 5
RULES = [
    *map(example_of, CURRICULA),
    "subset:arms=[1,2]",
    "sec:signal=progress",
    "tscl:estimate=sampling",
    *map(example_of, PROBLEM_CURRICULA),
]


def written(path, curriculum, algorithm="grpo", allocation="none"):
    """The folder of a run without a model: half of the answers are right, by chance."""
    size = {"num_steps": STEPS, "num_problems": 6, "group_size": 4, "pool_size": 60}
    names = {"curriculum": curriculum, "algorithm": algorithm, "allocation": allocation}
    config = complete(TrainConfig(**names, **size))
    base, allotment = config.setup.envs(), config.setup.batch.allotment
    rule = make_rule(curriculum, STEPS)
    envs = vector.with_rule(base, rule, pool_size=60, allotment=allotment)
    folder = RunFolder.create(path, to_record(config, base))
    if "rps" in algorithm:
        envs.lesson.keep_ratios(RPS().refill)
    envs.reset(seed=config.seed)
    rng = np.random.default_rng(0)
    for step in range(1, STEPS + 1):
        envs.reset()
        earned = answered(envs, rng)
        mask = np.repeat(earned.max(axis=1) == earned.min(axis=1), base.group_size)
        if mask.any():  # rejected once
            envs.reset(options={"reset_mask": mask})
            answered(envs, rng)
        made = envs.lesson.made
        metrics = vector.teach(envs, rng.random(made.shape) * made)
        if vector.asks_after(envs):
            advantages, log_ratios = rng.normal(size=(2, *made.shape)) * made
            vector.tell_after(envs, Updated(advantages, log_ratios, made))
        head = {"schema": SCHEMA, "step": step}
        folder.append("groups.jsonl", [head | record for record in envs.records()])
        folder.append("metrics.jsonl", [{"step": step, "num_extra_rollouts": 4, **metrics}])
    place = path / "checkpoints" / str(STEPS)
    place.mkdir()
    (place / "envs.json").write_text(json.dumps(envs.state_dict()))
    return folder


def answered(envs, rng):
    """Answer what has not been answered; return the rewards of all, (P, G)."""
    right = rng.random(envs.num_envs) < 0.5
    solved = [rf"\boxed{{{problem.solution}}}" for problem in envs.base.problems]
    solutions = np.repeat(solved, envs.base.group_size)
    envs.step(np.where(right, solutions, "?").tolist())
    return envs.lesson.rewards


@pytest.mark.parametrize("curriculum", RULES)
def test_every_rule_is_recomputed(curriculum, tmp_path):
    told = replay(written(tmp_path / "run", curriculum))
    assert (told.num_steps, told.state_step) == (STEPS, STEPS)
    assert told.num_groups == STEPS * 6 + told.num_rejected and told.num_rejected > 0


@pytest.mark.parametrize(
    ("curriculum", "allocation"),
    [
        ("sec", "knapsack:most=9"),
        ("mt-grpo", "knapsack:most=9"),
        ("mopps", "vip:most=8:least=2"),  # of arms, all half solved, it would make equal groups
    ],
)
def test_what_an_allocation_gave_is_recomputed(curriculum, allocation, tmp_path):
    folder = written(tmp_path / "run", curriculum, allocation=allocation)
    assert replay(folder).num_rejected > 0
    path = folder.path / "groups.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    for step in range(1, STEPS + 1):
        own = [record for record in records if record["step"] == step and record["kept"]]
        assert sum(len(record["rewards"]) for record in own) == 6 * 4
    assert len({len(record["rewards"]) for record in records}) > 2
    for name in ("rewards", "correct", "lengths", "abs_advantages"):
        records[-1][name].append(False if name == "correct" else 0)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.raises(ValueError, match="completions of group"):
        replay(folder)


@pytest.mark.parametrize("curriculum", ["sec", "marin-learnability", "mt-grpo", "plr"])
def test_what_a_refill_drew_is_recomputed(curriculum, tmp_path):
    folder = written(tmp_path / "run", curriculum, "grpo:filter=rps")
    assert replay(folder).num_rejected > 0
    if curriculum == "plr":  # which proposes anew by itself
        return
    state = json.loads((folder.path / "checkpoints" / str(STEPS) / "envs.json").read_text())
    assert any(state["refill"]["rejected"])
    config = json.loads((folder.path / "config.json").read_text())
    config["hyperparameters"]["filter"] = "dapo"
    (folder.path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="in the replay"):
        replay(folder)


def test_what_an_update_did_is_needed_where_the_rule_asks(tmp_path):
    folder = written(tmp_path / "run", "mt-grpo")
    path = folder.path / "groups.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(len(each["log_ratios"]) == 4 for each in records if each["kept"])
    for record in records:
        record.pop("log_ratios", None)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.raises(ValueError, match="the records are damaged"):
        replay(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return written(tmp_path_factory.mktemp("runs") / "run", "sec")


def changed(run, path, name, change):
    """A copy of the run in which `change` was done to the lines of a file."""
    shutil.copytree(run.path, path)
    records = [json.loads(line) for line in (path / name).read_text().splitlines()]
    records = change(records) or records
    (path / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    return RunFolder(path)


def find(records, **keys):
    return next(each for each in records if all(each[key] == keys[key] for key in keys))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "groups.jsonl",
            lambda told: find(told, step=3, place=2).update(arm_probability=0.5),
            r"^step 3, group 2 of arm \d: `arm_probability` is 0.5 in the run and 0.\d+ in the re",
        ),
        (
            "groups.jsonl",
            lambda told: find(told, step=2, place=0).update(arm=7),
            r"^step 2, group 0 of arm 7: `arm` is 7 in the run and \d in the replay",
        ),
        (
            "groups.jsonl",  # what the rule was told changes what it does
            lambda told: find(told, step=2, place=1).update(abs_advantages=[3.0] * 4),
            r"^step 2: `abs_advantage` is 0\.\d+ in the run and 0\.\d+ in the replay",
        ),
        (
            "groups.jsonl",  # also of what was rejected
            lambda told: find(told, step=1, kept=False).update(rewards=[0.0, 1.0, 0.0, 1.0]),
            "^step 1, group . of arm .: `abs_advantages.0.` is 0.0 in the run",
        ),
        (
            "metrics.jsonl",
            lambda told: told[3].update({"arm/1_value": 0.123}),
            "^step 4: `arm/1_value` is 0.123 in the run",
        ),
        (
            "groups.jsonl",
            lambda told: [g for g in told if (g["step"], g["place"]) != (5, 0)],
            "groups.jsonl: step 5: the records are damaged",
        ),
        ("groups.jsonl", lambda told: told[0].pop("round"), None),
        (
            "groups.jsonl",
            lambda told: told[0].pop("rewards"),
            "groups.jsonl:1: must have 'rewards'",
        ),
        (
            "groups.jsonl",
            lambda told: [g for g in told if g["step"] != 2],
            "groups.jsonl: the records of step 2 are missing",
        ),
        (
            "groups.jsonl",
            lambda told: told[0].update(schema=9),
            "`schema` must be in .1, 3., got 9",
        ),
    ],
)
def test_the_first_difference_is_named(run, tmp_path, name, change, message):
    def once(records):
        result = change(records)
        return result if isinstance(result, list) and isinstance(result[0], dict) else None

    copy = changed(run, tmp_path / "copy", name, once)
    if message is None:  # the round of the first draw is 0 in any case
        assert replay(copy).num_steps == STEPS
    else:
        with pytest.raises(ValueError, match=message):
            replay(copy)


NO_NUMBERS = ["x", None, True, [], {}, 10**400, float("nan"), float("inf"), -2, 1.5]
NO_TEXTS = [None, 1, 0.5, [], {}]
NO_LISTS = [
    *("x", None, True, 3, {}),
    *([part] * 4 for part in (None, "x", 10**400, [], float("nan"))),
]
FALSE = {  # what is none of the kind; a probability may be anything in [0, 1]
    **dict.fromkeys(("step", "place", "round", "schema", "arm"), NO_NUMBERS),
    "arm_probability": [*NO_NUMBERS[:-2], -0.5, 1.5],
    **dict.fromkeys(("kept", "problem"), NO_TEXTS),
    **dict.fromkeys(
        ("rewards", "correct", "abs_advantages", "lengths", "num_tokens", "verified"), NO_LISTS
    ),
}
ROWS = [(name, found) for name, every in FALSE.items() for found in every]


@pytest.mark.parametrize("place", ["in the place of", "after"])
def test_a_line_with_a_field_that_is_none_is_named(run, tmp_path, place):
    path = changed(run, tmp_path / "copy", "groups.jsonl", lambda told: None).path / "groups.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    last = json.loads(lines[-1])
    lines = lines[:-1] if place == "in the place of" else lines
    for name, found in ROWS if place == "after" else ROWS[::5]:
        path.write_text("".join([*lines, json.dumps({**last, name: found}), "\n"]))
        with pytest.raises(FileError, match=rf"groups.jsonl:{len(lines) + 1}: `{name}` must be "):
            replay(RunFolder(path.parent))


def test_groups_of_a_step_before_are_named_and_those_of_one_that_was_not_completed_are_read(
    run, tmp_path
):
    copy = changed(run, tmp_path / "copy", "groups.jsonl", lambda told: [*told, told[0]])
    number = len(list(copy.lines("groups.jsonl")))
    with pytest.raises(
        FileError, match=rf"groups.jsonl:{number}: `step` must be at least 5, got 1"
    ):
        replay(copy)
    later = changed(
        run,
        tmp_path / "later",
        "groups.jsonl",
        lambda told: [*told, {**told[0], "step": STEPS + 1}],
    )
    assert replay(later).num_steps == STEPS
    one = changed(run, tmp_path / "one", "groups.jsonl", lambda told: told[-1].update(round=10**11))
    with pytest.raises(
        FileError, match=r"groups.jsonl: step 5: .*: round 100000000000 of \d+ groups"
    ):
        replay(one)


@pytest.mark.parametrize("found", [None, True, [], {}, 10**400, "x"])
@pytest.mark.parametrize("name", ["arm/1_value", "step", "num_extra_rollouts"])
def test_a_metric_that_is_no_number_is_named(run, tmp_path, name, found):
    copy = changed(
        run, tmp_path / "copy", "metrics.jsonl", lambda told: told[3].update({name: found})
    )
    is_text = name == "arm/1_value" and found == "x"  # texts are added by others
    place = r"metrics.jsonl: `step 4: " if is_text else r"metrics.jsonl:4: `"
    with pytest.raises(FileError, match=rf"{place}{name}` must be "):
        replay(copy)


def test_the_state_of_the_checkpoint_is_compared(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "copy")
    place = tmp_path / "copy" / "checkpoints" / str(STEPS) / "envs.json"
    state = json.loads(place.read_text())
    state["rule"]["values"][2] += 0.01
    place.write_text(json.dumps(state))
    with pytest.raises(ValueError, match=r"checkpoint of step 5: `rule.values\[2\]` is"):
        replay(RunFolder(tmp_path / "copy"))
    shutil.rmtree(tmp_path / "copy" / "checkpoints")
    assert replay(RunFolder(tmp_path / "copy")).state_step is None


def test_a_config_that_tells_too_little_is_refused(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "copy")
    config = json.loads((run.path / "config.json").read_text())
    del config["arms"]
    (tmp_path / "copy" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"config.json must have \['arms'\]"):
        replay(RunFolder(tmp_path / "copy"))


def as_first_schema(records):
    """The records as they were in schema 1, which had seven digits of a reward."""
    told = []
    for record in (record for record in records if record["kept"]):
        old = {key: record[key] for key in record if key not in ("kept", "place", "round")}
        told.append(old | {"schema": 1, "rewards": np.float32(record["rewards"]).tolist()})
    return told


def test_records_of_the_first_schema_are_read(tmp_path, tiny_model):
    options = {"agent": f"hf:{tiny_model}", "preset": "sec", "max_tokens": 12, "evaluate": False}
    training = begin(TrainConfig(output=tmp_path / "run", **options))
    list(training.steps())
    assert replay(training.folder).num_groups == 6 * 4
    old = changed(training.folder, tmp_path / "old", "groups.jsonl", as_first_schema)
    assert replay(old).num_groups == 6 * 4
    assert as_current({"schema": 1, "step": 1}, 3)["place"] == 3


def test_rejected_groups_that_were_not_recorded_are_missed(run, tmp_path):
    old = changed(run, tmp_path / "old", "groups.jsonl", as_first_schema)
    with pytest.raises(ValueError, match=r"^step 1: groups were rejected, of which"):
        replay(old)


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": "grpo:filter=speed", "group_size": 6},
        *(
            pytest.param(changes, marks=pytest.mark.slow)
            for changes in (
                {"algorithm": "ppo", "curriculum": "pac:cold_steps=1"},
                {"algorithm": "grpo:filter=dapo", "curriculum": "sec:signal=progress"},
            )
        ),
    ],
)
def test_a_run_of_a_model_is_recomputed(tiny_model, tmp_path, changes, capsys):
    options = {"agent": f"hf:{tiny_model}", "preset": "sec", "max_tokens": 12, "evaluate": False}
    training = begin(TrainConfig(output=tmp_path / "run", num_steps=3, **options | changes))
    extra = sum(metrics["num_extra_rollouts"] for metrics in training.steps())
    groups = list(training.folder.lines("groups.jsonl"))
    assert sum(len(group["rewards"]) for group in groups if not group["kept"]) == extra
    assert main(["replay", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "3 steps" in out and "agree" in out and "checkpoint of step 3" in out
    with (tmp_path / "run" / "groups.jsonl").open("a") as file:
        file.write('{"step": 4, "schema": 2, "rew')  # killed in the middle
    assert main(["replay", str(tmp_path / "run")]) == 0


def test_a_difference_is_one_line_and_a_mistake(run, tmp_path, capsys):
    def change(records):
        records[0]["arm_probability"] = 0.9

    copy = changed(run, tmp_path / "copy", "groups.jsonl", change)
    assert main(["replay", str(copy.path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("edgewise: step 1, group 0 of arm ") and error.count("\n") == 1
    assert main(["replay", str(tmp_path)]) == 2
    assert "must be the folder of a run" in capsys.readouterr().err


def test_differences():
    assert difference({"a": [1, 2.0]}, {"a": (1, 2.0 + 1e-12)}, 1e-9) is None
    assert difference({"a": [1, 2.0]}, {"a": [1, 2.1]}, 1e-9) == ("a[1]", 2.0, 2.1)
    assert difference({"a": 2**127}, {"a": 2**127 + 1}, 1e-9) == ("a", 2**127, 2**127 + 1)
    assert difference({"a": [1]}, {"a": [1, 2]}, 1e-9) == ("a", [1], [1, 2])
    assert difference({"a": 1}, {"b": 1}, 1e-9) == ("", ["a"], ["b"])


def test_a_run_of_version_0_1_is_replayed(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    del config["rule"]["rule"], config["rule"]["signal"]
    signal = {"class": "edgewise.wrappers.signal:MeanAbsAdvantage"}
    config["rule"] = {"class": "edgewise.wrappers.sec:SEC", "signal": signal, **config["rule"]}
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    assert replay(RunFolder(tmp_path / "run")).state_step == STEPS
