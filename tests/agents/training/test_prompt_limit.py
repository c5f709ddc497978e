"""Problems whose prompts do not fit are left out, counted and said; a model too short is refused."""

import json
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import gymnasium as gym
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from rich.console import Console  # noqa: E402

from edgewise import Preset, ReasoningEnv, ReasoningVectorEnv, Task  # noqa: E402
from edgewise.agents.policies.options import Sampling  # noqa: E402
from edgewise.agents.policies.room import positions_of  # noqa: E402
from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.seedlings.pretrain import build_tokenizer  # noqa: E402
from edgewise.agents.training.evaluation import evaluate  # noqa: E402
from edgewise.agents.training.prompt_limit import PromptLimit  # noqa: E402
from edgewise.agents.training.scores import EvaluationPlan  # noqa: E402
from edgewise.cli import main  # noqa: E402
from edgewise.frame import Frame  # noqa: E402
from edgewise.mixture import Mixture  # noqa: E402
from edgewise.problem_set import ProblemSet  # noqa: E402

SMALL = "--num-steps 2 --num-problems 4 --group-size 4 --threads 1"
PLAN = "--plan.num-problems 8 --plan.num-samples 2 --plan.k 2"


class Long(Task[str]):
    """Prompts of all lengths up to that of the level."""

    presets = {"toy": Preset("{}", {1: {"most": 8}, 2: {"most": 24}}, frame=Frame())}

    def generate(self, rng, *, most):
        return "x" * int(rng.integers(1, most + 1))

    def prompt(self, problem, template):
        return template.format(problem)

    def verify(self, problem, answer):
        return answer == str(len(problem))

    def solve(self, problem):
        return str(len(problem))


class Rows(ProblemSet[str]):
    """Rows of 1, 2, ... tokens."""

    presets = {"toy": Preset("{}", {1: {"count": 12}})}

    def rows(self, split, *, count):
        return ["y" * n for n in range(1, count + 1)]

    prompt, verify, solve = Long.prompt, Long.verify, Long.solve


def limit(most, positions=None, max_tokens=4):
    return PromptLimit(list, None, positions, max_tokens, most)


@pytest.fixture(scope="module")
def short_model(tmp_path_factory):
    """A model with 64 learned positions, which has no place for a further token."""
    tokenizer = build_tokenizer()
    torch.manual_seed(0)
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=16, n_layer=1, n_head=2, **ends
    )
    path = tmp_path_factory.mktemp("models") / "short"
    TransformersPolicy(transformers.GPT2LMHeadModel(config), tokenizer).save(path)
    return path


@pytest.mark.parametrize("task", [Long, Rows])
def test_only_what_fits_is_drawn_and_the_rest_is_counted(task):
    envs = ReasoningVectorEnv(12, group_size=2, task=task)
    limit(7).screen(envs.env)
    lengths = set()
    for turn in range(40):
        prompts, infos = envs.reset(seed=0 if turn == 0 else None)
        assert all(len(prompt) <= 7 for prompt in prompts)
        lengths |= {len(prompt) for prompt in prompts}
        for prompt, name in zip(prompts, infos["problem"], strict=True):
            posed = json.loads(name)
            assert envs.env.prompt(envs.env.draw(posed["level"], posed["problem_seed"])) == prompt
    assert lengths <= set(range(1, 8)) and max(lengths) == 7 and envs.env.num_unfit > 0


def test_draws_go_on_exactly_and_levels_are_as_without_a_limit():
    def drawn(envs, count):
        return [envs.reset()[1]["problem"].tolist() for _ in range(count)]

    envs, plain = (ReasoningVectorEnv(8, group_size=2, task=Long) for _ in range(2))
    limit(7).screen(envs.env)
    for made in (envs, plain):
        made.reset(seed=3)
    drawn(envs, 3)
    state = envs.state_dict()
    expected = drawn(envs, 3)
    envs.load_state_dict(state)
    assert drawn(envs, 3) == expected
    limit(100).screen(plain.env)
    free = ReasoningVectorEnv(8, group_size=2, task=Long)
    free.reset(seed=3)
    plain.reset(seed=3)
    assert drawn(plain, 3) == drawn(free, 3)  # a limit that refuses nothing changes nothing


def test_ranks_draw_the_same_though_each_poses_a_part():
    def named(own):
        envs = ReasoningVectorEnv(4, group_size=2, task=Long)
        limit(5).screen(envs.env)
        envs.reset(seed=1, options={"groups": [{}] * 4, "own": own})
        found = []
        for _ in range(4):
            _, infos = envs.reset(options={"groups": [{"level": 2}] * 4, "own": own})
            found.append(infos["problem"].tolist())
        return found, envs.state_dict()

    (first, one), (second, two) = named(slice(0, 2)), named(slice(2, 4))
    assert one == two and first != second


def test_members_of_a_mixture_have_their_own_count():
    envs = Mixture(envs=["Countdown-v0", "Countdown-v0"])
    member = envs.members[0]
    limit(max(limit(1).length(member, member.draw(3, n)) for n in range(3))).screen(envs)
    assert all(member.fits is not None for member in envs.members)
    envs.reset(seed=0)
    assert envs.num_unfit == sum(member.num_unfit for member in envs.members)


def test_an_arm_without_any_problem_that_fits_ends_in_one_line():
    envs = ReasoningEnv(Rows)
    limit(7).screen(envs)
    envs.fits = lambda problem: False
    with pytest.raises(ValueError, match="`level` must have problems that fit"):
        envs.reset(seed=0)


def test_what_is_left_out_is_said_before_a_run():
    lines = limit(7).check(ReasoningEnv(Rows, env_id="Rows-v0"))
    assert lines == [
        "Rows-v0, {'level': 1}: 1 of the first 8 prompts have more than 7 tokens; "
        "such problems are left out"
    ]
    assert limit(12).check(ReasoningEnv(Rows)) == []
    fixed = ReasoningEnv(Rows, arms=[{"level": 1, "problem_seed": 2}])
    assert limit(3).check(fixed) == []
    with pytest.raises(ValueError, match="`max_prompt_tokens` must be at least 3, "):
        limit(2).check(fixed)


@pytest.mark.parametrize(
    ("positions", "max_tokens", "message"),
    [
        (10, 10, r"^`max_tokens` must be at most 2 for this model, .* 10 positions.*, got 10$"),
        (6, 10, r"^`agent` must have more than 8 positions, .* 1 tokens or more, .* model of 6$"),
    ],
)
def test_a_model_too_short_is_refused_with_what_would_do(positions, max_tokens, message):
    asked = limit(None, positions, max_tokens)
    with pytest.raises(ValueError, match=message):
        asked.check(ReasoningEnv(Rows))


def test_evaluation_leaves_out_and_counts(tiny_model):
    policy = TransformersPolicy.load(tiny_model)
    single = gym.make("Countdown-v0", preset="seedling", split="test").unwrapped
    fixed = [{"level": 1, "params": {}, "problem_seed": seed} for seed in range(12)]
    tokens_of = policy.tokenizer.encode
    texts = [single.prompt(single.draw(1, options["problem_seed"])) for options in fixed]
    lengths = [len(tokens_of(text)) for text in texts]
    bound = max(lengths) - 1
    assert bound >= min(lengths)
    plan = EvaluationPlan(num_problems=12, num_samples=2, k=2)
    told = (policy, "Countdown-v0", plan, Sampling(max_tokens=4))
    asked = PromptLimit(tokens_of, None, None, 4, bound)
    (score,) = evaluate(*told, levels=[1], limit=asked, preset="seedling")
    assert score.num_problems + score.num_too_long == 12 and score.num_too_long > 0
    (whole,) = evaluate(*told, levels=[1], preset="seedling")
    assert (whole.num_problems, whole.num_too_long) == (12, 0)
    with pytest.raises(ValueError, match="`max_prompt_tokens` must be at least"):
        evaluate(*told, levels=[1], limit=PromptLimit(tokens_of, None, None, 4, 1), preset="sec")


def test_a_config_says_how_many_positions_there_are(short_model):
    assert positions_of(transformers.AutoConfig.from_pretrained(short_model)) == 64
    nameless = SimpleNamespace(get_text_config=lambda: SimpleNamespace())
    assert positions_of(nameless) is None


def test_no_position_is_read_that_there_is_not(short_model):
    policy = TransformersPolicy.load(short_model)
    prompts = ["x" * 100, "1 + 1 = ", "x" * 59]
    sampling, generator = Sampling(max_tokens=5), torch.Generator().manual_seed(0)
    found = policy.generate(prompts, sampling, generator)
    counts = found.mask.sum(dim=1).tolist()
    assert counts[0] == counts[2] == 0 and counts[1] > 0
    assert found.texts[0] == found.texts[2] == "" and not found.ended[0]
    for _ in range(12):  # until no room is left
        found = policy.extend(found, ["", "and then ", "y"], sampling, generator)
    assert found.texts[1] == "" and not found.ended[1] and found.attention.sum(dim=1).max() <= 64
    logprobs = policy.logprobs(found)
    assert logprobs.isfinite().all() and not logprobs[0].any()
    torch.testing.assert_close(logprobs, found.logprobs, atol=1e-5, rtol=0)
    logprobs.sum().backward()


@pytest.mark.parametrize("command", ["train", "preflight", "eval", "profile"])
def test_every_command_refuses_a_model_too_short(
    command, short_model, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    words = f"{command} --env Countdown-v0 --preset sec --agent hf:{short_model}".split()
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "positions" in error and len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_run_says_and_counts_what_it_leaves_out(short_model, tmp_path, capsys):
    path, folder = tmp_path / "run", tmp_path / "evaluation"
    agent = f"--agent hf:{short_model} --preset seedling --levels 3 --max-tokens 16".split()
    asked = [*agent, *SMALL.split(), "--no-evaluate", "--max-prompt-tokens"]
    assert main(["train", *asked, "25", "--output", str(path)]) == 0
    assert "have more than 25 tokens; such problems are left out" in capsys.readouterr().out
    steps = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    assert sum(step["prompts_too_long"] for step in steps) > 0
    assert main(["replay", str(path)]) == 0
    assert main(["train", *asked, "-1"]) == 2
    asked = ["--samples", "1", "--plan.num-problems", "8", "--max-prompt-tokens", "25"]
    assert main(["eval", *agent, *asked, "--output", str(folder)]) == 0
    (part,) = json.loads((folder / "summary.json").read_text())["parts"]
    assert part["num_problems"] + part["num_too_long"] == 8 and part["num_too_long"] > 0
    assert f"({part['num_too_long']} left out, too long)" in capsys.readouterr().out


def test_a_run_that_is_stopped_leaves_out_the_same(short_model, tmp_path):
    from edgewise.agents.training.config import TrainConfig
    from edgewise.agents.training.run import begin, resume

    shared = {"agent": f"hf:{short_model}", "preset": "seedling", "levels": (3,), "num_steps": 4}
    sizes = {"num_problems": 4, "group_size": 4, "max_tokens": 8, "max_prompt_tokens": 25}
    records = []
    for name, stop in (("whole", 4), ("stopped", 2)):
        output = tmp_path / name
        training = begin(TrainConfig(**shared, **sizes, evaluate=False, output=output))
        steps = training.steps()
        for _ in range(stop):
            next(steps)
        steps.close()
        if stop < 4:
            list(resume(output).steps())
        lines = (output / "metrics.jsonl").read_text().splitlines()
        found = [json.loads(line) for line in lines]
        timed = [name for name in found[0] if name.startswith("time/")]
        records.append([{k: v for k, v in step.items() if k not in timed} for step in found])
    assert records[0] == records[1] and sum(step["prompts_too_long"] for step in records[0])


def test_the_pool_of_a_rule_over_problems_is_recorded_where_some_do_not_fit(short_model, tmp_path):
    words = f"--agent hf:{short_model} --preset seedling --levels 3 --max-tokens 16 {SMALL}"
    more = "--no-evaluate --curriculum mopps --pool-size 30 --max-prompt-tokens 25"
    path = tmp_path / "run"
    assert main(["train", *words.split(), *more.split(), "--output", str(path)]) == 0
    assert len(json.loads((path / "config.json").read_text())["pool"]["names"]) == 30
    assert main(["replay", str(path)]) == 0


def test_an_evaluation_that_keeps_answers_leaves_out_and_counts(short_model, tmp_path, capsys):
    folder = tmp_path / "answers"
    words = f"eval --env Countdown-v0 --agent vllm:{short_model}".split()
    from edgewise.benchmarks.evaluation import session as sessions
    from edgewise.benchmarks.evaluation.suite import Part
    from edgewise.task import Protocol

    part = Part("own", "Countdown-v0", "seedling", Protocol(), False, {})
    asked = sessions.Session(
        suite="own",
        parts=[part],
        agent=f"hf:{short_model}",
        command=" ".join(words),
        levels=[3],
        num_problems=8,
        num_samples=1,
        max_tokens=8,
        max_prompt_tokens=25,
        output=folder,
    )
    _, (opened,), _ = sessions.prepare(asked, Console())
    assert len(opened.questions) + opened.num_too_long == 8 and opened.num_too_long > 0
    config = json.loads((folder / "config.json").read_text())
    assert config["chat_date"] == date.today().isoformat()
    assert config["asked"]["parts"][0]["num_too_long"] == opened.num_too_long
    assert f"({opened.num_too_long} left out, too long)" in capsys.readouterr().out.replace(
        "\n", " "
    )
    sessions.prepare(asked, Console())  # goes on
    with pytest.raises(ValueError, match="`chat_date` must be"):
        sessions.prepare(replace(asked, chat_date="2020-01-31"), Console())


def test_the_seedlings_prompts_fit_as_their_presets_say():
    for env_id in ("Countdown-v0", "Zebra-v0", "ARC1D-v0", "Arithmetic-v0"):
        env = gym.make(env_id, allow_ood=True).unwrapped
        if "seedling" not in env.task.presets:
            continue
        env = gym.make(env_id, preset="seedling", split="test").unwrapped
        levels = [{"level": level} for level in env.preset.levels]
        tokens_of = build_tokenizer().encode
        assert PromptLimit(tokens_of, None, 2048, 512).check(env, levels) == []
