"""What a game computes is what was counted beforehand, and its memory and days are arithmetic."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from edgewise.agents.policies.transformers import TransformersPolicy  # noqa: E402
from edgewise.agents.soar.config import SOARRunConfig, game_of  # noqa: E402
from edgewise.agents.soar.game import play, start  # noqa: E402
from edgewise.agents.soar.pairs import hard_pairs  # noqa: E402
from edgewise.agents.soar.plan import SECONDS, count_game, inner_steps, plan_game  # noqa: E402  # noqa: E402
from edgewise.agents.soar.run import make_teacher  # noqa: E402
from edgewise.agents.soar.together import PolicyCohort  # noqa: E402
from edgewise.cli import main  # noqa: E402
from edgewise.cli.parse import parse  # noqa: E402

PAGE = (Path(__file__).parents[3] / "docs" / "soar.md").read_text(encoding="utf-8")
H200 = ("--plan --preset llama-math --device cuda --dtype bfloat16 --memory 141GB --lora-rank 32 "
        "--engine vllm --max-tokens-per-pass 32768")  # fmt: skip


class Counting(TransformersPolicy):
    """Counts the completions that it samples, scores and learns from; of copies too."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seen = {"sampled": [], "scored": [], "learned": []}

    def frozen(self):
        copy = super().frozen()
        copy.seen = self.seen
        return copy

    def generate(self, prompts, sampling, generator):
        self.seen["sampled"].append((len(prompts), sampling.temperature))
        return super().generate(prompts, sampling, generator)

    def logprobs(self, completions):
        kind = "learned" if torch.is_grad_enabled() else "scored"
        self.seen[kind].append(len(completions.texts))
        return super().logprobs(completions)


@pytest.mark.parametrize("cap", [None, pytest.param(2.0, marks=pytest.mark.slow)])
def test_a_game_computes_what_was_counted(poser_model, cap):
    config = SOARRunConfig(
        agent=f"hf:{poser_model}", num_steps=3, num_datasets=2, dataset_size=2, num_students=2,
        inner_steps=1, max_inner_steps=4, num_hard=2, threshold=-9.0, student_group_size=4,
        student_problems=2, student_minibatches=2,
    )  # fmt: skip
    game = game_of(config)
    game = replace(
        game,
        soar=replace(game.soar, window=2, more_steps=2),
        teacher=replace(game.teacher, importance_cap=cap),
        student=replace(game.student, importance_cap=cap),
    )
    policies = [Counting.load(poser_model) for _ in range(2)]
    teacher = make_teacher(policies[0], game)
    student = PolicyCohort(policies[1], game.exam, game.student)
    hard = hard_pairs(poser_model / "hard-train.jsonl", game.question)
    metrics = list(play(teacher, student, hard, game.soar, start(student, game.soar)))
    promotions = [m["step"] for m in metrics if m["promoted"]]
    assert promotions == [2] and [m["inner_steps"] for m in metrics] == [1, 1, 3]
    written = 3 * 2 * 2
    attempts = sum(2 * 2 / m["accepted_ratio"] for m in metrics)
    counts = count_game(game, len(hard), written / attempts, promotions)
    taught, trained = (policy.seen for policy in policies)
    assert sum(count for count, _ in taught["sampled"]) == counts.teacher.sampled
    assert sum(taught["scored"]) == counts.teacher.scored
    assert sum(taught["learned"]) <= counts.teacher.learned
    assert sum(count for count, warm in trained["sampled"] if warm) == counts.students.sampled
    assert sum(count for count, warm in trained["sampled"] if not warm) == counts.asked
    assert sum(trained["scored"]) == counts.students.scored
    learned = sum(trained["learned"])
    # groups without a signal are not learned from; which these are depends on the processor
    assert counts.students.learned / 4 < learned <= counts.students.learned


def test_the_papers_game_by_hand():
    """40,960 answers in an outer step, and 17 times 64 greedy ones."""
    game = game_of(SOARRunConfig(preset="llama-math"))
    counts = count_game(game, num_hard=359)
    assert counts.students.sampled == 200 * 40_960 and counts.teacher.sampled == 200 * 256
    assert counts.asked == 200 * 17 * 64
    assert [inner_steps(game.soar, step, (20, 22, 30)) for step in (20, 21, 23, 31)] == [
        10, 15, 20, 20,
    ]  # fmt: skip
    promoted = count_game(game, 359, promotions=(100,))
    assert promoted.students.sampled == (100 * 10 + 100 * 15) * 16 * 256
    assert promoted.asked == counts.asked + 359
    learnable = count_game(game_of(SOARRunConfig(preset="llama-math", reward="learnability")), 359)
    assert (learnable.students.sampled, learnable.students.learned) == (200 * 256 * 32, 0)


def h200(**flags):
    return plan_game(
        SOARRunConfig(
            plan=True, preset="llama-math", device="cuda", dtype="bfloat16", memory="141GB",
            lora_rank=32, engine="vllm", max_tokens_per_pass=32_768, **flags,
        )
    )  # fmt: skip


def test_the_papers_game_takes_less_than_three_days_without_promotions():
    found = h200()
    assert found.fits and 2.5 < found.days < 3
    students = found.durations["students, training"]
    tokens = 200 * 40_960 * 256
    assert students.tokens == tokens and students.sampling == pytest.approx(tokens / found.rate)
    # the reference, the learner's own and a pass with a gradient of adapters; 8 prompts in 64 rows
    flops = 200 * 40_960 * (256 + 192 / 8) * (2 + 2 + 4) * found.shape.num_parameters
    assert students.flops == pytest.approx(flops)
    assert students.learning == pytest.approx(flops / (0.33 * 989e12))
    again = h200(mean_tokens=round(found.longest_mean))
    assert again.days == pytest.approx(3, rel=0.01)
    slower = h200(sampled_per_second=found.rate / 2)
    sampling = sum(part.sampling for part in found.durations.values())
    assert slower.days - found.days == pytest.approx(sampling / SECONDS)
    assert h200(promotions=(22, 83)).days > 4


def test_one_set_of_base_weights_with_adapters_two_models_without():
    adapters, whole = h200(), plan_game(
        SOARRunConfig(plan=True, preset="llama-math", device="cuda", dtype="bfloat16", memory="282GB")
    )  # fmt: skip
    weights = 2 * adapters.shape.num_parameters
    both = {**adapters.plan.always, **adapters.beside}
    assert [count for count in both.values() if count >= weights] == [weights]
    twice = [count for count in (*whole.plan.always.values(), *whole.beside.values())]
    assert twice.count(weights) == 4  # of teacher and student, and their references
    trained = adapters.plan.work.trained
    assert adapters.beside["students' adapters"] == (16 * 12 + 8) * trained


def test_the_command_prints_it_without_weights(capsys):
    assert main(["soar", *H200.split()]) == 0
    out = capsys.readouterr().out
    assert "fits: " in out and " days, " in out and "33% of 989 TFLOP" in out
    assert main(["soar", *H200.split(), "--memory", "12GB"]) == 2
    assert "`memory` must be at least" in capsys.readouterr().err


ROWS = re.findall(r"^\| `(--engine vllm.*?)` \| (\d.* GB.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("flags", "cells"), ROWS)
def test_the_table_of_the_page_is_what_is_computed(flags, cells):
    common = H200.replace("--lora-rank 32 --engine vllm ", "")
    found = plan_game(parse(SOARRunConfig, "soar", f"{common} {flags}".split()))
    memory, sampling, learning, days = (cell.strip() for cell in cells.strip(" |").split("|"))
    assert memory.startswith(f"{found.needs / 1e9:.2f} GB") and found.fits != ("not fit" in memory)
    parts = found.durations.values()
    assert sampling == f"{sum(part.sampling for part in parts) / 3600:.0f} h"
    assert learning == f"{sum(part.learning for part in parts) / 3600:.0f} h"
    assert days == f"{found.days:.2f}"


def test_the_page_has_rows():
    assert len(ROWS) == 4


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--mean-tokens 100", "`mean_tokens` must be left out without `plan`"),
        ("--plan --accepted-ratio 0", "`accepted_ratio` must be in (0, 1], got 0"),
        ("--plan --promotions 0", "`promotions` must be at least 1, got 0"),
        ("--plan --sampled-per-second -1", "`sampled_per_second` must be positive"),
        ("--plan --memory much", "`memory` must be a size such as 141GB"),
        ("--plan --agent hf:nobody/nothing", "`agent` must be a folder with a config.json, or one"),
    ],
)
def test_mistakes_of_a_plan_are_told(flags, message, capsys):
    assert main(["soar", *flags.split()]) == 2
    assert message in capsys.readouterr().err
